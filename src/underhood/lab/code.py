"""The fingerprint of the code a trial runs: is a stored result still what this code would give?

    fingerprint = sha256(the code of every file in the trial's closure)[:12]

The closure is static: from the trial's module along every `import` written in it, at the top or within a
function, as far as underhood's own modules and the files beside a user's file go. Of a package of pages only
the page that the settings name counts, so that a new network doesn't put every old result in doubt; nor does
a changed comment or docstring.
"""

import ast
import contextlib
import hashlib
import inspect
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import underhood
from underhood.lab.files import replace
from underhood.lab.trial import TrialSpec
from underhood.settings import value_at

PACKAGE = Path(underhood.__file__).parent

KEPT = 5000  # files whose reading is remembered, then it begins anew

# Of these packages a trial uses the page that its settings name.
NETWORK_PAGES = PACKAGE / "networks"
BACKEND_PAGES = PACKAGE / "training" / "backends"


def code_fingerprint(spec: TrialSpec) -> str:
    """Twelve hexadecimal digits that change when the code behind the trial does."""
    return fingerprints([spec])[spec.id]


def fingerprints(specs: Iterable[TrialSpec]) -> dict[str, str]:
    """The fingerprint of each trial's code by the trial's id; trials of one code are read once."""
    known: dict[tuple[Path, ...], str] = {}
    found = {}
    learnt = len(_kept())
    for spec in specs:
        starts = tuple(_starts(spec))
        if starts not in known:
            known[starts] = _digest(sorted(_read(path).code for path in closure(starts)))
        found[spec.id] = known[starts]
    if len(_kept()) > learnt:
        _keep(_kept())
    return found


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _starts(spec: TrialSpec) -> Iterator[Path]:
    """The trial's own file, then the pages that its settings name."""
    own = spec.file or _file(spec.function.partition(":")[0], PACKAGE.parent)
    network = _setting(spec, "network.name")
    backend = BACKEND_PAGES / f"{_setting(spec, 'backend')}.py"
    for path in (own, _network_page(network), backend):
        if path is not None and path.is_file():  # another package's trial: its sources aren't ours to follow
            yield path.resolve()


def _setting(spec: TrialSpec, key: str) -> str:
    try:
        return str(value_at(spec.settings, key))
    except KeyError:
        return ""


def _network_page(name: str) -> Path | None:
    """The page of a network by its registry name, or the user's file in "net.py:Class"."""
    from underhood.networks import NETWORKS

    if name in NETWORKS:
        build = NETWORKS[name].build
        while isinstance(build, partial):
            build = build.func
        return Path(inspect.getfile(build))
    return Path(name.rpartition(":")[0] or name) if ".py" in name else None


def closure(starts: Iterable[Path]) -> set[Path]:
    """The files that `starts` come to import, themselves included."""
    waiting = list(starts)
    chosen = {path.parent for path in waiting} & {NETWORK_PAGES, BACKEND_PAGES}
    roots = dict.fromkeys([PACKAGE.parent, *(p.parent for p in waiting if not p.is_relative_to(PACKAGE))])
    seen: set[Path] = set()
    file = cache(_file)  # most files import what others do
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for found in filter(None, (file(name, root) for name in _read(path).imports for root in roots)):
            # The chosen page is a start; from there its neighbours count, but not the list of all pages.
            of_pages = found.parent in chosen
            if not of_pages or (path.parent == found.parent and found.name != "__init__.py"):
                waiting.append(found)
    return seen


def _file(module: str, root: Path) -> Path | None:
    """The file of a module below `root`; underhood's face and other people's modules have none."""
    at = root.joinpath(*module.split("."))
    if at == PACKAGE:
        return None
    for path in (at.with_name(at.name + ".py"), at / "__init__.py"):
        if path.is_file():
            return path
    return None


# ----------------------------------------------------------------------------------------------------
# Reading one file. Parsing a hundred takes most of a second, so what was learnt is kept by content.

_Scope = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class _Source:
    imports: tuple[str, ...]
    code: str  # a hash of the code without comments, layout and docstrings


def _read(path: Path) -> _Source:
    return _by_time(path, path.stat().st_mtime_ns)


@cache
def _by_time(path: Path, _mtime: int) -> _Source:
    content = path.read_bytes()
    key = hashlib.sha256(f"{path} {sys.version_info[:2]} ".encode() + content).hexdigest()[:24]
    known = _kept()
    if key not in known:
        found = _parsed(path, content)
        known[key] = {"imports": list(found.imports), "code": found.code}
    return _Source(tuple(known[key]["imports"]), known[key]["code"])


def _parsed(path: Path, content: bytes) -> _Source:
    tree: Any = ast.parse(content, str(path))
    imports: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports |= dict.fromkeys(_imported(node, path))
        elif isinstance(node, _Scope) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return _Source(tuple(imports), _digest([ast.unparse(tree)]))


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


def _notebook() -> Path:
    from underhood.data.locations import cache_root

    return cache_root() / "code.json"


@cache
def _kept() -> dict[str, Any]:
    """What earlier processes learnt; a damaged notebook is an empty one."""
    try:
        kept = json.loads(_notebook().read_bytes())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) and len(kept) < KEPT else {}


def _keep(known: dict[str, Any]) -> None:
    """Write down what was learnt; where that can't be, it is learnt again next time."""
    with contextlib.suppress(OSError):
        _notebook().parent.mkdir(parents=True, exist_ok=True)
        replace(_notebook(), json.dumps(known).encode())
