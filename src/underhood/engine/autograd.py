"""Gradients on request: torch.autograd's `grad` and `backward`, and `Variable`, which once wrapped tensors."""

from collections.abc import Sequence
from typing import Any

from underhood.engine import tape
from underhood.engine.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from underhood.engine.tensor import Tensor

Tensors = Tensor | Sequence[Tensor]

__all__ = ["Variable", "backward", "enable_grad", "grad", "inference_mode", "no_grad", "set_grad_enabled"]


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """∂outputs/∂inputs, weighted by `grad_outputs`, without touching any `.grad`.

    Only the part of the tape between the two is run, and freed.
    """
    if create_graph:
        raise NotImplementedError("grad(create_graph=True): gradients of gradients are not on the tape")
    outputs, inputs = several(outputs), several(inputs)
    sources = [x.source for x in inputs]
    if None in sources:
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    found = tape.propagate(_roots(outputs, grad_outputs), retain=bool(retain_graph), wanted=sources)
    gradients = tuple(Tensor(found[id(s)].copy()) if id(s) in found else None for s in sources)
    if None in gradients and not allow_unused:
        raise RuntimeError(
            "One of the differentiated Tensors appears to not have been used in the graph. "
            "Set allow_unused=True if this is the desired behavior."
        )
    return gradients


def backward(tensors: Tensors, grad_tensors: Any = None, retain_graph: bool | None = None) -> None:
    """Add the gradients of all `tensors` together to the `.grad` of every leaf, in one run of the tape."""
    tape.propagate(_roots(several(tensors), grad_tensors), retain=bool(retain_graph))


def several(tensors: Tensors) -> list[Tensor]:
    """One tensor or many as a list."""
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _roots(outputs: list[Tensor], weights: Any) -> list[Any]:
    weights = [None] * len(outputs) if weights is None else several(weights)
    return [z.root(g) for z, g in zip(outputs, weights, strict=True)]


class _OfTensors(type):
    """`isinstance(x, Variable)` holds for every tensor."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_OfTensors):
    """`Variable(x, requires_grad)` is x without a history: a tensor, as since PyTorch 0.4."""

    def __new__(cls, data: Tensor, requires_grad: bool = False, volatile: bool = False) -> Tensor:  # type: ignore[misc]
        if volatile:
            raise ValueError("Variable(volatile=True) is gone; use `with no_grad():`")
        return data.detach().requires_grad_(requires_grad)
