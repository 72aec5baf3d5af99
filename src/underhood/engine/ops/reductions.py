"""Sums, means and maxima over some axes.

    z[k] = Σᵣ x[k,r]        mean: z[k] = (1/R) Σᵣ x[k,r]        amax: z[k] = maxᵣ x[k,r]

    k: the axes that stay   r: the axes in `dim` (all of them by default), R numbers in all

    sum   ∂E/∂x[k,r] = δ[k]
    mean  ∂E/∂x[k,r] = δ[k] / R
    amax  ∂E/∂x[k,r] = δ[k] / (number of maxima) where x[k,r] is a maximum, else 0

PyTorch: torch.sum, torch.mean, torch.amax. `max(x, dim)` returns (values, indices); its gradient goes to the
index that it returns, the first maximum, and not to all of them. `max(x)` shares among ties, as amax does.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from underhood.engine.compile import compiled
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.tensor import Tensor, apply

Dims = int | tuple[int, ...] | list[int] | None


def sum(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Σ over `dim`, one axis, several, or all; the axes stay with length 1 when `keepdim`."""
    if input.dtype.kind in "bui" and input.dtype != np.int64:  # torch sums small integers as int64
        input = Tensor(input.array.astype(np.int64))
    return apply(SUM, input, dim=axes(dim, input), keepdim=keepdim)


