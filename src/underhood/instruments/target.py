"""What the user means by a network: a name of ours, a file's class, a module's function, or the module itself.

    vgg16                        a page of underhood.networks
    net.py:Network               a class in a file, built with --args
    net.py:build()               a function that returns the network (the brackets may go)
    net.py                       the only torch.nn.Module class that the file defines, else its only function of `nn`
    package.module:Class         the same from an installed package

A class or function whose first argument is called `nn` is a page like ours and builds on either back end.
"""

import ast
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from underhood.errors import BadInput, nearest
from underhood.instruments.pytorch import load_torch
from underhood.networks import NETWORKS
from underhood.python_files import Neighbours, load


@dataclass(frozen=True)
class Target:
    """A network that can be built. `build(nn)` makes it; `pages` says that any `nn` will do, not torch's alone.

    `input` is the shape of one image where the network's page tells it; `built` is the network itself when
    the user handed one over instead of a way to make it.
    """

    name: str
    build: Callable[[Any], Any]
    input: tuple[int, ...] | None = None
    pages: bool = False
    built: Any = None


@dataclass(frozen=True)
class Maker:
    """What makes a network: called with an `nn` first where it is a page, without one where it is PyTorch's alone."""

    name: str
    make: Callable[..., Any]
    pages: bool

    def __call__(self, nn: Any, **arguments: Any) -> Any:
        return self.make(nn, **arguments) if self.pages else self.make(**arguments)

    @property
    def parameters(self) -> tuple[inspect.Parameter, ...]:
        """What it takes beside the `nn`; nothing is known of a callable without a signature."""
        return tuple(_parameters(self.make).values())[1 if self.pages else 0 :]


def resolve(what: Any, arguments: Mapping[str, Any] | None = None) -> Target:
    """The target that `what` means: a text as above, a module, something that makes one, or a target."""
    arguments = dict(arguments or {})
    if isinstance(what, Target):
        return what
    if not isinstance(what, str):
        return _from_object(what, getattr(what, "__name__", type(what).__name__), arguments)
    if what in NETWORKS:
        row = NETWORKS[what]
        return Target(what, _checked(what, row.build, arguments, pages=True), row.input, pages=True)
    if not is_place(what):
        raise BadInput(f'there is no network "{what}": {nearest(what, list(NETWORKS))} (or FILE.py:Class)')
    thing, name, _ = locate(what)
    return _from_object(thing, name, arguments)


def build(target: Target, meta: bool = False) -> tuple[Any, str]:
    """The torch.nn.Module that a target means, and why it is not on the meta device where that was asked for.

    The user's own module is returned as it is, wherever it lives. Raises BadInput where it can't be built.
    """
    torch = load_torch()
    reason = ""
    module = target.built
    if module is None and meta:
        try:
            with torch.device("meta"):
                module = target.build(torch.nn)
        except BadInput:
            raise
        except Exception as error:  # a constructor that wants numbers gets them
            reason = f"on meta its constructor raised {short(error)}"
    if module is None:
        try:
            module = target.build(torch.nn)
        except BadInput:
            raise
        except Exception as error:
            raise BadInput(f"{target.name} could not be built: {type(error).__name__}: {error}") from error
    if not isinstance(module, torch.nn.Module):
        raise BadInput(f"{target.name} gave a {type(module).__name__}, not a torch.nn.Module")
    return module, reason


def short(error: BaseException) -> str:
    """`ValueError ("the first line of what it says")`, cut at 90 letters."""
    text = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}" + (f' ("{text[:90]}…")' if len(text) > 90 else f' ("{text}")' if text else "")


def is_place(what: str) -> bool:
    """Whether a text names a file or a module rather than something of ours."""
    location, attribute = place(what)
    return bool(attribute) or is_file(location)


def locate(what: str, neighbours: Neighbours | None = None) -> tuple[Any, str, ModuleType]:
    """What `FILE.py:thing` or `package.module:thing` is, its name in full, and the module that it stands in.

    A file imports what lies beside it as `neighbours`, if these are handed in.
    """
    location, attribute = place(what)
    home = load(Path(location), neighbours) if is_file(location) else _import(location)
    name = attribute or _only_network(home, location)
    if is_file(location):
        _check_one_meaning(Path(location), name)
    return _attribute(home, location, name), f"{location}:{name}", home


def place(what: str) -> tuple[str, str]:
    """The file or module of a text, and the name of what is meant in it; a path may hold colons of its own."""
    before, colon, after = what.rpartition(":")
    if not colon or is_file(what):
        return what, ""
    return before, after.removesuffix("()")


