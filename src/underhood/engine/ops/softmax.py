"""Softmax and its logarithm along one axis.

    y[k] = e^{x[k]} / Σⱼ e^{x[j]}            log y[k] = x[k] − log Σⱼ e^{x[j]}

    x, y: any shape, the sums along `dim`

Computed from x − max x, which changes nothing and cannot overflow. With δ = ∂E/∂y (or ∂E/∂ log y)

    softmax      ∂y[k]/∂x[i] = y[k] ([k=i] − y[i])      ∂E/∂x[i] = y[i] (δ[i] − Σₖ δ[k] y[k])
    log_softmax  ∂ log y[k]/∂x[i] = [k=i] − y[i]        ∂E/∂x[i] = δ[i] − y[i] Σₖ δ[k]

Source: Bridle 1990. PyTorch: torch.softmax, log_softmax, nn.functional.softmin, torch.logsumexp.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from underhood.engine.axes import Dims, axes, axis
from underhood.engine.compile import compiled
from underhood.engine.dtypes import float32
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops.arithmetic import neg
from underhood.engine.ops.cast import cast
from underhood.engine.ops.elementwise import exp, log
from underhood.engine.tensor import Tensor, apply


def softmax(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """e^x / Σ e^x along `dim`: positive, adding up to 1."""
    return _along("softmax", SOFTMAX, input, dim, dtype)


def softmin(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """The softmax of −x."""
    return _along("softmin", SOFTMAX, neg(input), dim, dtype)


def log_softmax(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """log(softmax(x)), accurate where softmax would round to 0."""
    return _along("log_softmax", LOG_SOFTMAX, input, dim, dtype)


def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """log Σ e^x over `dim`, without overflow."""
    chosen = axes(dim, input)
    input = input if input.is_floating_point() else cast(input, float32)
    top = apply(TOP, input.detach(), dim=chosen)
    total = log(exp(input - top).sum(chosen, keepdim=True)) + top
    return total if keepdim else total.squeeze(chosen)


def _along(name: str, operation: Operation, input: Tensor, dim: int | None, dtype: Any) -> Tensor:
    if dim is None:
        dim = 0 if input.ndim in (0, 1, 3) else 1
        warnings.warn(
            f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an "
            f"argument; {dim} was taken.",
            UserWarning,
            stacklevel=3,
        )
    x = input if dtype is None else cast(input, dtype)
    if not x.is_floating_point():
        raise RuntimeError(f"{name}: not implemented for {x.dtype}; give dtype or use floats")
    at = axis(dim, x.ndim)
    return apply(operation, x, dim=at) if x.ndim else apply(operation, x.reshape(1), dim=0).reshape(())


def along(dim: int, loop: Any, *arrays: Array) -> Array:
    """Apply a compiled loop over the rows of matrices to arrays whose rows lie along `dim`."""
    if not arrays[0].size:
        return np.empty_like(arrays[0])
    moved = [np.ascontiguousarray(np.moveaxis(a, dim, -1)) for a in arrays]
    shape = moved[0].shape
    z = loop(*(m.reshape(int(np.prod(shape[:-1])), shape[-1]) for m in moved))
    return np.ascontiguousarray(np.moveaxis(z.reshape(shape), -1, dim))


def over_rows(forward: Any, backward: Any) -> Form:
    """The definition from its two compiled loops over rows."""

    def definition(x: Array, *, dim: int) -> Array:
        return along(dim, forward, x)

    def definition_backward(dz: Array, z: Array, x: Array, *, dim: int) -> Array:
        return along(dim, backward, dz, z)

    return Form(definition, definition_backward)


@compiled
def _softmax_rows(x: Array) -> Array:
    y = np.empty(x.shape, x.dtype)
    for n in range(x.shape[0]):
        top = x[n].max()
        total = 0.0
        for k in range(x.shape[1]):
            y[n, k] = np.exp(x[n, k] - top)
            total += y[n, k]
        for k in range(x.shape[1]):
            y[n, k] /= total
    return y


@compiled
def _softmax_rows_backward(dy: Array, y: Array) -> Array:
    dx = np.empty(y.shape, y.dtype)
    for n in range(y.shape[0]):
        total = 0.0
        for k in range(y.shape[1]):
            total += dy[n, k] * y[n, k]
        for i in range(y.shape[1]):
            dx[n, i] = y[n, i] * (dy[n, i] - total)
    return dx


@compiled
def _log_softmax_rows(x: Array) -> Array:
    y = np.empty(x.shape, x.dtype)
    for n in range(x.shape[0]):
        top = x[n].max()
        total = 0.0
        for k in range(x.shape[1]):
            total += np.exp(x[n, k] - top)
        for k in range(x.shape[1]):
            y[n, k] = x[n, k] - top - np.log(total)
    return y


@compiled
def _log_softmax_rows_backward(dz: Array, z: Array) -> Array:
    dx = np.empty(z.shape, z.dtype)
    for n in range(z.shape[0]):
        total = 0.0
        for k in range(z.shape[1]):
            total += dz[n, k]
        for i in range(z.shape[1]):
            dx[n, i] = dz[n, i] - np.exp(z[n, i]) * total
    return dx


def softmax_vector(x: Array, *, dim: int) -> Array:
    e = np.exp(x - x.max(axis=dim, keepdims=True, initial=-np.inf))
    e /= e.sum(axis=dim, keepdims=True)
    return e


def softmax_vector_backward(dz: Array, z: Array, x: Array, *, dim: int) -> Array:
    return z * (dz - (dz * z).sum(axis=dim, keepdims=True))


def log_softmax_vector(x: Array, *, dim: int) -> Array:
    shifted = x - x.max(axis=dim, keepdims=True, initial=-np.inf)
    with np.errstate(divide="ignore"):  # an empty axis has the sum 0
        return shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))


def log_softmax_vector_backward(dz: Array, z: Array, x: Array, *, dim: int) -> Array:
    return dz - np.exp(z) * dz.sum(axis=dim, keepdims=True)


def top_vector(x: Array, *, dim: tuple[int, ...]) -> Array:
    """What logsumexp subtracts before it exponentiates: the maximum, or 0 where that is infinite or there is none."""
    top = np.asarray(x.max(axis=dim, keepdims=True, initial=-np.inf))
    return np.where(np.isfinite(top), top, x.dtype.type(0))


def top_samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(3, 4, 2))
    return [
        Sample((x,), {"dim": (1,)}),
        Sample((x.T[::2],), {"dim": (0, 2)}, "non-contiguous"),
        Sample((np.array([[1.0, 2.0], [np.inf, 0.0], [-np.inf, -np.inf]]),), {"dim": (1,)}, "infinite"),
    ]


def _top_by_torch(amax: Any, x: Any, dim: tuple[int, ...]) -> Any:
    return amax(x.detach(), dim, keepdim=True).nan_to_num(posinf=0.0, neginf=0.0)


def samples(rng: np.random.Generator) -> list[Sample]:
    n: Callable[..., Array] = rng.normal
    return [
        Sample((n(0, 2, (4, 5)),), {"dim": 1}),
        Sample((n(0, 2, (2, 3, 4)),), {"dim": 1}, "a middle axis"),
        Sample((n(1000, 2, (3, 4)),), {"dim": 1}, "far from zero"),
        Sample((n(size=(0, 3)),), {"dim": 1}, "empty"),
        Sample((n(size=(3, 0)),), {"dim": 1}, "an empty axis"),
        Sample((n(size=(3, 1)),), {"dim": 1}, "size one"),
        Sample((n(size=(4, 6))[::2, ::-3],), {"dim": 0}, "non-contiguous"),
    ]


SOFTMAX = Operation(
    "softmax",
    softmax,
    definition=over_rows(_softmax_rows, _softmax_rows_backward),
    vector=Form(softmax_vector, softmax_vector_backward),
    reference="torch.softmax",
    saves=("z",),
    samples=samples,
)
TOP = Operation(
    "logsumexp_top",
    logsumexp,
    vector=Form(top_vector),
    reference="torch.amax",
    ask=_top_by_torch,
    saves=(),
    samples=top_samples,
)
LOG_SOFTMAX = Operation(
    "log_softmax",
    log_softmax,
    definition=over_rows(_log_softmax_rows, _log_softmax_rows_backward),
    vector=Form(log_softmax_vector, log_softmax_vector_backward),
    reference="torch.log_softmax",
    saves=("z",),
    samples=samples,
)
