"""`compiled`: Numba's njit for the pages of the engine, with a cache that notices every change.

Numba keys its cache by the file that a function stands in, so it serves old machine code when a helper in
*another* file changed. Here the key is the text of the page and of every page of the engine that it imports,
directly or not; Numba adds its own version and the processor's name and features.

The plain Python function stays at hand as `.py_func`.
"""

import hashlib
import re
from collections.abc import Callable
from functools import cache
from glob import escape
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.extending import register_jitable

ROOT = Path(__file__).parents[2]  # the folder that holds the package


def compiled(function: Callable[..., Any] | None = None, *, parallel: bool = False, fastmath: Any = False) -> Any:
    """Compile `function` at its first call for each signature, and keep the machine code on disk.

    Division by zero follows NumPy (inf or nan), as in the other forms. `fastmath` takes Numba's words, such as
    {"contract", "reassoc"}.
    """
    if function is None:
        return lambda f: compiled(f, parallel=parallel, fastmath=fastmath)
    own_name(function)
    dispatcher: Any = numba.njit(error_model="numpy", nogil=True, parallel=parallel, fastmath=fastmath)(function)
    dispatcher._cache = PageCache(function)
    return dispatcher


def own_name(function: Callable[..., Any], *more: Any) -> None:
    """Give a function that closes over others a name of its own, by them and by what `more` says.

    One text then makes many machine codes. Numba finds machine code by name, and numbers equal names only within a
    process: two codes that were kept on disk by different processes would be taken for each other.
    """
    if (said := [*_cells(function), *more]) and "_of_" not in function.__qualname__:
        names = ".".join(f"{c.__module__}.{c.__qualname__}" if hasattr(c, "__qualname__") else repr(c) for c in said)
        function.__qualname__ += f"_of_{hashlib.sha256(names.encode()).hexdigest()[:12]}"


def inner(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that compiled ones call, compiled with each of them; defined inside another, it may close over it."""
    own_name(function)
    return register_jitable(function)


def _cells(function: Callable[..., Any]) -> list[Any]:
    return [cell.cell_contents for cell in function.__closure__ or ()]


class PageCache(FunctionCache):
    """Numba's own cache with another stamp: all sources that the function's machine code is made of."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        files = {file for f in (function, *_cells(function)) if (file := _file(f))}
        self._cache_file = Files(  # type: ignore[no-untyped-call]
            cache_path=self._cache_path,
            filename_base=self._impl.filename_base.replace("<", "").replace(">", ""),
            source_stamp=stamp(tuple(files)),
        )

    def _index_key(self, signature: Any, codegen: Any) -> tuple[Any, ...]:
        return signature, codegen.magic_tuple()


class Files(IndexDataCacheFile):
    """The files of one function, for many processes at once: each is named after the sources and the types in it.

    Numba numbers them and keeps an index, and writes the index first: another process may find the machine code of
    other sources, or of other types, under the number that it was told.
    """

    def save(self, key: Any, data: Any) -> None:
        self._save_data(self._name(key), data)  # type: ignore[no-untyped-call]
        self._clear(but=self._source_stamp[:16])

    def load(self, key: Any) -> Any:
        try:
            return self._load_data(self._name(key))  # type: ignore[no-untyped-call]
        except OSError:
            return None

    def flush(self) -> None:
        self._clear(but="")

    def _name(self, key: Any) -> str:
        types = hashlib.sha256(repr((numba.__version__, key)).encode()).hexdigest()
        return f"{self._base}.{self._source_stamp[:16]}.{types[:16]}.nbc"

    def _clear(self, but: str) -> None:
        """Remove what was made of other sources."""
        for file in Path(self._cache_path).glob(f"{escape(self._base)}.*.nbc"):
            if file.name.split(".")[-3] != but:
                file.unlink(missing_ok=True)

    @property
    def _base(self) -> str:
        return str(self._index_name).removesuffix(".nbi")


def _file(function: Any) -> Path | None:
    code = getattr(getattr(function, "py_func", function), "__code__", None)
    return Path(code.co_filename) if code else None


@cache
def stamp(pages: tuple[Path, ...]) -> str:
    """SHA-256 of the pages' text and of all pages of the engine that they rest on."""
    digest = hashlib.sha256()
    for source in sorted(set().union(*(closure(page) for page in pages))):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def closure(page: Path) -> set[Path]:
    """The page and every file of `underhood.engine` that it imports, directly or through others."""
    found: set[Path] = set()
    waiting = [page]
    while waiting:
        source = waiting.pop()
        if source not in found:
            found.add(source)
            waiting += _imports(source)
    return found


# Parsing the pages took a seventh of the engine's import. Remarks and broken lines would hide names: they go before.
_ASIDE = re.compile(r"#.*|\\\n")
_IMPORT = re.compile(
    r"(?:^|[:;])[ \t]*(?:from (underhood\.engine[\w.]*) import (\([^)]*\)|.*)|import (.*))", re.MULTILINE
)


@cache
def _imports(source: Path) -> tuple[Path, ...]:
    names: list[str] = []
    for module, what, modules in _IMPORT.findall(_ASIDE.sub("", source.read_text(encoding="utf-8"))):
        names += [module, *(f"{module}.{name}" for name in re.findall(r"\w+", what)), *re.findall(r"[\w.]+", modules)]
    inside = [ROOT / name.replace(".", "/") for name in names if name.startswith("underhood.engine.")]
    return tuple(path.with_suffix(".py") for path in inside if path.with_suffix(".py").exists())
