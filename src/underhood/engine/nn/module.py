"""Module: a part of a network that owns parameters, buffers and other modules.

Names, state_dict keys and hooks are torch.nn.Module's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Self

import numpy as np

from underhood.engine.device import check_device, is_device
from underhood.engine.grad_mode import no_grad
from underhood.engine.nn.hooks import Hooks, register
from underhood.engine.tape import listener
from underhood.engine.tensor import Handle, Tensor


class Parameter(Tensor):
    """A tensor that a module learns; assigning it to a module's attribute registers it."""

    def __init__(self, data: Tensor, requires_grad: bool = True) -> None:
        super().__init__(data.array, requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class Incompatible(NamedTuple):
    """What `load_state_dict` found missing or did not expect."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """Base class of all modules: write `__init__` and `forward`."""

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _unsaved: set[str]  # the buffers that are not in the state_dict
    _hooks: Hooks

    def __init__(self) -> None:
        own = object.__setattr__
        own(self, "training", True)
        own(self, "_parameters", {})
        own(self, "_buffers", {})
        own(self, "_unsaved", set())
        own(self, "_modules", {})
        own(self, "_hooks", Hooks())

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """What the module computes; every subclass says it."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        if (who := listener()) is not None:
            who.called(self)
        return self._hooks.call(self, inputs, options) if self._hooks else self.forward(*inputs, **options)

    # -- registering --

    def __setattr__(self, name: str, value: Any) -> None:
        if "_modules" not in self.__dict__:
            raise AttributeError(f"cannot assign {name!r} before Module.__init__() call")
        homes = (self._parameters, self._buffers, self._modules)
        home: dict[str, Any] | None = next((h for h in homes if name in h), None)
        if isinstance(value, Parameter):
            home = self._parameters
        elif isinstance(value, Module):
            home = self._modules
        elif value is not None and home in (self._parameters, self._modules):
            kind = "parameter" if home is self._parameters else "child module"
            raise TypeError(f"cannot assign {type(value).__name__} as {kind} {name!r}")
        for other in homes:
            if other is not home:
                other.pop(name, None)
        if home is None:
            object.__setattr__(self, name, value)
        else:
            self.__dict__.pop(name, None)
            home[name] = value

    def __getattr__(self, name: str) -> Any:
        for home in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__.get(home, ()):
                return self.__dict__[home][name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        for home in (self._parameters, self._buffers, self._modules):
            if name in home:
                del home[name]
                return
        object.__delattr__(self, name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        self._check_name(name, self._parameters)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"cannot assign {type(param).__name__} to parameter {name!r} (Parameter or None required)")
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """A tensor that is kept but not learnt; only persistent ones are in the state_dict."""
        self._check_name(name, self._buffers)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"cannot assign {type(tensor).__name__} to buffer {name!r} (Tensor or None required)")
        self._buffers[name] = tensor
        (self._unsaved.discard if persistent else self._unsaved.add)(name)

    def add_module(self, name: str, module: Module | None) -> None:
        self._check_name(name, self._modules)
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._modules[name] = module

    register_module = add_module

    def _check_name(self, name: str, home: Mapping[str, Any]) -> None:
        if "_modules" not in self.__dict__:
            raise AttributeError(f"cannot assign {name!r} before Module.__init__() call")
        if "." in name or not name:
            raise KeyError(f'a name is not empty and has no "." in it, got: {name!r}')
        if name not in home and hasattr(self, name):
            raise KeyError(f"attribute {name!r} already exists")

    # -- walking --

    def named_modules(self, prefix: str = "", memo: set[int] | None = None) -> Iterator[tuple[str, Module]]:
        memo = set() if memo is None else memo
        if id(self) not in memo:
            memo.add(id(self))
            yield prefix, self
            for name, module in self._modules.items():
                if module is not None:
                    yield from module.named_modules(f"{prefix}.{name}" if prefix else name, memo)

    def modules(self) -> Iterator[Module]:
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        seen: set[int] = set()
        for name, module in self._modules.items():
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator[Module]:
        return (module for _, module in self.named_children())

    def _named(self, home: str, prefix: str, recurse: bool) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, value in getattr(module, home).items():
                if value is not None and id(value) not in seen:
                    seen.add(id(value))
                    yield f"{path}.{name}" if path else name, value

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        return self._named("_parameters", prefix, recurse)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        return self._named("_buffers", prefix, recurse)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        return (b for _, b in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module of that path, `features.0.conv`."""
        module = self
        for part in target.split(".") if target else ():
            if part not in module._modules:
                raise AttributeError(f"{type(module).__name__} has no attribute `{part}`")
            module = module._modules[part]  # type: ignore[assignment]
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter of that path, `features.0.conv.weight`."""
        path, _, name = target.rpartition(".")
        found = self.get_submodule(path)._parameters.get(name)
        if found is None:
            raise AttributeError(f"{type(self).__name__} has no parameter `{target}`")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer of that path."""
        path, _, name = target.rpartition(".")
        found = self.get_submodule(path)._buffers.get(name)
        if found is None:
            raise AttributeError(f"{type(self).__name__} has no buffer `{target}`")
        return found

    def apply(self, fn: Callable[[Module], None]) -> Self:
        """Call `fn` on every module below, then on this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # -- modes, dtypes --

    def train(self, mode: bool = True) -> Self:
        for module in self.modules():
            object.__setattr__(module, "training", mode)
        return self

    def eval(self) -> Self:
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad.array[...] = 0

    def to(self, *args: Any, dtype: Any = None, device: Any = None, **options: Any) -> Self:
        """`to(dtype)`: floating-point parameters and buffers become `dtype`, in place. The device is the CPU."""
        for argument in args:
            if is_device(argument):
                device = argument
            else:
                dtype = argument.dtype if isinstance(argument, Tensor) else argument
        check_device(device)
        if dtype is not None:
            for tensor in (*self.parameters(), *self.buffers()):
                if tensor.is_floating_point():
                    tensor.array = tensor.array.astype(dtype)
                    if tensor.grad is not None:
                        tensor.grad.array = tensor.grad.array.astype(dtype)
        return self

    def double(self) -> Self:
        return self.to(np.float64)

    def float(self) -> Self:
        return self.to(np.float32)

    def type(self, dst_type: Any) -> Self:
        return self.to(dst_type)

    def cpu(self) -> Self:
        return self

    # -- state --

    def _state(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """Every saved tensor under its own key, a shared one under each of its names."""
        for name, value in (*self._parameters.items(), *self._buffers.items()):
            if value is not None and name not in self._unsaved:
                yield prefix + name, value
        for name, module in self._modules.items():
            if module is not None:
                yield from module._state(f"{prefix}{name}.")

    def state_dict(self, *, prefix: str = "", keep_vars: bool = False) -> OrderedDict[str, Tensor]:
        """Parameters and persistent buffers by name, sharing memory, in torch's order and with torch's keys."""
        return OrderedDict((key, tensor if keep_vars else tensor.detach()) for key, tensor in self._state(prefix))

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> Incompatible:
        """Copy values in: tensors of either library, or arrays. All mistakes are reported at once."""
        own = dict(self._state())
        missing = [key for key in own if key not in state_dict]
        unexpected = [key for key in state_dict if key not in own]
        arrays = {key: _as_array(value) for key, value in state_dict.items() if key in own}
        errors = []
        if strict and unexpected:
            errors.append("Unexpected key(s) in state_dict: " + _quoted(unexpected))
        if strict and missing:
            errors.append("Missing key(s) in state_dict: " + _quoted(missing))
        for key, array in arrays.items():
            if array.shape != own[key].shape:
                errors.append(f"size mismatch for {key}: {array.shape} in the state_dict, {tuple(own[key].shape)} here")
        if errors:
            lines = "\n\t".join(errors)
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{lines}")
        with no_grad():
            for key, array in arrays.items():
                own[key].array[...] = array
                own[key].versions[0] += 1
        return Incompatible(missing, unexpected)

    # -- hooks, printing --

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> Handle:
        """Call `hook(module, inputs)` before every forward; what it returns takes the inputs' place.

        `with_kwargs` hands over the keyword arguments too, and takes back the pair of both.
        """
        return register(self._hooks.forward_pre, hook, prepend, with_kwargs)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> Handle:
        """Call `hook(module, inputs, output)` after every forward; what it returns takes the output's place.

        `with_kwargs` hands over the keyword arguments too, before the output.
        """
        return register(self._hooks.forward, hook, prepend, with_kwargs)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Handle:
        """Call `hook(module, grad_output)` when backward reaches the module; what it returns takes its place."""
        return register(self._hooks.backward_pre, hook, prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Handle:
        """Call `hook(module, grad_input, grad_output)` when backward has passed; what it returns is the new
        grad_input.
        """
        return register(self._hooks.backward, hook, prepend)

    def extra_repr(self) -> str:
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        children = [f"({name}): " + repr(m).replace("\n", "\n  ") for name, m in self._modules.items()]
        if not children and "\n" not in extra:
            return f"{type(self).__name__}({extra})"
        return f"{type(self).__name__}(\n  " + "\n  ".join([extra] * bool(extra) + children) + "\n)"


def _quoted(keys: list[str]) -> str:
    return ", ".join(f'"{key}"' for key in keys)


def _as_array(value: Any) -> np.ndarray:
    if isinstance(value, Tensor):
        return value.array
    return np.asarray(value.detach().cpu().numpy() if hasattr(value, "detach") else value)
