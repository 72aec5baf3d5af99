"""Running sums along an axis.

    z[i] = x[0] + … + x[i]        ∂E/∂x[i] = δ[i] + δ[i+1] + …, the running sum from the other end

    x, z: any shape, the same

PyTorch: torch.cumsum.
"""

from typing import Any

import numpy as np

from underhood.engine.axes import axis
from underhood.engine.dtypes import int64
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops.cast import cast
from underhood.engine.tensor import Tensor, apply


def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The running sums along `dim`; integers add up as int64."""
    if dtype is None:
        dtype = input.dtype if input.is_floating_point() else int64
    x = cast(input, dtype)
    return apply(ENTRY, x, dim=axis(dim, x.ndim))


def vector(x: Array, *, dim: int) -> Array:
    return x.cumsum(axis=dim).reshape(x.shape)


def vector_backward(dz: Array, z: Array, x: Array, *, dim: int) -> Array:
    return np.ascontiguousarray(np.flip(np.flip(dz, dim).cumsum(axis=dim), dim)) if dz.ndim else dz


def samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(3, 4, 2))
    return [
        Sample((x,), {"dim": 1}),
        Sample((x.T[::2],), {"dim": 2}, "non-contiguous"),
        Sample((x[:0],), {"dim": 0}, "empty"),
    ]


ENTRY = Operation(
    "cumsum", cumsum, vector=Form(vector, vector_backward), reference="torch.cumsum", saves=(), samples=samples
)
