"""A person's own Python file: what it imports from beside it, one hash of all that, and the module it makes.

    nets.py            from parts.blocks import Residual
    parts/__init__.py
    parts/blocks.py

    members(nets.py) = (nets.py, parts/__init__.py, parts/blocks.py)
    fingerprint      = sha256 over their names and texts, line ends apart

What an `import` statement names counts, wherever in the file it stands; files that code opens by itself don't.
"""

import ast
import contextlib
import sys
import traceback
from collections.abc import Iterator
from hashlib import sha256
from importlib import invalidate_caches
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from underhood.errors import EXTRAS, BadInput


def members(path: Path) -> tuple[Path, ...]:
    """The file first, then in the order of their names the modules beside it that it comes to import."""
    path = path.expanduser().resolve()
    root, seen, waiting = path.parent, {path}, [path]
    while waiting:
        at = waiting.pop()
        for name in _imported(at, root):
            found = module_file(name, root)
            if found is not None and found not in seen:
                seen.add(found)
                waiting.append(found)
    return (path, *sorted(seen - {path}))


def module_file(name: str, root: Path) -> Path | None:
    """The file of the module `name` below the folder `root`; a name of the standard library has none there."""
    parts = name.split(".")
    if parts[0] in sys.stdlib_module_names:
        return None
    at = root.joinpath(*parts)
    return next((path for path in (at / "__init__.py", at.with_name(f"{at.name}.py")) if path.is_file()), None)


def _imported(path: Path, root: Path) -> Iterator[str]:
    """The modules that a file's statements name, with the packages around them; of `from a import b` a.b as well."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return  # who loads it says so
    package = path.relative_to(root).parent.parts
    for node in ast.walk(tree):
        names: list[tuple[str, ...]] = []
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            parts = (*above, *(node.module.split(".") if node.module else ()))
            names = [(*parts, *more) for more in ((), *((alias.name,) for alias in node.names))]
        yield from (".".join(name[: i + 1]) for name in names for i in range(len(name)))


def texts(path: Path) -> dict[str, bytes]:
    """Each member's bytes by its path below the file's folder. BadInput where one cannot be read."""
    path = path.expanduser().resolve()
    found = {}
    for each in members(path):
        try:
            found[each.relative_to(path.parent).as_posix()] = each.read_bytes()
        except OSError as error:
            raise BadInput(f"{each}: {'there is no such file' if not each.exists() else error.strerror}") from None
    return found


def fingerprint(path: Path) -> str:
    """The SHA-256 of the members: the same wherever the folder lies and however lines end."""
    whole = sha256()
    for name, text in sorted(texts(path).items()):
        whole.update(f"{name}\0".encode() + sha256(text.replace(b"\r\n", b"\n")).digest())
    return whole.hexdigest()


def copy(path: Path, folder: Path) -> None:
    """Write the members into a folder, as they lie beside one another."""
    for name, text in texts(path).items():
        at = folder / name
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_bytes(text)


# ----------------------------------------------------------------------------------------------------
# Loading


@contextlib.contextmanager
def without_bytecode() -> Iterator[None]:
    """Inside, imports leave no bytecode beside the sources. Python knows it by the second and the length of its source,
    so a file that is written twice at once would be taken for the first.
    """
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


class Neighbours:
    """The modules beside a file, under their plain names, whatever else is called so in this process."""

    def __init__(self, path: Path) -> None:
        self.folder = path.expanduser().resolve().parent
        self.tops = {each.relative_to(self.folder).parts[0].removesuffix(".py") for each in members(path)[1:]}
        self.own: dict[str, ModuleType] = {}

    @contextlib.contextmanager
    def importable(self) -> Iterator[None]:
        """Inside, imports find these first; afterwards whoever had their names before has them again."""
        before = self._now()
        self._put(self.own)
        sys.path.insert(0, str(self.folder))
        invalidate_caches()
        try:
            with without_bytecode():
                yield
        finally:
            with contextlib.suppress(ValueError):
                sys.path.remove(str(self.folder))
            self.own = self._now()
            strangers = {name: module for name, module in before.items() if not self._is_below(module)}
            self._put(self.own | strangers)

    def _now(self) -> dict[str, ModuleType]:
        return {name: module for name, module in sys.modules.items() if name.partition(".")[0] in self.tops}

    def _put(self, modules: dict[str, ModuleType]) -> None:
        for name in self._now():
            del sys.modules[name]
        sys.modules.update(modules)

    def _is_below(self, module: ModuleType) -> bool:
        file = getattr(module, "__file__", None)
        return file is not None and Path(file).resolve().is_relative_to(self.folder)


def load(path: Path, neighbours: Neighbours | None = None) -> ModuleType:
    """The file as a module, made anew; its folder is importable while it loads, as when Python runs it.

    What it prints goes to stderr. BadInput names the line where it goes wrong.
    """
    if not path.is_file():
        raise BadInput(f"{path}: there is no such file")
    name = f"underhood_file_{sha256(str(path.resolve()).encode()).hexdigest()[:8]}_{path.stem}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadInput(f"{path} is not a Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        with (neighbours or Neighbours(path)).importable(), contextlib.redirect_stdout(sys.stderr):
            if b"\0" in path.read_bytes():  # a ValueError until Python 3.11.4
                raise SyntaxError("source code string cannot contain null bytes")
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in EXTRAS:
            raise  # an extra of ours that is missing: the line to type is known
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise BadInput(f"{line_of(path, error)}: {said}") from error
    return module


def line_of(path: Path, error: BaseException) -> str:
    """file:line of the last line of the file that an error came through."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f"{error.filename or path}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).name == path.name]
    return f"{path}:{lines[-1]}" if lines else str(path)
