"""A network's replica: the same modules on other tensors, so that whatever is done to it, the network never notices.

On the meta device a replica has shapes and no numbers: copying 143 million parameters takes no memory and a
forward pass no time. Parameters that are shared stay shared, plain tensors in attributes are copied too, and
what can't be copied (a lock, an open file) is the one thing that both have.
"""

from copy import deepcopy
from typing import Any

from underhood.errors import BadInput
from underhood.instruments.pytorch import load_torch


def replica(module: Any, meta: bool = True) -> Any:
    """A copy of the module with its hooks, mode and attributes: on meta tensors, or on real ones."""
    module = unwrapped(module)
    memo: dict[int, Any] = {}
    members = list(module.modules())
    for member in members:
        memo[id(member)] = object.__new__(type(member))
    if meta:
        for parameter in module.parameters():
            memo[id(parameter)] = _on_meta(parameter)
    with _copies(memo, "meta" if meta else None):
        for member in members:
            memo[id(member)].__dict__.update({k: _copy(v, memo) for k, v in vars(member).items()})
    return memo[id(module)]


def unwrapped(module: Any) -> Any:
    """The network inside DataParallel, DistributedDataParallel and torch.compile's wrapper."""
    torch = load_torch()
    if isinstance(module, torch.jit.ScriptModule):
        raise BadInput("a TorchScript module hides its layers: give the module that it was made from")
    wrappers = {"DataParallel": "module", "DistributedDataParallel": "module", "OptimizedModule": "_orig_mod"}
    while type(module).__name__ in wrappers:
        module = getattr(module, wrappers[type(module).__name__])
    return module


def _copy(value: Any, memo: dict[int, Any]) -> Any:
    try:
        return deepcopy(value, memo)
    except Exception:  # whatever a stranger's object raises when asked for a copy
        return value


def _on_meta(parameter: Any) -> Any:
    torch = load_torch()
    if isinstance(parameter, torch.nn.parameter.UninitializedParameter):  # a Lazy module's, without a shape yet
        return type(parameter)(parameter.requires_grad, device="meta", dtype=parameter.dtype)
    return torch.nn.Parameter(_empty(parameter, "meta"), parameter.requires_grad)


def _empty(tensor: Any, device: str) -> Any:
    # not empty_like: that one loads a symbolic algebra system (0.4 s)
    return load_torch().empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device)


def _copies(memo: dict[int, Any], device: str | None) -> Any:
    """Within, tensors are copied as asked, also those that torch's own deepcopy refuses (results of operations)."""
    torch = load_torch()
    mode: Any = torch.overrides.TorchFunctionMode

    class Copies(mode):  # type: ignore[misc]
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is not torch.Tensor.__deepcopy__:
                return func(*args, **(kwargs or {}))
            tensor = args[0]
            if id(tensor) not in memo:
                copy = tensor.detach().clone() if device is None else _empty(tensor, device)
                memo[id(tensor)] = copy.requires_grad_(tensor.requires_grad)
            return memo[id(tensor)]

    return Copies()
