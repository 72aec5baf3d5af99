"""Along an axis, one element after the other: running extremes and sums of exponentials, differences, areas.

    cummax        z[i] = max(x[0] … x[i]) and where it stands, the last of several        cummin likewise
    logcumsumexp  z[i] = ln Σ_{j≤i} e^x[j]
    diff          z[i] = x[i+1] − x[i]
    trapezoid     z = Σᵢ (x[i+1] − x[i]) (y[i] + y[i+1]) / 2

    cummax: ∂E/∂x[j] = Σ δ[i] over the i whose maximum stands at j; the others' gradients are those of their parts

PyTorch: torch.cummax, cummin, logcumsumexp, diff, trapezoid, cumulative_trapezoid.
"""

from typing import Any

import numpy as np

from underhood.engine.axes import axis
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops.concatenate import cat
from underhood.engine.ops.cumsum import cumsum
from underhood.engine.ops.gather import Picked, gather
from underhood.engine.ops.index import narrow
from underhood.engine.ops.reductions import sum
from underhood.engine.ops.reshape import reshape
from underhood.engine.tensor import Tensor, apply


def cummax(input: Tensor, dim: int) -> Picked:
    """The largest element so far along `dim`, and where it stands, the last of several."""
    return _so_far(input, dim, np.maximum)


def cummin(input: Tensor, dim: int) -> Picked:
    """The smallest element so far along `dim`, and where it stands, the last of several."""
    return _so_far(input, dim, np.minimum)


def _so_far(input: Tensor, dim: int, best: np.ufunc) -> Picked:
    at = axis(dim, input.ndim)
    if not input.ndim:
        return Picked(input.clone(), Tensor(np.zeros((), np.int64)))
    x = input.array
    top = best.accumulate(x, axis=at) if x.size else x
    is_top = (x == top) | (np.isnan(x) if x.dtype.kind == "f" else False)
    counter = np.arange(x.shape[at]).reshape([-1 if d == at else 1 for d in range(x.ndim)])
    found = Tensor(
        np.maximum.accumulate(np.where(is_top, counter, 0), axis=at) if x.size else np.zeros(x.shape, np.int64)
    )
    return Picked(gather(input, at, found), found)


def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """ln of the running sums of eˣ along `dim`."""
    if not input.is_floating_point():
        raise NotImplementedError(f"logcumsumexp: not implemented for {input.dtype}; use floating point")
    at = axis(dim, input.ndim)
    return apply(LOGCUMSUMEXP, input, dim=at) if input.ndim else input.clone()


def vector(x: Array, *, dim: int) -> Array:
    return np.asarray(np.logaddexp.accumulate(x, axis=dim)) if x.size else x.copy()


def vector_backward(dz: Array, z: Array, x: Array, *, dim: int) -> Array:
    """∂E/∂x[j] = Σ_{i≥j} δ[i] e^(x[j] − z[i]), summed from the other end; signs apart, so as not to overflow."""
    if not x.size:
        return np.zeros_like(x)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = []
        for sign in (1, -1):
            logs = np.where(sign * dz > 0, np.log(np.abs(dz.astype(np.float64))) - z, -np.inf)
            later = np.flip(np.logaddexp.accumulate(np.flip(logs, dim), axis=dim), dim)
            parts.append(np.exp(later + x))
    return (parts[0] - parts[1]).astype(x.dtype)


def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Differences of neighbours along `dim`, `n` times, with `prepend` and `append` put at its ends first."""
    if not input.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    at = axis(dim, input.ndim)
    for x in (prepend, append):
        if x is not None and x.ndim != input.ndim:
            raise RuntimeError("diff expects prepend or append to be the same dimension as input")
    if not n:
        return input.clone()
    x = (
        cat([x for x in (prepend, input, append) if x is not None], at)
        if prepend is not None or append is not None
        else input
    )
    for _ in range(min(n, x.shape[at])):
        length = x.shape[at]
        if not length:
            break
        later, earlier = narrow(x, at, 1, length - 1), narrow(x, at, 0, length - 1)
        x = Tensor(later.array ^ earlier.array) if x.dtype == np.bool_ else later - earlier
    return x.clone() if x is input else x


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The area under y along `dim`, at the positions x or `dx` (1) apart."""
    at = axis(dim, y.ndim)
    return sum(_areas(y, x, dx, at), at)


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The areas so far."""
    at = axis(dim, y.ndim)
    return cumsum(_areas(y, x, dx, at), at)


def _areas(y: Tensor, x: Tensor | None, dx: Any, at: int) -> Tensor:
    if x is not None and dx is not None:
        raise TypeError("trapezoid() takes x or dx, not both")
    if not y.ndim or not y.shape[at]:
        raise NotImplementedError(f"trapezoid: y {tuple(y.shape)} has no elements along the axis")
    n = y.shape[at]
    heights = narrow(y, at, 1, n - 1) + narrow(y, at, 0, n - 1)
    if x is None:
        return heights * ((1 if dx is None else dx) / 2)
    if x.ndim == 1:
        if len(x) != n:
            raise RuntimeError(f"There must be one `x` value for each sample point, got {len(x)} for {n}")
        x = reshape(x, [-1 if d == at else 1 for d in range(y.ndim)])
        return heights * diff(x, dim=at) / 2
    return heights * diff(x, dim=at - y.ndim) / 2


def samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(3, 4, 2))
    return [
        Sample((x,), {"dim": 1}),
        Sample((300 * x,), {"dim": 0}, "far apart"),
        Sample((x.T[::2],), {"dim": 2}, "non-contiguous"),
        Sample((x[:0],), {"dim": 0}, "empty"),
    ]


LOGCUMSUMEXP = Operation(
    "logcumsumexp",
    logcumsumexp,
    vector=Form(vector, vector_backward),
    reference="torch.logcumsumexp",
    saves=("x", "z"),
    samples=samples,
)