def is_file(location: str) -> bool:
    return location.endswith(".py") or Path(location).is_file()


def maker(thing: Any, name: str) -> Maker:
    """The class or function `thing` as what makes a network; BadInput where it is neither, or built already."""
    torch = sys.modules.get("torch")  # where it is not loaded, nothing is of it
    if torch is not None and isinstance(thing, torch.nn.Module):
        raise BadInput(f"{name} is built already: name its class, or a function that builds it")
    _not_of_the_engine(thing, name)
    if not callable(thing):
        raise BadInput(f"{name} is a {type(thing).__name__}, not a network or something that builds one")
    return Maker(name, thing, next(iter(_parameters(thing)), "") == "nn")


def parse_arguments(texts: Iterable[str]) -> dict[str, Any]:
    """`["width=4", "kind=wide"]` as `{"width": 4, "kind": "wide"}`: Python values, and text for the rest."""
    arguments = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip().isidentifier():
            raise BadInput(f'--args: "{text}" is not of the form name=value')
        arguments[key.strip()] = _value(value.strip())
    return arguments


def _value(text: str) -> Any:
    spoken = {"true": True, "false": False, "none": None}
    if text.lower() in spoken:
        return spoken[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _from_object(thing: Any, name: str, arguments: dict[str, Any]) -> Target:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(thing, torch.nn.Module):
        if arguments:
            raise BadInput(f"{name} is built already: --args would change nothing")
        return Target(name, lambda _: thing, built=thing)
    made = maker(thing, name)
    return Target(name, _checked(name, thing, arguments, made.pages), pages=made.pages)


def _not_of_the_engine(thing: Any, name: str) -> None:
    if any(base.__module__.startswith("underhood.engine") for base in type(thing).__mro__):
        raise BadInput(f"{name} is a module of the engine: give a function of `nn` that builds it on either back end")


def _checked(name: str, make: Any, arguments: dict[str, Any], pages: bool) -> Callable[[Any], Any]:
    """`make` with its arguments tried against its signature now, before anything is built."""
    parameters = _parameters(make)
    leading = ["nn"] if pages else []
    try:
        inspect.signature(make).bind(*leading, **arguments)
    except TypeError as error:
        takes = ", ".join(str(p) for key, p in parameters.items() if key != "nn") or "no arguments"
        raise BadInput(f"{name}: --args: {error}; it takes {takes}") from None
    except ValueError:  # a callable without a signature: it will say itself
        pass
    return (lambda nn: make(nn, **arguments)) if pages else (lambda _: make(**arguments))


def _parameters(make: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(make).parameters
    except (TypeError, ValueError):
        return {}


def _import(location: str) -> ModuleType:
    try:
        return import_module(location)
    except ImportError as error:
        raise BadInput(f"{location}: {error}") from None


def _attribute(home: ModuleType, location: str, name: str) -> Any:
    thing: Any = home
    for part in name.split("."):
        if not hasattr(thing, part):
            choices = [key for key in vars(thing) if not key.startswith("_")]
            raise BadInput(f'{location} has no "{part}": {nearest(part, choices)}')
        thing = getattr(thing, part)
    return thing


def _check_one_meaning(path: Path, name: str) -> None:
    """Refuse a name that a class and a function of the file share: Python takes the later, the user may not."""
    there = [node for node in ast.parse(path.read_bytes()).body if getattr(node, "name", "") == name]
    classes = [node.lineno for node in there if isinstance(node, ast.ClassDef)]
    functions = [node.lineno for node in there if isinstance(node, ast.FunctionDef)]
    if classes and functions:
        raise BadInput(
            f"{path}: {name} is a class (line {classes[-1]}) and a function (line {functions[-1]}); rename one of them"
        )


def _only_network(home: ModuleType, location: str) -> str:
    torch = sys.modules.get("torch")
    own = {name: thing for name, thing in vars(home).items() if getattr(thing, "__module__", "") == home.__name__}
    names = [
        name for name, thing in own.items() if torch and isinstance(thing, type) and issubclass(thing, torch.nn.Module)
    ]
    names = names or [name for name, thing in own.items() if callable(thing) and "nn" in [*_parameters(thing)][:1]]
    if len(names) == 1:
        return names[0]
    found = f"it defines {', '.join(names)}" if names else "it defines no torch.nn.Module and no function of nn"
    raise BadInput(f"{location}: say which network, as {location}:Class; {found}")
