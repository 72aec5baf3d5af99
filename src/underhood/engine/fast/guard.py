"""What a step rests on besides its tensors' values: the settings and children of modules, closures, globals, lists.

A recording holds only as long as all of that stays as it was. `Guard(function)` finds what the function can reach from
its closure, its defaults and the globals that its code names, through modules, helper functions, containers and
objects; of an object that is no module only the attributes that the code names are watched. It remembers what is
there by identity, containers element by element, arrays by their values. So

    guard.changed()     says what differs now, in words; empty if nothing does
    guard.restore()     puts everything back, after the function was run only to be recorded

What cannot be found in this way (an iterator's position, the clock, a file) is left to the comparisons that a plan
makes now and then.
"""

import sys
import sysconfig
import types
from collections.abc import Callable, Collection, Iterator
from functools import partial
from operator import is_
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from underhood.engine.forms import Array
from underhood.engine.nn.module import Module
from underhood.engine.optim.optimizer import Optimizer
from underhood.engine.tensor import Tensor

LIBRARIES = str(Path(__file__).parents[2]), sysconfig.get_path("stdlib"), "<frozen"
PLAIN = (bool, int, float, complex, str, bytes, type(None), np.dtype, np.generic)
LIMIT = 20_000  # objects; what reaches more is too much to watch
SMALL = 4096  # elements of an array
ABSENT = object()


class TooMuch(Exception):
    """The function reaches more objects than can be watched."""


class Watched(NamedTuple):
    """A dictionary, a list, a set or a closure's cell: how to list what it holds now, and what it held."""

    label: str
    held: Any
    values: Callable[[], Collection[Any]]  # now
    before: list[Any]
    copy: Any  # to restore it from
    hooks: tuple[list[Any], ...] = ()  # of a module

    def is_same(self, values: Collection[Any]) -> bool:
        """Whether `values` are the very objects that were there before."""
        return len(values) == len(self.before) and all(map(is_, values, self.before))


class Guard:
    """What `function` rests on, as it is now."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.modules: dict[int, Module] = {}
        self.watched: list[Watched] = []
        self.empty: list[tuple[Any, str]] = []  # containers with nothing in them yet
        self.arrays: list[tuple[Array, Array]] = []
        self._seen: dict[int, Any] = {}
        self._names: set[str] = set()  # that the code found so far mentions
        self._objects: dict[int, tuple[Any, set[str]]] = {}  # neither modules nor containers; the names watched
        self.add(function)

    def add(self, found: Any) -> None:
        """Watch something more that turned out to be used."""
        self._visit(found, type(found).__name__)
        known = -1
        while known != len(self._names) + len(self._objects):  # a name found late may stand for an early attribute
            known = len(self._names) + len(self._objects)
            for each, names in list(self._objects.values()):
                self._visit_attributes(each, names)

    def tensors(self) -> list[Tensor]:
        """The parameters and buffers of all modules found."""
        homes = [home for module in self.modules.values() for home in (module._parameters, module._buffers)]
        return [t for home in homes for t in home.values() if t is not None]

    # -- comparing --

    def changed(self) -> str:
        """What is not as it was, in words; empty if everything is."""
        for held, label in self.empty:
            if held:
                return f"{label} has changed"
        for watched in self.watched:
            values = watched.values()
            if not watched.is_same(values) and (name := _difference(watched, [*values])) is not None:
                return f"{watched.label}{name} has changed"
            if any(watched.hooks):
                return f"{watched.label} has hooks"
        for array, before in self.arrays:
            if array.shape != before.shape or not np.array_equal(array, before, equal_nan=array.dtype.kind == "f"):
                return "an array that the step reads has changed"
        return ""

    def restore(self) -> None:
        """Everything as it was."""
        for held, _ in self.empty:
            held.clear()
        for watched in self.watched:
            if watched.is_same(watched.values()):
                continue
            held, copy = watched.held, watched.copy
            if isinstance(held, types.CellType):
                held.cell_contents = copy
            elif isinstance(held, list):
                held[:] = copy
            else:
                held.clear()
                held.update(copy)
        for array, before in self.arrays:
            array[...] = before

    # -- finding --

    def _visit(self, value: Any, label: str) -> None:
        if isinstance(value, PLAIN) or id(value) in self._seen:
            return
        if isinstance(value, Tensor | type | Optimizer):
            return
        self._seen[id(value)] = value  # kept, so that no id is given twice
        if len(self._seen) > LIMIT:
            raise TooMuch(f"the step reaches more than {LIMIT} objects")
        if isinstance(value, np.ndarray):
            if value.size <= SMALL:  # the values of a larger one cannot have steered Python by themselves
                self.arrays.append((value, value.copy()))
        elif isinstance(value, Module):
            self._visit_module(value, label)
        elif isinstance(value, types.FunctionType):
            self._visit_function(value)
        elif isinstance(value, types.MethodType):
            self._visit(value.__func__, label)
            self._visit(value.__self__, label)
        elif isinstance(value, partial):
            for each in (value.func, value.args, value.keywords):
                self._visit(each, label)
        elif isinstance(value, dict):
            self._watch(label, value, lambda: [*value, *value.values()], dict(value))
        elif isinstance(value, list):
            self._watch(label, value, partial(list, value), list(value))
        elif isinstance(value, set):
            self._watch(label, value, partial(list, value), set(value))
        elif isinstance(value, tuple | frozenset):
            for each in value:
                self._visit(each, label)
        elif isinstance(value, types.ModuleType):
            if not _is_library(getattr(value, "__file__", None)):
                self._objects[id(value)] = value, set()
        elif isinstance(getattr(value, "__dict__", None), dict) and not _is_own(type(value)):
            self._objects[id(value)] = value, set()
            self._visit_class(type(value))

    def _watch(
        self,
        label: str,
        held: Any,
        values: Callable[[], Collection[Any]],
        copy: Any,
        hooks: tuple[list[Any], ...] = (),
    ) -> None:
        before = list(values())
        if not before and isinstance(held, dict | list | set):
            self.empty.append((held, label))
            return
        self.watched.append(Watched(label, held, values, before, copy, hooks))
        for each in before:
            self._visit(each, label)

    def _visit_module(self, module: Module, label: str) -> None:
        self.modules[id(module)] = module
        name = type(module).__name__
        for held in (module._parameters, module._buffers, module._modules, module.__dict__):
            self._seen[id(held)] = held
            own = module._hooks
            hooks = (own.forward_pre, own.forward, own.backward_pre, own.backward) if held is module.__dict__ else ()
            self._watch(name, held, held.values, dict(held), hooks)
        self._visit_class(type(module))

    def _visit_class(self, of: type) -> None:
        """The code of a class that is not the package's own."""
        for each in of.__mro__:
            if not _is_library(_file(each)):
                for value in vars(each).values():
                    function = getattr(value, "fget", None) or getattr(value, "__func__", value)
                    if isinstance(function, types.FunctionType):
                        self._visit(function, each.__name__)

    def _visit_function(self, function: types.FunctionType) -> None:
        code = function.__code__
        if _is_library(code.co_filename):
            return
        names = _names(code)
        self._names |= names
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            self._watch(f"the variable {name}", cell, partial(_contents, cell), (_contents(cell) or [None])[0])
        for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self._visit(value, function.__name__)
        read = sorted(names & function.__globals__.keys())
        self._watch_names("the global ", function.__globals__, read)

    def _visit_attributes(self, value: Any, known: set[str]) -> None:
        """Of an object that is neither module nor container: the attributes that the code names."""
        new = (self._names & vars(value).keys()) - known
        known |= new
        self._watch_names(f"{getattr(value, '__name__', type(value).__name__)}.", vars(value), sorted(new))

    def _watch_names(self, label: str, held: dict[str, Any], names: list[str]) -> None:
        if names:
            view = Names(held, names)
            self._watch(label, view, view.values, view.copy())


