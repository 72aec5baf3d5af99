"""Variance and standard deviation over some axes.

    μ[k] = (1/R) Σᵣ x[k,r]        var: z[k] = Σᵣ (x[k,r] − μ[k])² / (R − c)        std: z[k] = √var

    k: the axes that stay   r: the axes in `dim`, R numbers in all   c: the correction, 1 by default

The mean moves with x too, but Σᵣ (x − μ) = 0 makes its part vanish:

    var  ∂E/∂x[k,r] = 2 (x[k,r] − μ[k]) / (R − c) · δ[k]
    std  the same with δ[k] / 2z[k] for δ[k], and 0 where z[k] = 0

c = 1 (Bessel's) makes the variance of a sample unbiased; c = 0 is the variance of these very numbers.
PyTorch: torch.var, torch.std.
"""

from typing import Any

import numpy as np

from underhood.engine.axes import Dims, axes
from underhood.engine.compile import compiled
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops.reductions import as_matrix, count, kept_dims, spread_back
from underhood.engine.tensor import Tensor, apply


def var(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """The variance over `dim`, with R − correction below the sum; `unbiased=False` is correction 0."""
    return apply(VAR, input, **_settings("var", input, dim, unbiased, keepdim, correction))


def std(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool = True,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """The root of the variance."""
    return apply(STD, input, **_settings("std", input, dim, unbiased, keepdim, correction))


def _settings(
    name: str, input: Tensor, dim: Dims | bool, unbiased: bool, keepdim: bool, correction: float | None
) -> dict[str, Any]:
    if not input.is_floating_point():
        raise RuntimeError(f"{name}: only support floating point dtypes, not {input.dtype}")
    if isinstance(dim, bool):  # var(False), torch's older way
        unbiased, dim = dim, None
    c = float(unbiased) if correction is None else float(correction)
    return {"dim": axes(dim, input), "correction": c, "keepdim": keepdim}


# -- definition --


def definition(x: Array, *, dim: tuple[int, ...], correction: float, keepdim: bool) -> Array:
    matrix, kept = as_matrix(x, dim)
    z = _variance_rows(matrix, correction).reshape(kept)
    return kept_dims(z, x, dim) if keepdim else z


@compiled
def _variance_rows(x: Array, correction: float) -> Array:
    z = np.zeros(x.shape[0], x.dtype)
    for k in range(x.shape[0]):
        mean = 0.0
        for r in range(x.shape[1]):
            mean += x[k, r] / x.shape[1]
        for r in range(x.shape[1]):
            z[k] += (x[k, r] - mean) ** 2
        z[k] /= max(x.shape[1] - correction, 0.0)
    return z


def definition_backward(
    dz: Array, z: Array, x: Array, *, dim: tuple[int, ...], correction: float, keepdim: bool
) -> Array:
    matrix, kept = as_matrix(x, dim)
    dx = _variance_rows_backward(dz.ravel(), matrix, correction)
    stay = [i for i in range(x.ndim) if i not in dim]
    back = np.argsort([*stay, *dim]) if x.ndim else ()
    return np.ascontiguousarray(dx.reshape(*kept, *(x.shape[i] for i in dim)).transpose(*back))


@compiled
def _variance_rows_backward(dz: Array, x: Array, correction: float) -> Array:
    dx = np.empty(x.shape, x.dtype)
    for k in range(x.shape[0]):
        mean = 0.0
        for r in range(x.shape[1]):
            mean += x[k, r] / x.shape[1]
        for r in range(x.shape[1]):
            dx[k, r] = 2.0 * (x[k, r] - mean) / max(x.shape[1] - correction, 0.0) * dz[k]
    return dx


# -- vector --


def vector(x: Array, *, dim: tuple[int, ...], correction: float, keepdim: bool) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):  # one number has no unbiased variance: nan
        away = x - x.sum(axis=dim, keepdims=True) / count(x, dim)
        return np.asarray((away * away).sum(axis=dim, keepdims=keepdim) / _degrees(x, dim, correction))


def vector_backward(dz: Array, z: Array, x: Array, *, dim: tuple[int, ...], correction: float, keepdim: bool) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        away = x - x.sum(axis=dim, keepdims=True) / count(x, dim)
        return away * spread_back(dz * (2 / _degrees(x, dim, correction)), x, dim)


def _degrees(x: Array, dim: tuple[int, ...], correction: float) -> np.floating[Any]:
    """The degrees of freedom R − c, never below 0."""
    return x.dtype.type(max(float(count(x, dim)) - correction, 0.0))


# -- the standard deviation is the root of either form --


def rooted(variance: Form) -> Form:
    """The form of std from that of var."""

    def forward(x: Array, **settings: Any) -> Array:
        return np.sqrt(variance.forward(x, **settings))

    def backward(dz: Array, z: Array, x: Array, **settings: Any) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            d = np.where(z == 0, 0, dz / (2 * z)).astype(dz.dtype)
        return variance.backward(d, z, x, **settings)  # type: ignore[misc]

    return Form(forward, backward)


def samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(3, 4, 2))
    return [
        Sample((x,), {"dim": (0, 1, 2), "correction": 1.0, "keepdim": False}, "all axes"),
        Sample((x,), {"dim": (1,), "correction": 0.0, "keepdim": False}, "biased"),
        Sample((x + 100,), {"dim": (0, 2), "correction": 1.0, "keepdim": True}, "far from zero, two axes, kept"),
        Sample((x.T[::2],), {"dim": (1,), "correction": 1.0, "keepdim": False}, "non-contiguous"),
        Sample((np.ones((2, 3)),), {"dim": (1,), "correction": 1.0, "keepdim": False}, "all the same"),
    ]


VARIANCE = Form(vector, vector_backward), Form(definition, definition_backward)
VAR = Operation(
    "var", var, vector=VARIANCE[0], definition=VARIANCE[1], reference="torch.var", saves=("x",), samples=samples
)
STD = Operation(
    "std",
    std,
    vector=rooted(VARIANCE[0]),
    definition=rooted(VARIANCE[1]),
    reference="torch.std",
    saves=("x", "z"),
    samples=samples,
)
