"""Picking out numbers: z = x[index].

    index: what NumPy takes, integers, slices, None, Ellipsis, masks and arrays of integers

Backward puts δ back where it came from, adding up where a number was picked more than once. Basic indexing
shares x's memory, indexing by arrays copies, as in torch.
"""

from typing import Any

import numpy as np

from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.tensor import Tensor, apply


def index(input: Tensor, index: Any) -> Tensor:
    """`input[index]`."""
    return apply(operation, input, index=plain(index))


def plain(index: Any) -> Any:
    """An index of NumPy's from one that may hold tensors."""
    if isinstance(index, tuple):
        return tuple(plain(i) for i in index)
    if isinstance(index, list):
        return np.asarray(index)
    return index.array if isinstance(index, Tensor) else index


def vector(x: Array, *, index: Any) -> Array:
    return np.asarray(x[index])


def vector_backward(dz: Array, z: Array, x: Array, *, index: Any) -> Array:
    dx = np.zeros(x.shape, dz.dtype)
    if _is_basic(index):
        dx[index] = dz
    else:
        np.add.at(dx, index, dz)
    return dx


def _is_basic(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return not any(isinstance(p, np.ndarray) and p.ndim for p in parts)


def samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(4, 3, 5))
    return [
        Sample((x,), {"index": 1}),
        Sample((x,), {"index": (slice(1, None), Ellipsis, slice(None, None, 2))}, "slices"),
        Sample((x,), {"index": (None, slice(None), 0)}, "a new axis"),
        Sample((x,), {"index": np.array([0, 2, 0])}, "picked twice"),
        Sample((x,), {"index": (np.array([0, 1]), slice(None), np.array([2, 2]))}, "two arrays around a slice"),
        Sample((x,), {"index": x > 0}, "a mask"),
    ]


operation = Operation(
    "index",
    index,
    vector=Form(vector, vector_backward),
    twin="torch.Tensor.__getitem__",
    ask=lambda getitem, x, index: getitem(x, index),
    saves=(),
    view=True,
    samples=samples,
)
