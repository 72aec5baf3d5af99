"""Maxima and minima over some axes.

    amax  z[k] = maxᵣ x[k,r]                  ∂E/∂x[k,r] = δ[k] / (number of maxima) where x[k,r] is one, else 0
    max   the same and where it stands        ∂E/∂x[k,r] = δ[k] at the position returned, the first maximum, else 0

    k: the axes that stay   r: the axes in `dim` (a single one for max)

amin and min likewise; argmax and argmin say only where. `max(x)` without an axis shares among ties, as amax does.
The loops are written once for both, with the comparison put in.

PyTorch: torch.amax, amin, max, min, argmax, argmin, of the same meaning.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from underhood.engine.axes import Dims, axes
from underhood.engine.compile import compiled
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops.arithmetic import maximum, minimum
from underhood.engine.ops.checks import must_be_tensors
from underhood.engine.ops.reductions import as_matrix, by_rows, by_rows_backward, samples, spread_back
from underhood.engine.tensor import Tensor, apply


class Extreme(NamedTuple):
    """The largest (or smallest) numbers along an axis, and where they stand."""

    values: Tensor
    indices: Tensor


def amax(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """The maximum over `dim`; maxima that tie share the gradient."""
    return apply(AMAX, input, dim=_some(dim, input, "amax"), keepdim=keepdim)


def amin(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """The minimum over `dim`; minima that tie share the gradient."""
    return apply(AMIN, input, dim=_some(dim, input, "amin"), keepdim=keepdim)


class MinMax(NamedTuple):
    """The smallest and the largest elements."""

    min: Tensor
    max: Tensor


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> MinMax:
    """The minimum and the maximum, of all elements or along `dim`."""
    over = () if dim is None else dim
    return MinMax(amin(input, over, keepdim), amax(input, over, keepdim))


def max(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The maximum of all; (values, indices) along one axis; or, given a tensor, the larger of each pair."""
    must_be_tensors("max", input=input)
    if isinstance(dim, Tensor):
        return maximum(input, dim)
    return amax(input) if dim is None else _along(MAX, input, dim, keepdim)


