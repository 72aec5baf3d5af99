"""Sums and means over some axes.

    z[k] = Σᵣ x[k,r]        mean: z[k] = (1/R) Σᵣ x[k,r]

    k: the axes that stay   r: the axes in `dim` (all of them by default), R numbers in all

    sum   ∂E/∂x[k,r] = δ[k]
    mean  ∂E/∂x[k,r] = δ[k] / R

The definitions of all reductions loop over a matrix (K, R); `by_rows` arranges the axes so.

PyTorch: torch.sum, torch.mean.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from underhood.engine.axes import Dims, axes
from underhood.engine.compile import compiled
from underhood.engine.dtypes import int64
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops.cast import cast
from underhood.engine.tensor import Tensor, apply


def sum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Σ over `dim`, one axis, several, or all; the axes stay with length 1 when `keepdim`."""
    if dtype is None:
        dtype = input.dtype if input.is_floating_point() else int64  # whole numbers add up as int64
    input = cast(input, dtype)
    return apply(SUM, input, dim=axes(dim, input), keepdim=keepdim)


def mean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The arithmetic mean over `dim`."""
    input = input if dtype is None else cast(input, dtype)
    if not input.is_floating_point():
        raise RuntimeError(f"mean(): could not infer output dtype: the input must be floating point, not {input.dtype}")
    return apply(MEAN, input, dim=axes(dim, input), keepdim=keepdim)


# -- definition: the axes that stay in front, those that go behind, as a matrix (K, R) --


def as_matrix(x: Array, dim: tuple[int, ...]) -> tuple[Array, tuple[int, ...]]:
    """x as (K, R), and the shape of the axes that stay."""
    stay = tuple(i for i in range(x.ndim) if i not in dim)
    kept = tuple(x.shape[i] for i in stay)
    rows = int(np.prod(kept))
    return np.ascontiguousarray(x.transpose(*stay, *dim)).reshape(rows, -1 if rows else 0), kept


def kept_dims(z: Array, x: Array, dim: tuple[int, ...]) -> Array:
    """z with the axes it lost as axes of length 1."""
    return z.reshape([1 if i in dim else n for i, n in enumerate(x.shape)])


def by_rows(loop: Any) -> Callable[..., Array]:
    """A definition from a compiled loop z[k] = loop over r of x[k, r]."""

    def definition(x: Array, *, dim: tuple[int, ...], keepdim: bool) -> Array:
        matrix, kept = as_matrix(x, dim)
        z = loop(matrix).reshape(kept)
        return kept_dims(z, x, dim) if keepdim else z

    return definition


def by_rows_backward(loop: Any) -> Callable[..., Array]:
    """Its gradient from a compiled loop dx[k, r] = loop(dz[k], z[k], x[k, r])."""

    def definition_backward(dz: Array, z: Array, x: Array, *, dim: tuple[int, ...], keepdim: bool) -> Array:
        matrix, kept = as_matrix(x, dim)
        dx = loop(dz.ravel(), z.ravel(), matrix)
        stay = [i for i in range(x.ndim) if i not in dim]
        back = np.argsort([*stay, *dim]) if x.ndim else ()
        return np.ascontiguousarray(dx.reshape(*kept, *(x.shape[i] for i in dim)).transpose(*back))

    return definition_backward


@compiled
def _sum_rows(x: Array) -> Array:
    z = np.zeros(x.shape[0], x.dtype)
    for k in range(x.shape[0]):
        for r in range(x.shape[1]):
            z[k] += x[k, r]
    return z


@compiled
def _sum_rows_backward(dz: Array, z: Array, x: Array) -> Array:
    dx = np.empty(x.shape, dz.dtype)
    for k in range(x.shape[0]):
        for r in range(x.shape[1]):
            dx[k, r] = dz[k]
    return dx


@compiled
def _mean_rows(x: Array) -> Array:
    z = np.zeros(x.shape[0], x.dtype)
    for k in range(x.shape[0]):
        for r in range(x.shape[1]):
            z[k] += x[k, r]
        z[k] /= x.shape[1]
    return z


@compiled
def _mean_rows_backward(dz: Array, z: Array, x: Array) -> Array:
    dx = np.empty(x.shape, dz.dtype)
    for k in range(x.shape[0]):
        for r in range(x.shape[1]):
            dx[k, r] = dz[k] / x.shape[1]
    return dx


# -- vector --


def spread_back(d: Array, x: Array, dim: tuple[int, ...]) -> Array:
    """What came out of a reduction, put back to where it came from: a broadcast view in x's shape."""
    return np.broadcast_to(kept_dims(d, x, dim), x.shape)


def sum_vector(x: Array, *, dim: tuple[int, ...], keepdim: bool) -> Array:
    return np.asarray(x.sum(axis=dim, keepdims=keepdim))


def sum_vector_backward(dz: Array, z: Array, x: Array, *, dim: tuple[int, ...], keepdim: bool) -> Array:
    return spread_back(dz, x, dim).copy()


def mean_vector(x: Array, *, dim: tuple[int, ...], keepdim: bool) -> Array:
    return sum_vector(x, dim=dim, keepdim=keepdim) / count(x, dim)


def mean_vector_backward(dz: Array, z: Array, x: Array, *, dim: tuple[int, ...], keepdim: bool) -> Array:
    return spread_back(dz / count(x, dim), x, dim).copy()


def count(x: Array, dim: tuple[int, ...]) -> np.floating[Any]:
    """How many numbers come together in one, in x's dtype."""
    with np.errstate(divide="ignore"):
        return x.dtype.type(np.prod([x.shape[i] for i in dim]))


# -- rows of the registry --


def samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(3, 4, 2))
    return [
        Sample((x,), {"dim": (0, 1, 2), "keepdim": False}, "all axes"),
        Sample((x,), {"dim": (1,), "keepdim": False}),
        Sample((x,), {"dim": (0, 2), "keepdim": True}, "two axes, kept"),
        Sample((x.T[::2],), {"dim": (1,), "keepdim": False}, "non-contiguous"),
        Sample((x[:1, :1, :1],), {"dim": (0,), "keepdim": True}, "size one"),
    ]


def with_empty(rng: np.random.Generator) -> list[Sample]:
    return [*samples(rng), Sample((rng.normal(size=(0, 3)),), {"dim": (0,), "keepdim": False}, "empty")]


SUM = Operation(
    "sum",
    sum,
    definition=Form(by_rows(_sum_rows), by_rows_backward(_sum_rows_backward)),
    vector=Form(sum_vector, sum_vector_backward),
    reference="torch.sum",
    saves=(),
    samples=with_empty,
)
MEAN = Operation(
    "mean",
    mean,
    definition=Form(by_rows(_mean_rows), by_rows_backward(_mean_rows_backward)),
    vector=Form(mean_vector, mean_vector_backward),
    reference="torch.mean",
    saves=(),
    samples=samples,
)
