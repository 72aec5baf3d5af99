"""A matrix product added to an array, and other products of matrices.

    addmm     z = β x + α a b                        addmv     z = β x + α a v          addr  z = β x + α u vᵀ
    baddbmm   z[n] = β x[n] + α a[n] b[n]            addbmm    z = β x + α Σₙ a[n] b[n]
    kron      z[(i,k),(j,l)] = x[i,j] y[k,l]         inner     z[i,k] = Σⱼ x[i,j] y[k,j]
    tensordot  the sum over the axes named of both   cross     z = (x₂y₃ − x₃y₂, x₃y₁ − x₁y₃, x₁y₂ − x₂y₁)

Where β = 0 the array is not read: its nan is nobody's.
All are written in other operations, which give their gradients. PyTorch: torch.addmm and so on.
"""

from typing import Any

import numpy as np

from underhood.engine.axes import axis
from underhood.engine.ops.arithmetic import add, mul
from underhood.engine.ops.concatenate import cat, stack
from underhood.engine.ops.expand import expand
from underhood.engine.ops.index import select
from underhood.engine.ops.matmul import bmm, dot, matmul, mm, mv, outer
from underhood.engine.ops.permute import permute
from underhood.engine.ops.reductions import sum
from underhood.engine.ops.reshape import reshape
from underhood.engine.ops.where import masked_fill
from underhood.engine.tensor import Tensor


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """β input + α mat1 mat2"""
    return _added("addmm", input, mm(mat1, mat2), beta, alpha)


def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """β input + α mat vec"""
    return _added("addmv", input, mv(mat, vec), beta, alpha)


def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """β input + α vec1 vec2ᵀ"""
    return _added("addr", input, outer(vec1, vec2), beta, alpha)


def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """β input + α batch1 batch2, matrix by matrix"""
    return _added("baddbmm", input, bmm(batch1, batch2), beta, alpha)


def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """β input + α Σ batch1 batch2 over the batch"""
    return _added("addbmm", input, sum(bmm(batch1, batch2), 0), beta, alpha)


def _added(name: str, input: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    if input.dtype != product.dtype:
        raise RuntimeError(f"{name}: expected one dtype, got {input.dtype} and {product.dtype}")
    if not product.is_floating_point():
        kind = bool if product.dtype == np.bool_ else int  # torch rounds them to the dtype
        beta, alpha = kind(beta), kind(alpha)
    try:
        whole = expand(input, product.shape)
    except RuntimeError as error:
        raise RuntimeError(f"{name}: input {tuple(input.shape)} does not fit {tuple(product.shape)}: {error}") from None
    scaled = product if alpha == 1 else mul(product, alpha)
    if beta == 0:
        whole = Tensor(np.zeros(product.shape, product.dtype)) if not input.requires_grad else _unread(whole)
    return add(scaled, whole if beta in (0, 1) else mul(whole, beta))


def _unread(x: Tensor) -> Tensor:
    """Zeros of x's shape to which x belongs, with the gradient 0."""
    return masked_fill(x, Tensor(np.ones((), bool)), 0)


def inner(input: Tensor, other: Tensor) -> Tensor:
    """Sums of products along the last axis of both."""
    if not input.ndim or not other.ndim:
        return mul(input, other)
    if input.dtype != other.dtype:
        raise RuntimeError(f"inner: expected one dtype, got {input.dtype} and {other.dtype}")
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            f"inner() the last dimension must match on both input tensors but got shapes {tuple(input.shape)} and "
            f"{tuple(other.shape)}"
        )
    return tensordot(input, other, ([-1], [-1]))


def vdot(input: Tensor, other: Tensor) -> Tensor:
    """Σ xᵢ yᵢ of two vectors."""
    return dot(input, other)


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """The sum of products over the last `dims` axes of a and the first of b, or over two lists of axes."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        dims = (list(range(a.ndim - dims, a.ndim)), list(range(dims)))
    of_a, of_b = ([axis(d, x.ndim) for d in named] for x, named in ((a, dims[0]), (b, dims[1])))
    if len(of_a) == len(of_b):  # an axis of length 1 stands for as many as the other has
        for i, j in zip(of_a, of_b, strict=True):
            if a.shape[i] == 1 != b.shape[j]:
                b = sum(b, j, keepdim=True)
            elif b.shape[j] == 1 != a.shape[i]:
                a = sum(a, i, keepdim=True)
    if len(of_a) != len(of_b) or any(a.shape[i] != b.shape[j] for i, j in zip(of_a, of_b, strict=False)):
        raise RuntimeError(
            f"contracted dimensions need to match, but {list(dims[0])} of {tuple(a.shape)} and {list(dims[1])} of "
            f"{tuple(b.shape)} do not"
        )
    stay_a, stay_b = [i for i in range(a.ndim) if i not in of_a], [j for j in range(b.ndim) if j not in of_b]
    length = int(np.prod([a.shape[i] for i in of_a]))
    rows, columns = [a.shape[i] for i in stay_a], [b.shape[j] for j in stay_b]
    left = reshape(permute(a, stay_a + of_a), (int(np.prod(rows)), length))
    right = reshape(permute(b, of_b + stay_b), (length, int(np.prod(columns))))
    return reshape(matmul(left, right), (*rows, *columns))


def kron(input: Tensor, other: Tensor) -> Tensor:
    """Every element of `input` times all of `other`."""
    ndim = max(input.ndim, other.ndim)
    x, y = ([1] * (ndim - t.ndim) + list(t.shape) for t in (input, other))
    apart = reshape(input, [n for m in x for n in (m, 1)]) * reshape(other, [n for m in y for n in (1, m)])
    return reshape(apart, [m * n for m, n in zip(x, y, strict=True)])


def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The vector product of vectors of three elements along `dim`, by default the first axis of length 3."""
    if input.ndim != other.ndim:
        raise RuntimeError(
            f"inconsistent tensors dimensions input: {input.ndim} other: {other.ndim}; cross wants as many of both"
        )
    shape = np.broadcast_shapes(input.shape, other.shape)
    threes = [i for i, n in enumerate(shape) if n == 3]
    if dim is None and not threes:
        raise RuntimeError(f"no dimension of size 3 in input {tuple(input.shape)}")
    at = threes[0] if dim is None else axis(dim, len(shape))
    if input.shape[at] != 3 or other.shape[at] != 3:
        raise RuntimeError(
            f"cross: inputs dimension {at} must have length 3. Got {input.shape[at]} and {other.shape[at]}"
        )
    x, y = ([select(t, at, i) for i in range(3)] for t in (input, other))
    return stack([x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]], at)


def block_diag(*tensors: Tensor) -> Tensor:
    """A matrix with the matrices given along its diagonal."""
    matrices = [reshape(t, (1, -1)) if t.ndim < 2 else t for t in tensors] or [Tensor(np.zeros((1, 0), np.float32))]
    for t in matrices:
        if t.ndim > 2:
            raise RuntimeError(f"torch.block_diag: Input tensors must have 2 or fewer dimensions, got {t.ndim}")
    widths = [t.shape[1] for t in matrices]
    rows = []
    for i, t in enumerate(matrices):
        before, after = int(np.sum(widths[:i])), int(np.sum(widths[i + 1 :]))
        empty = [Tensor(np.zeros((t.shape[0], n), t.dtype)) for n in (before, after)]
        rows.append(cat([empty[0], t, empty[1]], 1))
    return cat(rows, 0)
