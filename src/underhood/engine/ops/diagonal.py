"""Diagonals of matrices, and matrices of diagonals.

    diagonal    z[…, k] = x[…, i, j] with j − i = offset, for k = 0, 1, …        z shares x's memory
    diag_embed  z[…, i, j] = x[…, k] on that diagonal, else 0
    trace       z = Σᵢ x[i,i]

    x: any shape with the axes dim1, dim2; z: the others, then the diagonal

    Each of the first two is the transpose of the other, and so its gradient.

PyTorch: torch.diagonal, diag_embed, diag, diagflat, trace.
"""

import numpy as np

from underhood.engine.axes import axis
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops.reductions import sum
from underhood.engine.ops.reshape import reshape
from underhood.engine.tensor import Tensor, apply


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal `offset` above the main one (below if negative), as the last axis."""
    first, second = axis(dim1, input.ndim), axis(dim2, input.ndim)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return apply(DIAGONAL, input, offset=int(offset), dim1=first, dim2=second)


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices (as axes dim1, dim2) that have the last axis of `input` on a diagonal and zeros elsewhere."""
    first, second = axis(dim1, input.ndim + 1), axis(dim2, input.ndim + 1)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return apply(EMBED, input, offset=int(offset), dim1=first, dim2=second)


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or the matrix of a diagonal."""
    if input.ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    return apply(DIAGONAL, input, offset=int(diagonal), dim1=0, dim2=1).clone()


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The matrix that has all elements of `input` on a diagonal."""
    return diag_embed(reshape(input, -1), offset)


def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal."""
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    return sum(diagonal(input))


def vector(x: Array, *, offset: int, dim1: int, dim2: int) -> Array:
    view = np.diagonal(x, offset, dim1, dim2)
    view.flags.writeable = x.flags.writeable
    return view


def embedded(x: Array, *, offset: int, dim1: int, dim2: int) -> Array:
    n = x.shape[-1] + abs(offset)
    shape = list(x.shape[:-1])
    for at in sorted((dim1, dim2)):
        shape.insert(at, n)
    z = np.zeros(shape, x.dtype)
    vector(z, offset=offset, dim1=dim1, dim2=dim2)[...] = x
    return z


def vector_backward(dz: Array, z: Array, x: Array, *, offset: int, dim1: int, dim2: int) -> Array:
    dx = np.zeros(x.shape, dz.dtype)
    vector(dx, offset=offset, dim1=dim1, dim2=dim2)[...] = dz
    return dx


def embedded_backward(dz: Array, z: Array, x: Array, *, offset: int, dim1: int, dim2: int) -> Array:
    return np.array(np.diagonal(dz, offset, dim1, dim2))


def samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(3, 4, 2))
    return [
        Sample((x,), {"offset": 0, "dim1": 0, "dim2": 1}),
        Sample((x,), {"offset": 1, "dim1": 2, "dim2": 1}, "above, axes exchanged"),
        Sample((x.T,), {"offset": -1, "dim1": 1, "dim2": 2}, "below, non-contiguous"),
        Sample((x,), {"offset": 9, "dim1": 0, "dim2": 1}, "beyond the corner"),
        Sample((x[:0],), {"offset": 0, "dim1": 1, "dim2": 2}, "empty"),
    ]


def embed_samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(3, 4))
    return [
        Sample((x,), {"offset": 0, "dim1": 1, "dim2": 2}),
        Sample((x,), {"offset": 2, "dim1": 2, "dim2": 0}, "above, axes exchanged"),
        Sample((x.T[::2],), {"offset": -1, "dim1": 0, "dim2": 1}, "below, non-contiguous"),
        Sample((x[:0],), {"offset": 0, "dim1": 1, "dim2": 2}, "empty"),
    ]


DIAGONAL = Operation(
    "diagonal",
    diagonal,
    vector=Form(vector, vector_backward),
    reference="torch.diagonal",
    saves=(),
    view=True,
    samples=samples,
)
EMBED = Operation(
    "diag_embed",
    diag_embed,
    vector=Form(embedded, embedded_backward),
    reference="torch.diag_embed",
    saves=(),
    samples=embed_samples,
)
