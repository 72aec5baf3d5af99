"""Picking and writing along an axis by index, in the forms that are made of gather, index and assignment.

    take            z[i] = x's element t[i] in the order of reading
    take_along_dim  z[i,j] = x[i, t[i,j]], with broadcasting
    index_fill      x, but the rows t hold a number
    index_copy      x, but the rows t hold those of v            index_add   … with α v added
    masked_scatter  x, but where m holds the elements of v, one after the other
    select_scatter, slice_scatter, diagonal_scatter    x, but a part of it is v

All are written in other operations, which give their gradients. PyTorch: torch.take and so on.
"""

from typing import Any

import numpy as np

from underhood.engine.axes import axis
from underhood.engine.ops.arithmetic import multiple
from underhood.engine.ops.assign import put
from underhood.engine.ops.clone import clone
from underhood.engine.ops.diagonal import diagonal
from underhood.engine.ops.expand import expand
from underhood.engine.ops.gather import gather
from underhood.engine.ops.index import index as index_by
from underhood.engine.ops.index import select
from underhood.engine.ops.reshape import reshape
from underhood.engine.tensor import Tensor


def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements of `input`, in the order of reading, that `index` names; negative ones count from the end."""
    if index.dtype != np.int64:
        raise RuntimeError(f"take(): Expected a long tensor for index, but got {index.dtype}")
    i, n = index.array, input.numel()
    if i.size and not n:
        raise IndexError("take(): tried to take from an empty tensor")
    if i.size and not (i.min() >= -n and i.max() < n):
        raise IndexError(f"out of range: tried to access an index beyond the {n} elements")
    return reshape(index_by(reshape(input, -1), reshape(index, -1)), index.shape)


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather` whose other axes broadcast; without `dim`, in the order of reading."""
    if indices.dtype != np.int64:
        raise RuntimeError(f"torch.take_along_dim(): dtype of indices should be Long but got {indices.dtype}")
    if dim is None:
        return gather(reshape(input, -1), 0, reshape(indices, -1))
    if input.ndim != indices.ndim:
        raise RuntimeError(
            f"torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{input.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    at = axis(dim, input.ndim)
    shape = np.broadcast_shapes(*(tuple(1 if d == at else n for d, n in enumerate(t.shape)) for t in (input, indices)))
    x, t = ([t.shape[at] if d == at else n for d, n in enumerate(shape)] for t in (input, indices))
    if indices.numel() and indices.array.min() < 0:
        indices = Tensor(np.where(indices.array < 0, indices.array + input.shape[at], indices.array))
    return gather(expand(input, x), at, expand(indices, t))


def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """A copy of `input` with `value` in the rows (along `dim`) that `index` names."""
    return index_fill_(clone(input), dim, index, value)


def index_fill_(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """`index_fill` in place."""
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(
            f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        )
    if isinstance(value, Tensor) and value.dtype != input.dtype:
        value = value.to(input.dtype)
    n = input.shape[axis(dim, input.ndim)] if input.ndim else 1
    once = Tensor(np.unique(np.where(index.array < 0, index.array + n, index.array))) if n else index
    return _write_rows("index_fill", input, dim, once, value, accumulate=False)


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """A copy of `input` with the rows of `source` in those (along `dim`) that `index` names."""
    return index_copy_(clone(input), dim, index, source)


def index_copy_(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """`index_copy` in place."""
    _same("index_copy", input, source)
    return _write_rows("index_copy", input, dim, index, source, accumulate=False)


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Tensor:
    """A copy of `input` with alpha times the rows of `source` added to those (along `dim`) that `index` names."""
    return index_add_(clone(input), dim, index, source, alpha=alpha)


def index_add_(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Tensor:
    """`index_add` in place."""
    _same("index_add", input, source)
    return _write_rows("index_add", input, dim, index, multiple(input, source, alpha), accumulate=True)


def _same(name: str, input: Tensor, source: Tensor) -> None:
    if input.dtype != source.dtype:
        raise RuntimeError(
            f"{name}(): self and source expected to have the same dtype, {input.dtype} != {source.dtype}"
        )


def _write_rows(name: str, input: Tensor, dim: int, index: Tensor, source: Any, accumulate: bool) -> Tensor:
    at = axis(dim, input.ndim)
    if index.dtype not in (np.int64, np.int32) or index.ndim > 1:
        raise (IndexError if index.ndim > 1 else RuntimeError)(
            f"{name}(): index should be a vector of integers, not {index.dtype} {tuple(index.shape)}"
        )
    i, n = index.array.reshape(-1), input.shape[at] if input.ndim else 1
    if i.size and not (i.min() >= 0 and i.max() < n):
        raise IndexError(f"{name}(): index out of range in self: dimension {at} has size {n}")
    if isinstance(source, Tensor) and source.ndim:
        rows = (*input.shape[:at], len(i), *input.shape[at + 1 :]) if input.ndim else (len(i),)
        if tuple(source.shape) != rows:
            raise (IndexError if name == "index_copy" else RuntimeError)(
                f"{name}(): source {tuple(source.shape)} should be {rows}, one row for each of the {len(i)} indices"
            )
    elif isinstance(source, Tensor) and name != "index_fill" and len(i) != 1:
        raise (IndexError if name == "index_copy" else RuntimeError)(
            f"{name}(): Number of indices ({len(i)}) should be 1 when source is a scalar"
        )
    whole = input if input.ndim else reshape(input, 1)
    put(whole, (*[slice(None)] * at, i), source, accumulate)
    return input


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """A copy of `input` with the elements of `source`, one after the other, where `mask` holds."""
    if mask.dtype != np.bool_:
        raise RuntimeError(f"masked_scatter_ only supports boolean masks, but got mask with dtype {mask.dtype}")
    if input.dtype != source.dtype:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes but got {input.dtype} and {source.dtype}"
        )
    shape = np.broadcast_shapes(input.shape, mask.shape)
    where = np.broadcast_to(mask.array, shape)
    count = int(where.sum())
    if source.numel() < count:
        raise RuntimeError(f"masked_scatter: source has {source.numel()} elements, expected no fewer than {count}")
    return put(clone(expand(input, shape)), where, index_by(reshape(source, -1), slice(0, count)), accumulate=False)


def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of `input` whose slice `select(dim, index)` is `src`."""
    return _written(input, src, lambda z: select(z, dim, index))


def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """A copy of `input` whose slice start:end:step along `dim` is `src`."""
    at = axis(dim, input.ndim)
    return _written(input, src, lambda z: index_by(z, (*[slice(None)] * at, slice(start, end, step))))


def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy of `input` whose diagonal is `src`."""
    return _written(input, src, lambda z: diagonal(z, offset, dim1, dim2))


def _written(input: Tensor, src: Tensor, look: Any) -> Tensor:
    """A copy of `input` with `src` written through a view."""
    if input.dtype != src.dtype:
        raise RuntimeError(f"expected src of dtype {input.dtype}, not {src.dtype}")
    z = clone(input)
    part = look(z)
    if part.shape != src.shape:
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = "
            f"{list(part.shape)}"
        )
    put(part, (), src, accumulate=False)
    return z
