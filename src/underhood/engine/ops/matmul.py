"""The matrix product, over batches of matrices.

    z[…,i,k] = Σⱼ x[…,i,j] · y[…,j,k]

    x: (…, I, J)   y: (…, J, K)   z: (…, I, K), the batch axes broadcast

    ∂E/∂x = δ yᵀ,   ∂E/∂y = xᵀ δ,   summed over the copies that broadcasting made

PyTorch: torch.matmul, mm, bmm, mv, dot; a vector on either side is a matrix of one row or one column, as there.
"""

from typing import Any

import numpy as np

from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.lift import unbroadcast
from underhood.engine.ops.arithmetic import mul
from underhood.engine.ops.reshape import unsqueeze
from underhood.engine.tensor import Tensor, apply


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """x y; vectors and batches as in torch."""
    if not input.ndim or not other.ndim:
        raise RuntimeError("matmul: both arguments need to be at least 1-D")
    if input.dtype != other.dtype:
        raise RuntimeError(f"matmul: expected one dtype, got {input.dtype} and {other.dtype}")
    if input.shape[-1] != other.shape[max(0, other.ndim - 2)]:
        raise RuntimeError(f"matmul: shapes {tuple(input.shape)} and {tuple(other.shape)} cannot be multiplied")
    return apply(ENTRY, input, other)


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices."""
    return _of_axes("mm", 2, input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two batches of matrices, (N, I, J) and (N, J, K)."""
    if input.shape[:1] != mat2.shape[:1]:
        raise RuntimeError(f"bmm: batches of {tuple(input.shape)} and {tuple(mat2.shape)} are of different size")
    return _of_axes("bmm", 3, input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """A matrix by a vector."""
    if input.ndim != 2 or vec.ndim != 1:
        raise RuntimeError(f"mv: a matrix and a vector expected, got {tuple(input.shape)} and {tuple(vec.shape)}")
    return matmul(input, vec)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Σ xᵢ yᵢ of two vectors."""
    return _of_axes("dot", 1, input, tensor)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """z[i,k] = x[i] y[k] of two vectors."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise RuntimeError(f"outer: Expected 1-D arguments, got {tuple(input.shape)} and {tuple(vec2.shape)}")
    return mul(unsqueeze(input, 1), vec2)


def _of_axes(name: str, ndim: int, x: Tensor, y: Tensor) -> Tensor:
    if x.ndim != ndim or y.ndim != ndim:
        raise RuntimeError(f"{name}: {ndim}D tensors expected, but got {tuple(x.shape)} and {tuple(y.shape)}")
    return matmul(x, y)


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


ENTRY = Operation(
    "matmul",
    matmul,
    vector=Form(vector, vector_backward),
    reference="torch.matmul",
    saves={"x": ("y",), "y": ("x",)},
    samples=samples,
)