def min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The minimum of all; (values, indices) along one axis; or, given a tensor, the smaller of each pair."""
    must_be_tensors("min", input=input)
    if isinstance(dim, Tensor):
        return minimum(input, dim)
    return amin(input) if dim is None else _along(MIN, input, dim, keepdim)


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the first maximum stands, among all numbers or along one axis."""
    return _where_it_is(np.argmax, input, dim, keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the first minimum stands, among all numbers or along one axis."""
    return _where_it_is(np.argmin, input, dim, keepdim)


def _where_it_is(find: Callable[..., Any], input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    chosen = _some(dim, input, find.__name__)
    axis = None if dim is None or not input.ndim else chosen[0]
    return Tensor(np.asarray(find(input.array, axis=axis, keepdims=keepdim), np.int64))


def _along(operation: Operation, input: Tensor, dim: int, keepdim: bool) -> Extreme:
    chosen = _some(dim, input, operation.name)
    if not chosen:  # a number by itself
        return Extreme(input.clone(), Tensor(np.zeros((), np.int64)))
    return Extreme(*apply(operation, input, dim=chosen[0], keepdim=keepdim))


def _some(dim: Dims, x: Tensor, name: str) -> tuple[int, ...]:
    """The axes, none of them empty: nothing has no maximum."""
    chosen = axes(dim, x)
    for axis in chosen:
        if not x.shape[axis]:
            error = RuntimeError if dim is None or dim == () else IndexError
            raise error(f"{name}(): Expected reduction dim {axis} to have non-zero size; input {tuple(x.shape)}")
    return chosen


# -- definition --


@compiled
def _more(a: Any, b: Any) -> Any:
    return a > b


@compiled
def _less(a: Any, b: Any) -> Any:
    return a < b


def best_rows(better: Any) -> Any:
    """The loop z[k] = the best of x[k, r]."""

    @compiled
    def best(x: Array) -> Array:
        z = np.empty(x.shape[0], x.dtype)
        for k in range(x.shape[0]):
            z[k] = x[k, 0]
            for r in range(1, x.shape[1]):
                if better(x[k, r], z[k]):
                    z[k] = x[k, r]
        return z

    return best


def first_rows(better: Any) -> Any:
    """The loop that finds the first of the best in each row."""

    @compiled
    def first(x: Array) -> Array:
        found = np.zeros(x.shape[0], np.int64)
        for k in range(x.shape[0]):
            for r in range(1, x.shape[1]):
                if better(x[k, r], x[k, found[k]]):
                    found[k] = r
        return found

    return first


@compiled
def _shared_rows(dz: Array, z: Array, x: Array) -> Array:
    """δ[k] in equal parts to every x[k, r] that is z[k]."""
    dx = np.zeros(x.shape, dz.dtype)
    for k in range(x.shape[0]):
        ties = 0
        for r in range(x.shape[1]):
            ties += x[k, r] == z[k]
        for r in range(x.shape[1]):
            if x[k, r] == z[k]:
                dx[k, r] = dz[k] / ties
    return dx


def along_definition(first: Any) -> Callable[..., Any]:
    """max or min along one axis from the loop that finds it."""

    def definition(x: Array, *, dim: int, keepdim: bool) -> tuple[Array, Array]:
        matrix, kept = as_matrix(x, (dim,))
        found = first(matrix)
        shape = [1 if i == dim else n for i, n in enumerate(x.shape)] if keepdim else kept
        return matrix[np.arange(len(found)), found].reshape(shape), found.reshape(shape)

    return definition


# -- vector --


def best_vector(best: Callable[..., Any]) -> Callable[..., Array]:
    def vector(x: Array, *, dim: tuple[int, ...], keepdim: bool) -> Array:
        return np.asarray(best(x, axis=dim, keepdims=keepdim))

    return vector


def best_vector_backward(dz: Array, z: Array, x: Array, *, dim: tuple[int, ...], keepdim: bool) -> Array:
    ties = x == spread_back(z, x, dim)
    return np.where(ties, spread_back(dz, x, dim), 0) / ties.sum(axis=dim, keepdims=True, dtype=x.dtype)


def along_vector(find: Callable[..., Any]) -> Callable[..., Any]:
    def vector(x: Array, *, dim: int, keepdim: bool) -> tuple[Array, Array]:
        first = np.expand_dims(find(x, axis=dim), dim)
        z = np.take_along_axis(x, first, dim)
        return (z, first) if keepdim else (z.squeeze(dim), first.squeeze(dim))

    return vector


def along_backward(dz: Array, z: Array, first: Array, x: Array, *, dim: int, keepdim: bool) -> Array:
    dx = np.zeros(x.shape, dz.dtype)
    if not keepdim:
        first, dz = np.expand_dims(first, dim), np.expand_dims(dz, dim)
    np.put_along_axis(dx, first, dz, dim)
    return dx


# -- rows of the registry --


def with_ties(rng: np.random.Generator) -> list[Sample]:
    ties = rng.integers(0, 3, (4, 6)).astype(float)
    empty = Sample((rng.normal(size=(0, 3)),), {"dim": (1,), "keepdim": False}, "empty")
    return [*samples(rng), Sample((ties,), {"dim": (1,), "keepdim": False}, "ties"), empty]


def along_one(rng: np.random.Generator) -> list[Sample]:
    ties = rng.integers(0, 3, (4, 6)).astype(float)
    return [
        Sample((rng.normal(size=(3, 4, 2)),), {"dim": 1, "keepdim": False}),
        Sample((ties,), {"dim": 1, "keepdim": True}, "ties"),
        Sample((ties.T[::2],), {"dim": 0, "keepdim": False}, "non-contiguous"),
        Sample((ties[:0],), {"dim": 1, "keepdim": False}, "empty"),
    ]


AMAX, AMIN = (
    Operation(
        name,
        call,
        definition=Form(by_rows(best_rows(better)), by_rows_backward(_shared_rows)),
        vector=Form(best_vector(best), best_vector_backward),
        reference=f"torch.{name}",
        saves=("z", "x"),
        samples=with_ties,
    )
    for name, call, better, best in (("amax", amax, _more, np.max), ("amin", amin, _less, np.min))
)
MAX, MIN = (
    Operation(
        name,
        call,
        definition=Form(along_definition(first_rows(better)), along_backward),
        vector=Form(along_vector(find), along_backward),
        reference=f"torch.{name}",
        saves=(),
        samples=along_one,
    )
    for name, call, better, find in (("max", max, _more, np.argmax), ("min", min, _less, np.argmin))
)
