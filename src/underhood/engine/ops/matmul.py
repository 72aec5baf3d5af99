"""The matrix product, over batches of matrices.

    z[…,i,k] = Σⱼ x[…,i,j] · y[…,j,k]

    x: (…, I, J)   y: (…, J, K)   z: (…, I, K), the batch axes broadcast

    ∂E/∂x = δ yᵀ,   ∂E/∂y = xᵀ δ,   summed over the copies that broadcasting made

PyTorch: torch.matmul; a vector on either side is a matrix of one row or one column, as there.
"""

from typing import Any

import numpy as np

from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.lift import unbroadcast
from underhood.engine.tensor import Tensor, apply


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """x y; vectors and batches as in torch."""
    if not input.ndim or not other.ndim:
        raise RuntimeError("matmul: both arguments need to be at least 1-D")
    if input.dtype != other.dtype:
        raise RuntimeError(f"matmul: expected one dtype, got {input.dtype} and {other.dtype}")
    if input.shape[-1] != other.shape[max(0, other.ndim - 2)]:
        raise RuntimeError(f"matmul: shapes {tuple(input.shape)} and {tuple(other.shape)} cannot be multiplied")
    return apply(operation, input, other)


def vector(x: Array, y: Array) -> Array:
    return np.matmul(x, y)


def vector_backward(dz: Array, z: Array, x: Array, y: Array, needs: tuple[bool, ...] = (True, True)) -> Any:
    x2 = x[None, :] if x.ndim == 1 else x
    y2 = y[:, None] if y.ndim == 1 else y
    d = dz[..., None] if y.ndim == 1 else dz
    d = np.expand_dims(d, -2) if x.ndim == 1 else d
    dx = unbroadcast(d @ y2.swapaxes(-1, -2), x2).reshape(x.shape) if needs[0] else None
    dy = unbroadcast(x2.swapaxes(-1, -2) @ d, y2).reshape(y.shape) if needs[1] else None
    return dx, dy


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal
    return [
        Sample((n(size=(3, 4)), n(size=(4, 2)))),
        Sample((n(size=(2, 3, 4)), n(size=(4, 2))), note="broadcast"),
        Sample((n(size=(2, 1, 3, 4)), n(size=(5, 4, 2))), note="broadcast both ways"),
        Sample((n(size=4), n(size=4)), note="two vectors"),
        Sample((n(size=4), n(size=(4, 2))), note="a vector on the left"),
        Sample((n(size=(3, 4)), n(size=4)), note="a vector on the right"),
        Sample((n(size=4), n(size=(5, 4, 2))), note="a vector and a batch"),
        Sample((n(size=(5, 3, 4)), n(size=4)), note="a batch and a vector"),
        Sample((n(size=(0, 4)), n(size=(4, 2))), note="empty"),
        Sample((n(size=(4, 3)).T, n(size=(2, 4)).T), note="non-contiguous"),
    ]


operation = Operation(
    "matmul",
    matmul,
    vector=Form(vector, vector_backward),
    twin="torch.matmul",
    saves=("x", "y"),
    samples=samples,
)
