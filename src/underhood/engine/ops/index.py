"""Picking out numbers: z = x[index].

    index: what NumPy takes, integers, slices, None, Ellipsis, masks and arrays of integers

Backward puts δ back where it came from, adding up where a number was picked more than once. Basic indexing
shares x's memory, indexing by arrays copies, as in torch. An integer beside an array picks its row first, as in
torch: x[0, :, [1, 2]] is x[0][:, [1, 2]], where NumPy would move the array's axis to the front.
"""

from typing import Any

import numpy as np

from underhood.engine import tape
from underhood.engine.axes import axes, axis
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.tensor import Tensor, apply


def index(input: Tensor, index: Any) -> Tensor:
    """`input[index]`."""
    for step in steps(index, input.ndim):
        input = apply(ENTRY, input, index=step)
    return input


def steps(index: Any, ndim: int) -> list[Any]:
    """The index as NumPy's: one, or two where integers and arrays meet, the integers first."""
    parts = [plain(i) for i in (index if isinstance(index, tuple) else (index,))]
    arrays = [isinstance(p, np.ndarray) for p in parts]
    numbers = [isinstance(p, int) for p in parts]
    if not (any(arrays) and any(numbers)):
        return [tuple(parts) if isinstance(index, tuple) else parts[0]]
    used = sum(p.ndim if isinstance(p, np.ndarray) and p.dtype == bool else 1 for p in parts if _takes_axes(p))
    first: list[Any] = []
    then: list[Any] = []
    for p in parts:
        axes = ndim - used if p is Ellipsis else p.ndim if isinstance(p, np.ndarray) and p.dtype == bool else 1
        first += [p] if p is None or isinstance(p, int | slice) else [slice(None)] * axes
        then += [p] if isinstance(p, np.ndarray) else [slice(None)] * (axes if not isinstance(p, int) else 0)
    return [tuple(first), tuple(then)]


def _takes_axes(part: Any) -> bool:
    return part is not None and part is not Ellipsis


def plain(part: Any) -> Any:
    """One part of an index as NumPy has it."""
    if isinstance(part, Tensor):
        tape.read(part)
        part = part.array
    if isinstance(part, list | range):
        part = np.array([int(i) if isinstance(i, Tensor) else i for i in part])
        return part.astype(np.int64) if not part.size else part
    if isinstance(part, slice):
        if part.step is not None and part.step <= 0:
            raise ValueError("step must be greater than zero")
        return slice(*(None if i is None else int(i) for i in (part.start, part.stop, part.step)))
    if isinstance(part, np.ndarray | np.integer) and not part.ndim and part.dtype != bool:
        return int(part)
    return part


def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """`length` elements from `start` along `dim`, sharing memory; a negative `start` counts from the end."""
    if not input.ndim:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if isinstance(start, Tensor) and (start.ndim or start.dtype.kind not in "iu"):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    at, start = axis(dim, input.ndim), int(start)
    n = input.shape[at]
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -n <= start <= n:
        raise IndexError(f"start out of range (expected to be in range of [-{n}, {n}], but got {start})")
    start += n if start < 0 else 0
    if start > n - length:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({n}).")
    return index(input, (*[slice(None)] * at, slice(start, start + length)))


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The `index`-th along `dim`, without that axis."""
    axis = axes(dim, input)[0]
    return apply(ENTRY, input, index=(*[slice(None)] * axis, int(index)))


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The rows (along `dim`) that `index` names, in its order."""
    if index.dtype not in (np.int64, np.int32) or index.ndim > 1:
        raise (IndexError if index.ndim > 1 else RuntimeError)(
            f"index_select(): Index is supposed to be a vector of integers, not {index.dtype} {tuple(index.shape)}"
        )
    at = axis(dim, input.ndim)
    i, length = index.array.reshape(-1), input.shape[at] if input.ndim else 1
    if i.size and not (i.min() >= 0 and i.max() < length):
        raise IndexError(f"index_select(): index out of range for dimension {at} with size {length}")
    if not input.ndim:
        if len(i) != 1:
            raise RuntimeError(f"index_select(): Index to scalar can have only 1 value, got {len(i)} value(s)")
        return input.clone()
    return apply(ENTRY, input, index=(*[slice(None)] * at, i))


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The numbers where `mask` holds, in one line."""
    shape = np.broadcast_shapes(input.shape, mask.shape)
    return index(input.expand(shape), np.broadcast_to(mask.array, shape))


def vector(x: Array, *, index: Any) -> Array:
    if is_basic(index):
        parts = index if isinstance(index, tuple) else (index,)
        index = parts if any(p is Ellipsis for p in parts) else (*parts, ...)  # a lone element is a view too
    return np.asarray(x[index])


def vector_backward(dz: Array, z: Array, x: Array, *, index: Any) -> Array:
    dx = np.zeros(x.shape, dz.dtype)
    if is_basic(index):
        dx[index] = dz
    else:
        np.add.at(dx, index, dz)
    return dx


def is_basic(index: Any) -> bool:
    """Whether the index picks no number twice and shares memory: no arrays in it."""
    parts = index if isinstance(index, tuple) else (index,)
    return not any(isinstance(p, np.ndarray) for p in parts)


def samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(4, 3, 5))
    return [
        Sample((x,), {"index": 1}),
        Sample((x,), {"index": (slice(1, None), Ellipsis, slice(None, None, 2))}, "slices"),
        Sample((x,), {"index": (None, slice(None), 0)}, "a new axis"),
        Sample((x,), {"index": np.array([0, 2, 0])}, "picked twice"),
        Sample((x,), {"index": (np.array([0, 1]), slice(None), np.array([2, 2]))}, "two arrays around a slice"),
        Sample((x,), {"index": x > 0}, "a mask"),
        Sample((x,), {"index": np.zeros(0, np.int64)}, "empty"),
        Sample((x.T,), {"index": (slice(0, 2), np.array([[0], [1]]))}, "non-contiguous"),
    ]


ENTRY = Operation(
    "index",
    index,
    vector=Form(vector, vector_backward),
    reference="torch.Tensor.__getitem__",
    ask=lambda getitem, x, index: getitem(x, index),
    saves=(),
    view=True,
    samples=samples,
)
