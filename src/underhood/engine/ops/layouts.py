"""Ways to lay tensors side by side, cut them up and rename their axes, made of reshape, cat, split and permute.

PyTorch: torch.hstack, vstack, dstack, column_stack, atleast_1d …, tensor_split, hsplit …, meshgrid, cartesian_prod,
combinations, broadcast_tensors, broadcast_shapes, ravel, swapaxes, unfold, as each is called.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from underhood.engine.axes import axis
from underhood.engine.ops.concatenate import cat, stack
from underhood.engine.ops.expand import expand
from underhood.engine.ops.index import index_select, narrow
from underhood.engine.ops.permute import movedim
from underhood.engine.ops.reshape import reshape
from underhood.engine.tensor import Size, Tensor


def atleast_1d(*tensors: Any) -> Any:
    """Numbers as vectors of one."""
    return _each(tensors, lambda x: x if x.ndim else reshape(x, 1))


def atleast_2d(*tensors: Any) -> Any:
    """Numbers and vectors as matrices of one row."""
    return _each(tensors, lambda x: x if x.ndim > 1 else reshape(x, (1, -1)))


def atleast_3d(*tensors: Any) -> Any:
    """Numbers, vectors and matrices with new axes of length 1: (N,) is (1, N, 1), (M, N) is (M, N, 1)."""
    return _each(tensors, lambda x: x if x.ndim > 2 else reshape(x, (*x.shape, 1) if x.ndim == 2 else (1, -1, 1)))


def _each(tensors: tuple[Any, ...], f: Any) -> Any:
    if len(tensors) == 1 and isinstance(tensors[0], list | tuple):
        tensors = tuple(tensors[0])
        return tuple(f(x) for x in tensors)
    return f(tensors[0]) if len(tensors) == 1 else tuple(f(x) for x in tensors)


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Side by side: along the second axis, vectors along the first."""
    parts = _some("hstack", tensors, atleast_1d)
    return cat(parts, 0 if parts[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """One below the other: along the first axis, vectors as rows."""
    return cat(_some("vstack", tensors, atleast_2d), 0)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """One behind the other: along the third axis."""
    return cat(_some("dstack", tensors, atleast_3d), 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Side by side, vectors as columns."""
    return hstack(_some("column_stack", tensors, lambda x: reshape(x, (-1, 1)) if x.ndim < 2 else x))


def _some(name: str, tensors: Sequence[Tensor], f: Any) -> list[Tensor]:
    parts = [f(x) for x in tensors]
    if not parts:
        raise RuntimeError(f"{name} expects a non-empty TensorList")
    return parts


def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """In so many parts of nearly equal length, the longer ones first, or cut at the indices given."""
    if not input.ndim:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    at = axis(dim, input.ndim)
    n = input.shape[at]
    if isinstance(indices_or_sections, Tensor):
        if indices_or_sections.dtype != np.int64 or indices_or_sections.ndim > 1:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to be a zero- or one-dimensional tensor of int64"
            )
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, int):
        parts = indices_or_sections
        if parts < 1:
            raise RuntimeError(f"number of sections must be larger than 0, got {parts}")
        short, longer = divmod(n, parts)
        cuts = list(itertools.accumulate([short + 1] * longer + [short] * (parts - longer)))[:-1]
    else:
        cuts = list(indices_or_sections)
    borders = [0, *(min(max(c + n if c < 0 else c, 0), n) for c in cuts), n]
    return tuple(narrow(input, at, a, max(b - a, 0)) for a, b in itertools.pairwise(borders))


def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Cut along the second axis, a vector along the first."""
    if input.ndim < 1:
        raise RuntimeError(
            "torch.hsplit requires a tensor with at least 1 dimension, but got a tensor with 0 dimensions!"
        )
    return _equal("hsplit", input, indices_or_sections, 0 if input.ndim == 1 else 1)


def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Cut along the first axis."""
    if input.ndim < 2:
        raise RuntimeError(
            f"torch.vsplit requires a tensor with at least 2 dimension, but got a tensor with {input.ndim} dimensions!"
        )
    return _equal("vsplit", input, indices_or_sections, 0)


def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Cut along the third axis."""
    if input.ndim < 3:
        raise RuntimeError(
            f"torch.dsplit requires a tensor with at least 3 dimension, but got a tensor with {input.ndim} dimensions!"
        )
    return _equal("dsplit", input, indices_or_sections, 2)


def _equal(name: str, input: Tensor, parts: Any, at: int) -> tuple[Tensor, ...]:
    if isinstance(parts, int) and (parts < 1 or input.shape[at] % parts):
        raise RuntimeError(
            f"torch.{name} attempted to split along dimension {at}, but the size of the dimension {input.shape[at]} is "
            f"not divisible by the split_size {parts}!"
        )
    return tensor_split(input, parts, at)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Coordinates of a grid from those of its axes; with indexing="xy" the first two axes are exchanged."""
    if len(tensors) == 1 and isinstance(tensors[0], list | tuple):
        tensors = tuple(tensors[0])
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    lines = [x if x.ndim else reshape(x, 1) for x in tensors]
    for x in lines:
        if x.ndim != 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {tuple(x.shape)}")
        if x.dtype != lines[0].dtype:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
    order = list(range(len(lines)))
    if indexing == "xy" and len(lines) > 1:
        order[0], order[1] = 1, 0
    shape = [0] * len(lines)
    for x, at in zip(lines, order, strict=True):
        shape[at] = x.numel()
    return tuple(
        expand(reshape(x, [x.numel() if d == at else 1 for d in range(len(lines))]), shape)
        for x, at in zip(lines, order, strict=True)
    )


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All choices of one element of each vector, a row for each."""
    for x in tensors:
        if x.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(x.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return stack([reshape(x, -1) for x in meshgrid(*tensors)], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of `r` elements of a vector, in their order, a row for each."""
    if input.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return Tensor(np.zeros(0, input.dtype))
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = np.array(list(choose(range(len(input)), r)), np.int64).reshape(-1, r)
    return reshape(index_select(input, 0, Tensor(rows.reshape(-1))), rows.shape)


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """All seen in the shape of all together."""
    shape = broadcast_shapes(*(x.shape for x in tensors))
    return tuple(expand(x, shape) for x in tensors)


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape of all together."""
    try:
        return Size(np.broadcast_shapes(*((s,) if isinstance(s, int) else tuple(s) for s in shapes)))
    except ValueError:
        raise RuntimeError(
            f"shapes {[tuple(s) if not isinstance(s, int) else s for s in shapes]} do not broadcast"
        ) from None


def ravel(input: Tensor) -> Tensor:
    """All elements in one line, in the order of reading."""
    return reshape(input, -1)


def unfold_axis(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Slices of `size` along `dimension`, `step` apart, as a new last axis: the method `unfold`. A copy, no view."""
    at = axis(dimension, input.ndim)
    n = input.shape[at] if input.ndim else 1
    if size > n:
        raise RuntimeError(f"maximum size for tensor at dimension {at} is {n} but size is {size}")
    if size < 0 or step <= 0:
        raise RuntimeError(f"size is {size} but must be >= 0, step is {step} but must be > 0")
    line = input if input.ndim else reshape(input, 1)
    starts = range(0, n - size + 1, step)
    rows = np.array([[s + i for i in range(size)] for s in starts], np.int64).reshape(len(starts), size)
    picked = index_select(line, at, Tensor(rows.reshape(-1)))
    apart = reshape(picked, (*line.shape[:at], len(starts), size, *line.shape[at + 1 :]))
    slices = movedim(apart, at + 1, -1)
    return slices if input.ndim else reshape(slices, size)


def sum_to_size(input: Tensor, *size: Any) -> Tensor:
    """Summed over the axes along which `size` would broadcast to `input`."""
    shape = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
    extra = input.ndim - len(shape)
    if extra < 0 or any(m not in (1, n) for m, n in zip(shape, input.shape[extra:], strict=True)):
        raise RuntimeError(f"size {{{shape}}} is not expandable to size {{{tuple(input.shape)}}}.")
    over = [*range(extra), *(d + extra for d, m in enumerate(shape) if m == 1 and input.shape[d + extra] != 1)]
    return reshape(input.sum(over or None), shape) if over or not shape else input
