"""The fingerprint of the code a trial runs: is a stored result still what this code would give?

    fingerprint = sha256(the code of every file in the trial's closure)[:12]

The closure is static: from the trial's function along every name it uses in its own file, then along every `import`
written there, at the top or within a function, as far as underhood's own modules and the files beside a user's file
go. So a study's report, which stands in the file of its trial, doesn't count. Of a package of pages only the page
that the settings name counts, so that a new network doesn't put every old result in doubt; nor does a changed comment
or docstring.
"""

import ast
import hashlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import underhood
from underhood.errors import BadInput
from underhood.lab.notebook import recall, remember
from underhood.lab.trial import TrialSpec, found_at
from underhood.settings import value_at

PACKAGE = Path(underhood.__file__).parent

KEPT = 5000  # files whose reading is remembered, then it begins anew
WORD = re.compile(r"[A-Za-z_]\w*")
LONGEST = 200  # letters of a string that may be an annotation; longer ones are prose

# Of these packages a trial uses the page that its settings name.
NETWORK_PAGES = PACKAGE / "networks"
BACKEND_PAGES = PACKAGE / "training" / "backends"
CHOOSING = ("backend", "network.name", "network.source_file", "network.source_sha256")


def code_fingerprint(spec: TrialSpec) -> str:
    """Twelve hexadecimal digits that change when the code behind the trial does."""
    return fingerprints([spec])[spec.id]


def fingerprints(specs: Iterable[TrialSpec]) -> dict[str, str]:
    """The fingerprint of each trial's code by the trial's id; trials of one code are read once."""
    known: dict[tuple[Any, ...], str] = {}
    found = {}
    learnt = len(_kept())
    for spec in specs:
        chosen = (spec.function, spec.file, *(_setting(spec, key) for key in CHOOSING))
        if chosen not in known:
            starts, function = tuple(_starts(spec)), spec.function.partition(":")[2]
            known[chosen] = _digest(sorted(source.code for source in _sources(starts, function)))
        found[spec.id] = known[chosen]
    if len(_kept()) > learnt:
        remember("code", _kept())
    return found


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def files_behind(spec: TrialSpec) -> set[Path]:
    """The files that loading the trial's function may read as code."""
    own = _own_file(spec)
    return set() if own is None else closure([own])


def _starts(spec: TrialSpec) -> Iterator[Path]:
    """The trial's own file, then the pages that its settings name."""
    own = _own_file(spec)
    backend, *network = (_setting(spec, key) for key in CHOOSING)
    for path in (own, _network_page(*network), BACKEND_PAGES / f"{backend}.py"):
        if path is not None and path.is_file():
            yield path.resolve()


def _own_file(spec: TrialSpec) -> Path | None:
    """The file of the trial's function; None of another package's, whose sources aren't ours to follow."""
    own = found_at(spec.file) if spec.file else _file(spec.function.partition(":")[0], PACKAGE.parent, _files_in)
    return own.resolve() if own is not None and own.is_file() else None


def _setting(spec: TrialSpec, key: str) -> str:
    try:
        return str(value_at(spec.settings, key))
    except KeyError:
        return ""


def _network_page(name: str, file: str, digest: str) -> Path | None:
    """The page of a network by its registry name, or the user's file that it stands in, if it can as planned."""
    from underhood.networks import NETWORKS

    if name in NETWORKS:
        build = NETWORKS[name].build
        while isinstance(build, partial):
            build = build.func
        return Path(inspect.getfile(build))
    if not file:
        return None
    from underhood.training.own_network import DIGEST, FILE, where

    try:
        return where({"name": name, FILE: file, DIGEST: digest})
    except BadInput:
        return Path(file)  # as it is now


def closure(starts: Iterable[Path], function: str = "") -> set[Path]:
    """The files that `starts` come to import, themselves included; of the first `function` alone, if one is named."""
    waiting = list(starts)
    first = waiting[0] if waiting else None
    chosen = {path.parent for path in waiting} & {NETWORK_PAGES, BACKEND_PAGES}
    roots = dict.fromkeys([PACKAGE.parent, *(p.parent for p in waiting if not p.is_relative_to(PACKAGE))])
    # A hundred files name the same few hundred modules of as few folders; the next closure may find others.
    file, files_in = cache(_file), cache(_files_in)
    seen: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        imports = _read(path, function if path == first else "").imports
        for found in filter(None, (file(name, root, files_in) for name in imports for root in roots)):
            # The chosen page is a start; from there its neighbours count, but not the list of all pages.
            of_pages = found.parent in chosen
            if not of_pages or (path.parent == found.parent and found.name != "__init__.py"):
                waiting.append(found)
    return seen


