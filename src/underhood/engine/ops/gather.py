"""Picking one element for each position: z[i,j] = x[i, t[i,j]], the picked axis being `dim`.

    x: (I, J)   t: (I, K) int64   z: (I, K)        (dim = 1; for any other axis and any number of axes alike)

    ∂E/∂x[i,k] = Σ δ[i,j] over the j with t[i,j] = k

Sorting and the k largest are numbers picked by an order, so their gradients are this one.

PyTorch: torch.gather, sort, topk.
"""

from typing import Any, NamedTuple

import numpy as np

from underhood.engine.axes import axes, axis
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops.index import narrow
from underhood.engine.ops.reshape import reshape
from underhood.engine.tensor import Tensor, apply


class Picked(NamedTuple):
    """Numbers and where they stood along the axis."""

    values: Tensor
    indices: Tensor


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """input[i][index[i][j]], with `dim` the axis that `index` runs along."""
    at = axis(dim, input.ndim)
    if not index.numel() and index.ndim != input.ndim:
        return reshape(narrow(reshape(input, -1), 0, 0, 0), index.shape)
    if input.ndim and index.ndim:
        mesh(input, at, index)
        return apply(ENTRY, input, index, dim=at)
    one, line = (x if x.ndim else reshape(x, 1) for x in (input, index))  # a number is a line of one
    mesh(one, at, line)
    return reshape(apply(ENTRY, one, line, dim=at), index.shape)


def mesh(x: Tensor, dim: int, index: Tensor) -> tuple[Array, ...]:
    """The index arrays that pick x[…, index, …]: `index` at `dim`, counters elsewhere."""
    axis = axes(dim, x)[0]
    if not index.numel():
        return _mesh(np.zeros((0,) * x.ndim, np.int64), axis)
    if index.dtype not in (np.int64, np.int32):
        raise RuntimeError(f"gather(): Expected dtype int32/int64 for index, not {index.dtype}")
    lengths = enumerate(zip(index.shape, x.shape, strict=False))
    if index.ndim != x.ndim or any(i > n for d, (i, n) in lengths if d != axis):
        raise RuntimeError(
            f"Size does not match at some dimension: index {tuple(index.shape)} apart from dimension {axis} should be "
            f"no larger than input {tuple(x.shape)}"
        )
    t = index.array
    if t.size and not (t.min() >= 0 and t.max() < x.shape[axis]):
        wrong = t[(t < 0) | (t >= x.shape[axis])][0]
        raise RuntimeError(f"index {wrong} is out of bounds for dimension {axis} with size {x.shape[axis]}")
    return _mesh(t, axis)


def _mesh(t: Array, axis: int) -> tuple[Array, ...]:
    counters: list[Array] = list(np.ogrid[tuple(slice(0, n) for n in t.shape)])
    counters[axis] = t
    return tuple(counters)


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The indices of the elements that sorting puts first, second, …; equals keep their order, `stable` or not."""
    x, dim = input.array, axis(dim, input.ndim)
    if not input.ndim:
        return Tensor(np.zeros((), np.int64))
    if not descending:
        return Tensor(np.asarray(x.argsort(axis=dim, kind="stable")))
    backwards = np.flip(x, dim).argsort(axis=dim, kind="stable")
    return Tensor(np.ascontiguousarray(np.flip(x.shape[dim] - 1 - backwards, dim)))


def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = True) -> Picked:
    """The numbers in order along `dim`, and where they stood."""
    if not input.ndim:
        return Picked(input.clone(), Tensor(np.zeros((), np.int64)))
    order = argsort(input, dim, descending)
    return Picked(gather(input, dim, order), order)


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Picked:
    """The `k` largest (or smallest) along `dim`, the first first, and where they stood."""
    at = axis(dim, input.ndim)
    length = input.shape[at] if input.ndim else 1
    if not 0 <= k <= length:
        raise RuntimeError(f"selected index k out of range: k={k}, dimension {at} has size {length}")
    if not input.ndim:
        return Picked(input.clone(), Tensor(np.zeros((), np.int64)))
    order = argsort(input, at, descending=largest).narrow(at, 0, k)
    return Picked(gather(input, at, order), order)


def vector(x: Array, t: Array, *, dim: int) -> Array:
    return np.asarray(x[_mesh(t, dim)])


def vector_backward(dz: Array, z: Array, x: Array, t: Array, *, dim: int) -> tuple[Array, None]:
    dx = np.zeros(x.shape, dz.dtype)
    np.add.at(dx, _mesh(t, dim), dz)
    return dx, None


def samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(4, 3, 5))
    return [
        Sample((x, rng.integers(0, 3, (4, 6, 5))), {"dim": 1}, "picked twice"),
        Sample((x, rng.integers(0, 4, (2, 2, 3))), {"dim": 0}, "not everywhere"),
        Sample((x.T, rng.integers(0, 4, (5, 3, 1))), {"dim": 2}, "non-contiguous"),
        Sample((x, np.zeros((4, 0, 5), np.int64)), {"dim": 1}, "empty"),
    ]


def _by_torch(gather: Any, x: Any, t: Any, dim: int) -> Any:
    return gather(x, dim, t)


ENTRY = Operation(
    "gather",
    gather,
    vector=Form(vector, vector_backward),
    reference="torch.gather",
    ask=_by_torch,
    saves=("t",),
    samples=samples,
)
