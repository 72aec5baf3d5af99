"""Tensors laid one behind the other along an axis.

    z = [x₁, x₂, …]        ∂E/∂xₖ: the part of δ that xₖ fills

    x₁, x₂, …: equal shapes apart from the axis `dim`   z: their lengths added up there

PyTorch: torch.cat, and torch.stack along a new axis.
"""

from collections.abc import Sequence

import numpy as np

from underhood.engine.axes import axis
from underhood.engine.dtypes import result_type
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops.cast import cast
from underhood.engine.ops.checks import must_be_tensors
from underhood.engine.ops.reshape import unsqueeze
from underhood.engine.tensor import Tensor, apply


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors one behind the other along `dim`."""
    must_be_tensors("cat", **{f"tensors[{i}]": x for i, x in enumerate(tensors)})
    several = [x for x in tensors if x.shape != (0,)] or list(tensors)[:1]  # torch passes over empty vectors
    if not several:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    if not all(x.ndim for x in several):
        raise RuntimeError("zero-dimensional tensor cannot be concatenated")
    first, at = several[0], axis(dim, several[0].ndim)
    for i, x in enumerate(several):
        if [n for d, n in enumerate(x.shape) if d != at] != [n for d, n in enumerate(first.shape) if d != at]:
            raise RuntimeError(
                f"Sizes of tensors must match except in dimension {at}. Got {tuple(first.shape)} and "
                f"{tuple(x.shape)} for tensor number {i} in the list."
            )
    dtype = result_type(*several)
    return apply(ENTRY, *(cast(x, dtype) for x in several), dim=at)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors one behind the other along a new axis."""
    tensors = list(tensors)
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    for i, x in enumerate(tensors):
        if x.shape != tensors[0].shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(tensors[0].shape)} at entry 0 and "
                f"{list(x.shape)} at entry {i}"
            )
    at = axis(dim, tensors[0].ndim + 1)
    return cat([unsqueeze(x, at) for x in tensors], at)


def vector(*x: Array, dim: int) -> Array:
    return np.concatenate(x, axis=dim)


def vector_backward(dz: Array, z: Array, *x: Array, dim: int) -> tuple[Array, ...]:
    borders = np.cumsum([a.shape[dim] for a in x])[:-1]
    return tuple(part.copy() for part in np.split(dz, borders, axis=dim))


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal
    return [
        Sample((n(size=(2, 3)), n(size=(4, 3))), {"dim": 0}),
        Sample((n(size=(2, 3, 4)), n(size=(2, 1, 4)), n(size=(2, 0, 4))), {"dim": 1}, "three, one of them empty"),
        Sample((n(size=(3, 4)),), {"dim": 1}, "one"),
        Sample((n(size=(6, 3)).T, n(size=(3, 8))[:, ::2]), {"dim": 1}, "non-contiguous"),
    ]


ENTRY = Operation(
    "cat",
    cat,
    vector=Form(vector, vector_backward),
    reference="torch.cat",
    ask=lambda cat, *x, dim: cat(x, dim),
    saves=(),
    samples=samples,
)
