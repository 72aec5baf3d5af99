"""A network of torch.nn on the engine: the same modules, the same weights, the user's own `forward`.

Modules that the engine has are built anew from their attributes. A class of the user's own is read once more from
its file with the name `torch` standing for the engine, and its object filled with what the given one holds: code
written for torch.nn runs after changing the import, and here the import is changed.
"""

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any

import underhood
from underhood import engine
from underhood.engine import functional, nn, optim
from underhood.errors import BadInput

CONTAINERS = ("Sequential", "ModuleList", "ModuleDict")


def on_engine(module: Any) -> nn.Module:
    """The module on the engine, in the same precision and mode."""
    made = _converted(module)
    first = next((x for x in (*module.parameters(), *module.buffers()) if x.is_floating_point()), None)
    if first is not None:
        made.to(first.detach().numpy().dtype)
    made.load_state_dict(module.state_dict())
    _tie(module, made)
    return made.train(module.training)


def _tie(module: Any, made: Any) -> None:
    """Let what is one weight under several names be one on the engine too."""
    first: dict[int, Any] = {}
    modules = dict(made.named_modules())
    for path, member in module.named_modules():
        for key, parameter in member.named_parameters(recurse=False):
            own = modules[path]
            if id(parameter) in first:
                own.register_parameter(key, first[id(parameter)])
            else:
                first[id(parameter)] = getattr(own, key)


def _converted(module: Any) -> Any:
    cls = type(module)
    name = cls.__name__
    if cls.__module__.startswith("torch.nn"):
        if name in CONTAINERS:
            return _container(module, name)
        if not hasattr(nn, name):
            raise BadInput(f"the engine has no {name}: trace and the engine's checks go as far as its modules do")
        return _rebuilt(module, getattr(nn, name))
    return _own(module)


def _container(module: Any, name: str) -> Any:
    made = getattr(nn, name)()
    for key, child in module.named_children():
        made.add_module(key, _converted(child))
    return made


def _rebuilt(module: Any, cls: Any) -> Any:
    """The engine's module of the same name, from the attributes that torch keeps its arguments in."""
    arguments = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        if name in ("device", "dtype") or not hasattr(module, name):
            continue
        value = getattr(module, name)
        is_weight = hasattr(value, "detach") or (value is None and isinstance(parameter.default, bool))
        arguments[name] = value is not None if is_weight else value
    made = cls(**arguments)
    return made.train(module.training)


def _own(module: Any) -> Any:
    """An object of the user's class, the class read once more for the engine."""
    cls = _class_for_engine(type(module))
    made = cls.__new__(cls)
    nn.Module.__init__(made)
    for key, value in vars(module).items():
        if not key.startswith("_") and key != "training":
            object.__setattr__(made, key, value)
    for key, parameter in module.named_parameters(recurse=False):
        made.register_parameter(key, nn.Parameter(engine.tensor(parameter.detach().numpy())))
    for key, buffer in module.named_buffers(recurse=False):
        made.register_buffer(key, engine.tensor(buffer.numpy()))
    for key, child in module.named_children():
        made.add_module(key, _converted(child))
    return made.train(module.training)


def _class_for_engine(cls: type) -> Any:
    try:
        path = inspect.getfile(cls)
    except (TypeError, OSError):
        raise BadInput(f"{cls.__name__}: its source is not in a file, so it cannot be read for the engine") from None
    with torch_means_engine():
        spec = spec_from_file_location(f"underhood_engine_{cls.__module__.replace('.', '_')}", path)
        if spec is None or spec.loader is None:
            raise BadInput(f"{path} is not a Python file")
        home = module_from_spec(spec)
        try:
            spec.loader.exec_module(home)
        except Exception as error:
            raise BadInput(f"{path}: does not run on the engine: {type(error).__name__}: {error}") from error
    found: Any = home
    for part in cls.__qualname__.split("."):
        if not hasattr(found, part):
            raise BadInput(f"{cls.__qualname__} is made inside a function: put it at the top of {path}")
        found = getattr(found, part)
    return found


def _at_the_top(name: str) -> Any:
    """What else torch has at its top, `torch.zeros`; what the package lacks it refuses by name."""
    if name.startswith("_"):
        raise AttributeError(f"module 'torch' has no attribute {name!r}")
    return getattr(underhood, name)


@contextmanager
def torch_means_engine() -> Iterator[None]:
    """While it lasts `import torch` gives the engine under torch's names."""
    torch = ModuleType("torch")
    for home in (functional, engine):
        torch.__dict__.update({key: getattr(home, key) for key in home.__all__})
    torch.__dict__.update(nn=nn, optim=optim, Tensor=engine.Tensor, __getattr__=_at_the_top)
    stand_ins = {
        "torch": torch,
        "torch.nn": nn,
        "torch.nn.functional": functional,
        "torch.nn.init": nn.init,
        "torch.nn.utils": nn.utils,
        "torch.optim": optim,
        "torch.optim.lr_scheduler": optim.lr_scheduler,
    }
    kept = {name: sys.modules.get(name) for name in stand_ins}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, module in kept.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
