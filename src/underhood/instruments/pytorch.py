"""PyTorch, loaded when it is first needed, and asked for politely when it is absent."""

import gc
import sys
from dataclasses import fields, is_dataclass
from typing import Any

from underhood.errors import BadInput, missing_extra


def load_torch(what: str = "this") -> Any:
    """The module `torch`; where there is none, the error says that `what` needs it.

    Its import makes a million objects that live as long as the process; the garbage collector, which would
    look through them again and again, rests meanwhile (a fifth of the two seconds).
    """
    if loaded := sys.modules.get("torch"):
        return loaded
    resting = gc.isenabled()
    gc.disable()
    try:
        import torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise missing_extra("torch", what) from None
    finally:
        if resting:
            gc.enable()
    gc.freeze()
    return torch


def tensors_in(tree: Any) -> list[Any]:
    """The tensors in a nest of lists, tuples, dicts and dataclasses."""
    torch = load_torch()
    found = []
    for leaf in torch.utils._pytree.tree_leaves(tree):
        if torch.is_tensor(leaf):
            found.append(leaf)
        elif is_dataclass(leaf) and not isinstance(leaf, type):
            found += tensors_in([getattr(leaf, part.name) for part in fields(leaf)])
    return found


def with_shapes(module: Any, name: str) -> Any:
    """The module, if all its parameters have shapes; BadInput where a Lazy one has not got its own yet."""
    for path, parameter in module.named_parameters():
        if load_torch().nn.parameter.is_lazy(parameter):
            raise BadInput(f"{name}: {path} has no shape yet, it is Lazy: call the network once on a batch, then ask")
    return module
