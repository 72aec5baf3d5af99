"""What the list of studies says of each, read in its page instead of from it: nothing is imported.

    listed()[0] = Listed("quickstart", "Three optimisers on real digits", "Start here", {"smoke": "5 s", …})

To import every page takes seconds, for the engine and all that they compute with comes along. A page says name, title,
theme and its scales' times as plain words in `ENTRY = Study(…)`; a word may also be a constant of the page, or of one
of the helpers beside it. Those are read in its syntax tree. A page that says one of them in another way is imported:
what is listed is what runs.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from underhood.studies import PAGES

if TYPE_CHECKING:
    from underhood.lab.study import Study

HERE = "underhood.studies"
SUMMARY_TO_AXES = 4  # the arguments of Scale that stand before `time`


class UnreadableError(Exception):
    """The page must be imported to know."""


@dataclass(frozen=True)
class Listed:
    """A study in the list; `times` are those of its scales that say how long they take."""

    name: str
    title: str
    theme: str
    times: dict[str, str]


def listed() -> list[Listed]:
    """All studies that ship, in the order of PAGES."""
    return [_of(page) for page in PAGES]


def _of(page: str) -> Listed:
    try:
        return in_source(Path(__file__).with_name(f"{page}.py").read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnreadableError):
        return imported(page)


def imported(page: str) -> Listed:
    """What the page's study says when it is imported."""
    study: Study = import_module(f"{HERE}.{page}").ENTRY
    times = {name: scale.time for name, scale in study.scales.items() if scale.time}
    return Listed(study.name, study.title, study.theme, times)


def in_source(source: str) -> Listed:
    """What a page's text says; UnreadableError where that takes more than reading plain words."""
    constants = dict(_constants(ast.parse(source)))
    study = _arguments(constants.get("ENTRY"), "Study")
    name, title, theme = (_text(study.get(key), constants) for key in ("name", "title", "theme"))
    scales = study.get("scales")
    if not isinstance(scales, ast.Dict):
        raise UnreadableError
    times = {
        _text(key, constants): _time(scale, constants) for key, scale in zip(scales.keys, scales.values, strict=True)
    }
    return Listed(name, title, theme, {key: time for key, time in times.items() if time})


def _constants(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """The names that the page binds once and for all, at its top, with what they are bound to."""
    bound = [name for node in ast.walk(module) for name in _bound(node)]
    for statement in module.body:
        match statement:
            case ast.Assign(targets=[ast.Name(name)], value=value) if bound.count(name) == 1:
                yield name, value
            case ast.ImportFrom(module=str(helper), names=aliases) if helper.startswith(f"{HERE}."):
                for alias in aliases:
                    if alias.asname is None and bound.count(alias.name) == 1:
                        yield alias.name, ast.Attribute(ast.Name(helper), alias.name)


def _bound(node: ast.AST) -> list[str]:
    """The names that a statement or expression binds, itself."""
    match node:
        case ast.Name(name, ctx=ast.Store() | ast.Del()):
            return [name]
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.alias(name=name, asname=asname):
            return [asname or name]
    return []


def _arguments(call: ast.expr | None, function: str) -> dict[str, ast.expr]:
    """The arguments of a call that are named; UnreadableError where others could be any of these."""
    match call:
        case ast.Call(func=ast.Name(name), args=[], keywords=keywords) if name == function:
            named = {word.arg: word.value for word in keywords if word.arg is not None}
            if len(named) == len(keywords):
                return named
    raise UnreadableError


def _time(scale: ast.expr | None, constants: dict[str, ast.expr]) -> str:
    """The `time` of a call of Scale, "" where it has none."""
    match scale:
        case ast.Call(func=ast.Name("Scale"), args=args, keywords=keywords) if len(args) <= SUMMARY_TO_AXES:
            for word in keywords:
                if word.arg == "time":  # no other can be in a `**`: Python would refuse the call
                    return _text(word.value, constants)
            if not any(isinstance(each, ast.Starred) for each in args) and all(word.arg for word in keywords):
                return ""
    raise UnreadableError


def _text(value: ast.expr | None, constants: dict[str, ast.expr]) -> str:
    if isinstance(value, ast.Name):
        value = constants.get(value.id)
    match value:
        case ast.Attribute(ast.Name(helper), name) if helper.startswith(f"{HERE}."):
            file = Path(__file__).parent.joinpath(*helper.removeprefix(f"{HERE}.").split(".")).with_suffix(".py")
            if not file.is_file():
                raise UnreadableError
            there = dict(_constants(ast.parse(file.read_text(encoding="utf-8"))))
            return _text(there.get(name), {})
        case ast.Constant(str(text)):
            return text
    raise UnreadableError
