"""Products over some axes, and running products.

    prod     z[k] = Πᵣ x[k,r]                ∂E/∂x[k,r] = δ[k] · Π_{s≠r} x[k,s]
    cumprod  z[i] = x[0] · … · x[i]          ∂E/∂x[j] = Σ_{i≥j} δ[i] · Π_{s≤i, s≠j} x[s]

    x, z: any shape, k the axes that stay, r the axes in `dim` (all by default)

The products of the others are those before times those after, so that a factor may be 0. A running product's
gradient is z/x added up from the end where no factor is 0; at the first 0 of a line only the products up to the
second 0 count, each without the first.

PyTorch: torch.prod, cumprod.
"""

from typing import Any

import numpy as np

from underhood.engine.axes import axis
from underhood.engine.dtypes import int64
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops.cast import cast
from underhood.engine.ops.reshape import reshape
from underhood.engine.tensor import Tensor, apply


def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Π over `dim`, or over all elements."""
    if dtype is None:
        dtype = input.dtype if input.is_floating_point() else int64
    x = cast(input, dtype)
    if dim is None:
        return apply(PROD, reshape(x, -1), dim=0, keepdim=False)
    at = axis(dim, x.ndim)
    return apply(PROD, x, dim=at, keepdim=bool(keepdim)) if x.ndim else x.clone()


def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The running products along `dim`."""
    if dtype is None:
        dtype = input.dtype if input.is_floating_point() else int64
    x, at = cast(input, dtype), axis(dim, input.ndim)
    return apply(CUMPROD, x, dim=at) if x.ndim else x.clone()


def prod_vector(x: Array, *, dim: int, keepdim: bool) -> Array:
    return np.asarray(x.prod(axis=dim, keepdims=keepdim), x.dtype)


def prod_vector_backward(dz: Array, z: Array, x: Array, *, dim: int, keepdim: bool) -> Array:
    each = dz if keepdim else np.expand_dims(dz, dim)
    x, each = np.moveaxis(x, dim, -1), np.moveaxis(each, dim, -1)
    before, after = np.ones_like(x), np.ones_like(x)
    np.cumprod(x[..., :-1], axis=-1, out=before[..., 1:])
    np.cumprod(x[..., :0:-1], axis=-1, out=after[..., -2::-1])
    return np.ascontiguousarray(np.moveaxis(each * before * after, -1, dim))


def cumprod_vector(x: Array, *, dim: int) -> Array:
    return x.cumprod(axis=dim)


def cumprod_vector_backward(dz: Array, z: Array, x: Array, *, dim: int) -> Array:
    x, z, dz = (np.moveaxis(a, dim, -1) for a in (x, z, dz))
    zeros = np.cumsum(x == 0, axis=-1)  # how many factors of each product are 0
    first = (x == 0) & (zeros == 1)
    safe = np.where(x == 0, 1, x)
    before = _from_the_end(np.where(zeros == 0, dz * z, 0)) / safe
    without = np.cumprod(np.where(first, 1, x), axis=-1)  # the products without the first 0
    at_first = _from_the_end(np.where(zeros == 1, dz * without, 0))
    dx = np.where(first, at_first, np.where(zeros == 0, before, 0))
    return np.ascontiguousarray(np.moveaxis(dx, -1, dim))


def _from_the_end(x: Array) -> Array:
    return x[..., ::-1].cumsum(axis=-1)[..., ::-1]


def samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(3, 4, 2))
    whole = rng.integers(0, 3, (4, 6)).astype(float)
    return [
        Sample((x,), {"dim": 1, "keepdim": False}),
        Sample((whole,), {"dim": 1, "keepdim": True}, "zeros"),
        Sample((x.T[::2],), {"dim": 2, "keepdim": False}, "non-contiguous"),
        Sample((x[:0],), {"dim": 0, "keepdim": False}, "empty"),
        Sample((x[:, :1],), {"dim": 1, "keepdim": False}, "size one"),
    ]


def running_samples(rng: np.random.Generator) -> list[Sample]:
    return [Sample(s.inputs, {"dim": s.settings["dim"]}, s.note) for s in samples(rng)]


PROD = Operation(
    "prod",
    prod,
    vector=Form(prod_vector, prod_vector_backward),
    reference="torch.prod",
    saves=("x",),
    samples=samples,
)
CUMPROD = Operation(
    "cumprod",
    cumprod,
    vector=Form(cumprod_vector, cumprod_vector_backward),
    reference="torch.cumprod",
    saves=("x", "z"),
    samples=running_samples,
)