def _sources(starts: tuple[Path, ...], function: str) -> "list[_Source]":
    return [_read(path, function if path == starts[0] else "") for path in closure(starts, function)]


def _file(module: str, root: Path, files_in: Callable[[str], frozenset[str]]) -> Path | None:
    """The file of a module below `root`; underhood's face and other people's modules have none."""
    at = os.path.join(root, *module.split("."))
    if at == str(PACKAGE):
        return None
    folder, name = os.path.split(at)
    if f"{name}.py" in files_in(folder):
        return Path(f"{at}.py")
    return Path(at, "__init__.py") if "__init__.py" in files_in(at) else None


def _files_in(folder: str) -> frozenset[str]:
    """The names of the files in a folder; none where there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries if entry.is_file())
    except OSError:
        return frozenset()


# ----------------------------------------------------------------------------------------------------
# Reading one file. Parsing a hundred takes most of a second, so what was learnt is kept by content.

_Scope = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class _Source:
    imports: tuple[str, ...]
    code: str  # a hash of the code without comments, layout and docstrings


def _read(path: Path, function: str = "") -> _Source:
    return _by_time(path, path.stat().st_mtime_ns, function)


@cache
def _by_time(path: Path, _mtime: int, function: str) -> _Source:
    content = path.read_bytes()
    key = hashlib.sha256(f"{path} {function} {sys.version_info[:2]} ".encode() + content).hexdigest()[:24]
    known = _kept()
    if key not in known:
        found = _parsed(path, content, function)
        known[key] = {"imports": list(found.imports), "code": found.code}
    return _Source(tuple(known[key]["imports"]), known[key]["code"])


def _parsed(path: Path, content: bytes, function: str) -> _Source:
    tree: Any = ast.parse(content, str(path))
    tree.body = _reached(tree.body, function)
    imports: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports |= dict.fromkeys(_imported(node, path))
        elif isinstance(node, _Scope) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return _Source(tuple(imports), _digest([ast.unparse(tree)]))


def _reached(body: list[ast.stmt], function: str) -> list[ast.stmt]:
    """The statements of a module that a function comes to use, in their order; all where it is not defined in it.

    A name is used where it is read or, as a forward reference may, spelled out in a string. What binds no name, such as
    a bare call or a condition, counts always.
    """
    bound = {id(node): _bound(node) for node in body}
    if not any(function in names for names in bound.values()):
        return body
    wanted, kept = {function}, set[int]()
    while True:
        new = [n for n in body if id(n) not in kept and (not bound[id(n)] or bound[id(n)] & wanted)]
        if not new:
            return [_only(node, wanted) for node in body if id(node) in kept]
        kept |= {id(node) for node in new}
        for node in (inner for each in new for inner in ast.walk(each)):
            if isinstance(node, ast.Name):
                wanted.add(node.id)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < LONGEST:
                wanted |= set(WORD.findall(node.value))


def _bound(node: ast.stmt) -> set[str]:
    """The names that a statement of a module binds; none of a condition, a bare call, or an import of everything."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names} - {"*"}
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return set()


def _only(node: ast.stmt, wanted: set[str]) -> ast.stmt:
    """An import of several names, of which those count that are wanted."""
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return node
    names = [alias for alias in node.names if (alias.asname or alias.name).partition(".")[0] in wanted | {"*"}]
    kept = ast.ImportFrom(node.module, names, node.level) if isinstance(node, ast.ImportFrom) else ast.Import(names)
    return ast.copy_location(kept, node)


def _imported(node: ast.Import | ast.ImportFrom, path: Path) -> Iterator[str]:
    """The modules a statement may import; `from a import b` may mean the module a.b as well as a."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    parts = node.module.split(".") if node.module else []
    if node.level and path.is_relative_to(PACKAGE.parent):
        package = path.relative_to(PACKAGE.parent).parent.parts
        parts = [*package[: len(package) - node.level + 1], *parts]
    for name in ("", *(alias.name for alias in node.names)):
        if parts or name:
            yield ".".join([*parts, name] if name else parts)


@cache
def _kept() -> dict[str, Any]:
    """What earlier processes learnt."""
    return recall("code", KEPT)