def mean(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """The arithmetic mean over `dim`."""
    if not input.is_floating_point():
        raise RuntimeError(f"mean(): could not infer output dtype: the input must be floating point, not {input.dtype}")
    return apply(MEAN, input, dim=axes(dim, input), keepdim=keepdim)


def amax(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """The maximum over `dim`; maxima that tie share the gradient."""
    return apply(AMAX, input, dim=axes(dim or None, input), keepdim=keepdim)


def max(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The maximum of all, or (values, indices) along one axis."""
    if dim is None:
        return amax(input)
    (axis,) = axes(dim, input)
    return apply(MAX, input, dim=axis, keepdim=keepdim)


def axes(dim: Dims, x: Tensor) -> tuple[int, ...]:
    """`dim` as a tuple of axes counted from the front; None means all."""
    if dim is None or dim == () or dim == []:
        return tuple(range(x.ndim))
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    for d in dims:
        if not -builtin_max(x.ndim, 1) <= d < builtin_max(x.ndim, 1):
            raise IndexError(f"Dimension out of range (expected -{x.ndim}..{x.ndim - 1}, but got {d})")
    return tuple(d % x.ndim for d in dims) if x.ndim else ()


def builtin_max(a: int, b: int) -> int:
    return a if a > b else b


# -- definition: the axes that stay in front, those that go behind, as a matrix (K, R) --


def as_matrix(x: Array, dim: tuple[int, ...]) -> tuple[Array, tuple[int, ...]]:
    """x as (K, R), and the shape of the axes that stay."""
    stay = tuple(i for i in range(x.ndim) if i not in dim)
    kept = tuple(x.shape[i] for i in stay)
    rows = int(np.prod(kept))
    return x.transpose(*stay, *dim).reshape(rows, -1 if rows else 0), kept


def _kept_dims(z: Array, x: Array, dim: tuple[int, ...]) -> Array:
    return z.reshape([1 if i in dim else n for i, n in enumerate(x.shape)])


def by_rows(loop: Any) -> Callable[..., Array]:
    """A definition from a compiled loop z[k] = loop over r of x[k, r]."""

    def definition(x: Array, *, dim: tuple[int, ...], keepdim: bool) -> Array:
        matrix, kept = as_matrix(x, dim)
        z = loop(matrix).reshape(kept)
        return _kept_dims(z, x, dim) if keepdim else z

    return definition


def by_rows_backward(loop: Any) -> Callable[..., Array]:
    """Its gradient from a compiled loop dx[k, r] = loop(dz[k], z[k], x[k, r])."""

    def definition_backward(dz: Array, z: Array, x: Array, *, dim: tuple[int, ...], keepdim: bool) -> Array:
        matrix, kept = as_matrix(x, dim)
        dx = loop(dz.reshape(-1), z.reshape(-1), matrix)
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


@compiled
def _max_rows(x: Array) -> Array:
    z = np.empty(x.shape[0], x.dtype)
    for k in range(x.shape[0]):
        z[k] = x[k, 0]
        for r in range(1, x.shape[1]):
            if x[k, r] > z[k]:
                z[k] = x[k, r]
    return z


@compiled
def _max_rows_backward(dz: Array, z: Array, x: Array) -> Array:
    dx = np.zeros(x.shape, dz.dtype)
    for k in range(x.shape[0]):
        ties = 0
        for r in range(x.shape[1]):
            ties += x[k, r] == z[k]
        for r in range(x.shape[1]):
            if x[k, r] == z[k]:
                dx[k, r] = dz[k] / ties
    return dx


@compiled
def _first_max_rows(x: Array) -> Array:
    first = np.zeros(x.shape[0], np.int64)
    for k in range(x.shape[0]):
        for r in range(1, x.shape[1]):
            if x[k, r] > x[k, first[k]]:
                first[k] = r
    return first


# -- vector --


def _spread(d: Array, x: Array, dim: tuple[int, ...]) -> Array:
    """What came out of a reduction, put back to where it came from: a broadcast view in x's shape."""
    return np.broadcast_to(_kept_dims(d, x, dim), x.shape)


def sum_vector(x: Array, *, dim: tuple[int, ...], keepdim: bool) -> Array:
    return np.asarray(x.sum(axis=dim, keepdims=keepdim))


def sum_vector_backward(dz: Array, z: Array, x: Array, *, dim: tuple[int, ...], keepdim: bool) -> Array:
    return _spread(dz, x, dim).copy()


def mean_vector(x: Array, *, dim: tuple[int, ...], keepdim: bool) -> Array:
    return sum_vector(x, dim=dim, keepdim=keepdim) / _count(x, dim)


def mean_vector_backward(dz: Array, z: Array, x: Array, *, dim: tuple[int, ...], keepdim: bool) -> Array:
    return _spread(dz / _count(x, dim), x, dim).copy()


def _count(x: Array, dim: tuple[int, ...]) -> np.floating[Any]:
    with np.errstate(divide="ignore"):
        return x.dtype.type(np.prod([x.shape[i] for i in dim]))


def amax_vector(x: Array, *, dim: tuple[int, ...], keepdim: bool) -> Array:
    return np.asarray(x.max(axis=dim, keepdims=keepdim))


def amax_vector_backward(dz: Array, z: Array, x: Array, *, dim: tuple[int, ...], keepdim: bool) -> Array:
    maxima = x == _spread(z, x, dim)
    return maxima * _spread(dz, x, dim) / maxima.sum(axis=dim, keepdims=True)


def max_vector(x: Array, *, dim: int, keepdim: bool) -> tuple[Array, Array]:
    first = np.expand_dims(x.argmax(axis=dim), dim)
    z = np.take_along_axis(x, first, dim)
    return (z, first) if keepdim else (z.squeeze(dim), first.squeeze(dim))


def max_definition(x: Array, *, dim: int, keepdim: bool) -> tuple[Array, Array]:
    matrix, kept = as_matrix(x, (dim,))
    first = _first_max_rows(matrix)
    z = matrix[np.arange(len(first)), first].reshape(kept)
    shape = [1 if i == dim else n for i, n in enumerate(x.shape)] if keepdim else kept
    return z.reshape(shape), first.reshape(shape)


def max_backward(dz: Array, z: Array, first: Array, x: Array, *, dim: int, keepdim: bool) -> Array:
    dx = np.zeros(x.shape, dz.dtype)
    expand = (lambda a: a) if keepdim else (lambda a: np.expand_dims(a, dim))
    np.put_along_axis(dx, expand(first), expand(dz), dim)
    return dx


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


def with_ties(rng: np.random.Generator) -> list[Sample]:
    ties = Sample((rng.integers(0, 3, (4, 6)).astype(float),), {"dim": (1,), "keepdim": False}, "ties")
    return [*samples(rng), ties]


def with_empty(rng: np.random.Generator) -> list[Sample]:
    return [*samples(rng), Sample((rng.normal(size=(0, 3)),), {"dim": (0,), "keepdim": False}, "empty")]


def along_one(rng: np.random.Generator) -> list[Sample]:
    ties = rng.integers(0, 3, (4, 6)).astype(float)
    return [
        Sample((rng.normal(size=(3, 4, 2)),), {"dim": 1, "keepdim": False}),
        Sample((ties,), {"dim": 1, "keepdim": True}, "ties"),
        Sample((ties.T[::2],), {"dim": 0, "keepdim": False}, "non-contiguous"),
    ]


SUM = Operation(
    "sum",
    sum,
    definition=Form(by_rows(_sum_rows), by_rows_backward(_sum_rows_backward)),
    vector=Form(sum_vector, sum_vector_backward),
    twin="torch.sum",
    saves=(),
    samples=with_empty,
)
MEAN = Operation(
    "mean",
    mean,
    definition=Form(by_rows(_mean_rows), by_rows_backward(_mean_rows_backward)),
    vector=Form(mean_vector, mean_vector_backward),
    twin="torch.mean",
    saves=(),
    samples=samples,
)
AMAX = Operation(
    "amax",
    amax,
    definition=Form(by_rows(_max_rows), by_rows_backward(_max_rows_backward)),
    vector=Form(amax_vector, amax_vector_backward),
    twin="torch.amax",
    saves=("z", "x"),
    samples=with_ties,
)
MAX = Operation(
    "max",
    max,
    definition=Form(max_definition, max_backward),
    vector=Form(max_vector, max_backward),
    twin="torch.max",
    saves=(),
    samples=along_one,
)
