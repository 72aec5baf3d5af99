"""What the user means by a network: a name of ours, a file's class, a module's function, or the module itself.

    vgg16                        a page of underhood.networks
    net.py:Network               a class in a file, built with --args
    net.py:build()               a function that returns the network (the brackets may go)
    net.py                       the only torch.nn.Module class that the file defines
    package.module:Class         the same from an installed package

A class or function whose first argument is called `nn` is a page like ours and builds on either back end.
"""

import ast
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from underhood.errors import BadInput, nearest
from underhood.instruments.pytorch import load_torch
from underhood.networks import NETWORKS


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
    location, _, attribute = what.partition(":")
    return bool(attribute) or location.endswith(".py") or Path(location).is_file()


def locate(what: str) -> tuple[Any, str, ModuleType]:
    """What `FILE.py:thing` or `package.module:thing` is, its name in full, and the module that it stands in."""
    location, _, attribute = what.partition(":")
    home = load_file(Path(location)) if location.endswith(".py") or Path(location).is_file() else _import(location)
    name = attribute.removesuffix("()") or _only_network(home, location)
    return _attribute(home, location, name), f"{location}:{name}", home


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
    nn = load_torch().nn
    if isinstance(thing, nn.Module):
        if arguments:
            raise BadInput(f"{name} is built already: --args would change nothing")
        return Target(name, lambda _: thing, built=thing)
    if any(base.__module__.startswith("underhood.engine") for base in type(thing).__mro__):
        raise BadInput(f"{name} is a module of the engine: give a function of `nn` that builds it on either back end")
    if not callable(thing):
        raise BadInput(f"{name} is a {type(thing).__name__}, not a network or something that builds one")
    pages = next(iter(_parameters(thing)), "") == "nn"
    return Target(name, _checked(name, thing, arguments, pages), pages=pages)


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


def load_file(path: Path) -> ModuleType:
    """The file as a module; its folder is importable while it loads, as when Python runs it."""
    if not path.is_file():
        raise BadInput(f"{path}: there is no such file")
    name = f"underhood_file_{path.stem}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadInput(f"{path} is not a Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise BadInput(f"{_where(path, error)}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(folder)
    return module


def _where(path: Path, error: Exception) -> str:
    """file:line of the last frame of the traceback that stands in the user's file."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f"{path}:{error.lineno}"
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).name == path.name]
    return f"{path}:{lines[-1]}" if lines else str(path)


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


def _only_network(home: ModuleType, location: str) -> str:
    base = load_torch().nn.Module
    names = [
        name
        for name, thing in vars(home).items()
        if isinstance(thing, type) and issubclass(thing, base) and thing.__module__ == home.__name__
    ]
    if len(names) == 1:
        return names[0]
    found = f"it defines {', '.join(names)}" if names else "it defines no torch.nn.Module"
    raise BadInput(f"{location}: say which network, as {location}:Class; {found}")