class Names:
    """Some names of a namespace, as a dictionary that can be listed and put back."""

    def __init__(self, held: dict[str, Any], names: list[str]) -> None:
        self.held, self.names = held, names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def values(self) -> list[Any]:
        return [self.held.get(name, ABSENT) for name in self.names]

    def copy(self) -> dict[str, Any]:
        return {name: self.held[name] for name in self.names if name in self.held}

    def clear(self) -> None:
        """Nothing: the names are overwritten by `update`."""

    def update(self, copy: dict[str, Any]) -> None:
        self.held.update(copy)


def _contents(cell: types.CellType) -> list[Any]:
    try:
        return [cell.cell_contents]
    except ValueError:  # a variable that has no value yet
        return []


def _names(code: types.CodeType) -> set[str]:
    """The names of globals and attributes in a function and in those inside it."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _names(constant)
    return found


def _file(of: type) -> str | None:
    return getattr(sys.modules.get(of.__module__), "__file__", None) if of.__module__ != "builtins" else None


def _is_library(file: str | None) -> bool:
    """Whether code is compiled, this package's own, or an installed library's: it does not change between calls."""
    return file is None or file.startswith(LIBRARIES) or "site-packages" in file


def _is_own(of: type) -> bool:
    """Whether a class is the package's: what its objects hold changes as it computes, and steers it by itself."""
    return (_file(of) or "").startswith(LIBRARIES[0])


def _difference(watched: Watched, values: list[Any]) -> str | None:
    """The name of what differs, None if only equal numbers have taken each other's place."""
    if len(values) == len(watched.before):
        wrong = next((i for i, pair in enumerate(zip(watched.before, values, strict=True)) if not _same(*pair)), None)
        if wrong is None:
            watched.before[:] = values
            return None
        if isinstance(watched.held, Names):
            return watched.held.names[wrong]
        if isinstance(watched.held, dict) and len(watched.held) in (len(values), len(values) // 2):
            return f".{list(watched.held)[wrong % len(watched.held)]}"
    return ""


def _same(a: Any, b: Any) -> bool:
    """Whether one may stand for the other: the same object, or the same plain value."""
    return a is b or (type(a) is type(b) and isinstance(a, PLAIN) and (a == b or (a != a and b != b)))
