"""What follows from the order of the elements: medians, quantiles, ranks, distinct elements, positions in a sorted
line.

    median     the lower of the two in the middle        kthvalue   the k-th smallest
    quantile   z = x₍ᵢ₎ + f (x₍ᵢ₊₁₎ − x₍ᵢ₎),  i + f = q (n − 1),  x₍₀₎ ≤ x₍₁₎ ≤ … the sorted line
    mode       the element that stands there most often, the smallest of several

The values are elements picked by an order, so their gradients are those of `gather`; what is distinct, and positions in
a line, have none. A nan is the median and the quantile of every line it stands in, unless they are called nanmedian
and nanquantile.

PyTorch: torch.median, kthvalue, quantile, mode, msort, unique, unique_consecutive, searchsorted, bucketize, isin.
"""

from typing import Any

import numpy as np

from underhood.engine.axes import axis
from underhood.engine.forms import Array
from underhood.engine.ops.arithmetic import mul
from underhood.engine.ops.blends import lerp
from underhood.engine.ops.concatenate import stack
from underhood.engine.ops.gather import Picked, argsort, gather, sort
from underhood.engine.ops.index import select
from underhood.engine.ops.reshape import reshape, squeeze
from underhood.engine.ops.where import masked_fill
from underhood.engine.tensor import Tensor


def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median of all elements; (values, indices) along an axis."""
    return _middle("median", input, dim, keepdim, pass_nan=False)


def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median of the elements that are no nan."""
    return _middle("nanmedian", input, dim, keepdim, pass_nan=True)


def _middle(name: str, input: Tensor, dim: int | None, keepdim: bool, pass_nan: bool) -> Any:
    if dim is None:
        if not input.numel():
            return Tensor(np.asarray(np.nan if input.is_floating_point() else np.iinfo(input.dtype).min, input.dtype))
        return _pick(name, reshape(input, -1), 0, False, _middle_of(reshape(input, -1), 0, pass_nan)).values
    return _pick(name, input, dim, keepdim, _middle_of(input, dim, pass_nan))


def _middle_of(x: Tensor, dim: int, pass_nan: bool) -> Array:
    """How many stand before the median along the axis, for every line."""
    at = axis(dim, x.ndim)
    n = x.shape[at] if x.ndim else 1
    missing = np.isnan(x.array).sum(at, keepdims=True) if x.ndim and x.is_floating_point() else 0
    last = np.maximum(n - missing - 1, 0) // 2
    return np.asarray(last if pass_nan else np.where(missing, n - 1, (n - 1) // 2))


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Picked:
    """The k-th smallest along `dim`, counted from 1, and where it stood."""
    n = input.shape[axis(dim, input.ndim)] if input.ndim else 1
    if not 1 <= k <= n:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {dim}: k={k}, size {n}")
    return _pick("kthvalue", input, dim, keepdim, np.asarray(k - 1))


def _pick(name: str, input: Tensor, dim: int, keepdim: bool, rank: Array) -> Picked:
    """The element before which `rank` others stand in order, and its index."""
    at = axis(dim, input.ndim)
    if not input.ndim:
        return Picked(input.clone(), Tensor(np.zeros((), np.int64)))
    if not input.shape[at]:
        raise IndexError(f"{name}(): Expected reduction dim {at} to have non-zero size.")
    order = argsort(input, at).array
    one = tuple(1 if d == at else n for d, n in enumerate(input.shape))
    found = Tensor(np.take_along_axis(order, np.broadcast_to(rank, one).astype(np.int64), at))
    values = gather(input, at, found)
    return Picked(values, found) if keepdim else Picked(squeeze(values, at), squeeze(found, at))


def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Picked:
    """The most frequent element along `dim`, the smallest of several, and where it stands last."""
    at = axis(dim, input.ndim)
    if not input.ndim:
        return Picked(input.clone(), Tensor(np.zeros((), np.int64)))
    if not input.shape[at]:
        raise IndexError(f"mode(): Expected reduction dim {at} to have non-zero size.")

    def last_of_most(line: Array) -> Any:
        values, counts = np.unique(line, return_counts=True)
        return np.flatnonzero(line == values[counts.argmax()])[-1]

    found = Tensor(np.expand_dims(np.apply_along_axis(last_of_most, at, input.array), at).astype(np.int64))
    values = gather(input, at, found)
    return Picked(values, found) if keepdim else Picked(squeeze(values, at), squeeze(found, at))


def msort(input: Tensor) -> Tensor:
    """Sorted along the first axis."""
    return sort(input, 0).values


ROUNDED: dict[str, Any] = {"lower": np.floor, "higher": np.ceil, "nearest": np.round}


def quantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """The q-th quantiles (q from 0 to 1, a number or a vector) along `dim` or of all; those of a vector come first."""
    return _quantile("quantile", input, q, dim, keepdim, interpolation, pass_nan=False)


def nanquantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """The quantiles of the elements that are no nan."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, pass_nan=True)


def _quantile(
    name: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str, pass_nan: bool
) -> Tensor:
    chances = q if isinstance(q, Tensor) else Tensor(np.asarray(q, input.dtype))
    _check_quantile(name, input, chances, interpolation)
    x = reshape(input, -1) if dim is None else input if input.ndim else reshape(input, 1)
    at = axis(0 if dim is None else dim, x.ndim)
    n = x.shape[at]
    ordered = sort(x, at).values
    missing = np.isnan(x.array).sum(at, keepdims=True)
    last = np.maximum(n - missing, 1) - 1 if pass_nan else np.asarray(n - 1)
    results = []
    for i, chance in enumerate(chances.array.reshape(-1)):
        rank = np.broadcast_to(chance * last.astype(x.dtype), missing.shape)
        rank = rank if pass_nan else np.where(missing, x.dtype.type(n - 1), rank)
        if interpolation in ROUNDED:
            rank = ROUNDED[interpolation](rank)
        below = np.floor(rank).astype(np.int64)
        part = Tensor(np.where(rank > below, x.dtype.type(0.5), x.dtype.type(0)))
        if interpolation != "midpoint":  # what is left of q (n − 1), which q's gradient goes through
            way = mul(select(reshape(chances, -1), 0, i), Tensor(np.asarray(last, x.dtype)))
            part = masked_fill(way - Tensor(below.astype(x.dtype)), Tensor(np.asarray(rank == below)), 0)
        above = gather(ordered, at, Tensor(np.ceil(rank).astype(np.int64)))
        results.append(lerp(gather(ordered, at, Tensor(below)), above, part))
    return _arranged(results, chances, input, dim, at, keepdim)


def _arranged(results: list[Tensor], q: Tensor, input: Tensor, dim: int | None, at: int, keepdim: bool) -> Tensor:
    """The quantiles with the axis they lost, or without, those of several q one after the other in front."""
    if dim is None:
        shaped = [reshape(z, (1,) * input.ndim if keepdim else ()) for z in results]
    elif not input.ndim:
        shaped = [reshape(z, ()) for z in results]
    else:
        shaped = results if keepdim else [squeeze(z, at) for z in results]
    if q.ndim:
        return stack(shaped) if shaped else Tensor(np.zeros((0,), input.dtype))
    return shaped[0]


def _check_quantile(name: str, input: Tensor, q: Tensor, interpolation: str) -> None:
    if not input.numel():
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if not input.is_floating_point():
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype, not {input.dtype}")
    if q.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor, not {tuple(q.shape)}")
    if q.dtype != input.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor, not {q.dtype}")
    if q.numel() and not (q.array.min() >= 0 and q.array.max() <= 1):
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
    if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}"
        )


# -- distinct elements --


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct elements (slices along `dim`) in order; where each went, and how often it was there, if asked."""
    at = None if dim is None else axis(dim, input.ndim)
    if at is not None and 0 in [n for d, n in enumerate(input.shape) if d != at or input.shape.count(0) > 1]:
        raise RuntimeError(f"There are 0 sized dimensions of {tuple(input.shape)}, so unique cannot be applied")
    values, inverse, counts = np.unique(input.array, return_inverse=True, return_counts=True, axis=at, equal_nan=False)
    inverse = inverse.reshape(input.shape if at is None else -1)
    return _asked(values, inverse, counts, return_inverse, return_counts)


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """`input` without the elements (slices along `dim`) that equal the one before."""
    x = input.array.reshape(-1) if dim is None else np.moveaxis(np.atleast_1d(input.array), axis(dim, input.ndim), 0)
    if len(x) and not x.size:
        raise RuntimeError(f"There are 0 sized dimensions of {tuple(input.shape)}, so unique cannot be applied")
    rows = x.reshape(len(x), -1) if x.size else x.reshape(0, 1)
    starts = np.ones(len(rows), bool)
    starts[1:] = (rows[1:] != rows[:-1]).any(1)
    inverse = np.cumsum(starts) - 1
    counts = np.diff(np.append(np.flatnonzero(starts), len(rows)))
    values = x[starts] if dim is None else np.moveaxis(x[starts], 0, axis(dim, input.ndim))
    return _asked(
        values, inverse.reshape(input.shape) if dim is None else inverse, counts, return_inverse, return_counts
    )


def _asked(values: Array, inverse: Array, counts: Array, return_inverse: bool, return_counts: bool) -> Any:
    out = [Tensor(np.ascontiguousarray(values))]
    out += [Tensor(inverse.astype(np.int64))] if return_inverse else []
    out += [Tensor(counts.astype(np.int64))] if return_counts else []
    return out[0] if len(out) == 1 else tuple(out)


def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Whether each element is among `test_elements`."""
    x, y = (e.array if isinstance(e, Tensor) else np.asarray(e) for e in (elements, test_elements))
    return Tensor(np.asarray(np.isin(x, y, assume_unique=assume_unique, invert=invert)))


# -- positions in a sorted line --


def searchsorted(
    sorted_sequence: Tensor,
    values: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Before which element of the sorted lines each of `values` belongs; after its equals if `right`."""
    right = _is_right(right, side)
    lines = sorted_sequence
    side_: Any = "right" if right else "left"
    x = values if isinstance(values, Tensor) else Tensor(np.asarray(values, lines.dtype))
    if sorter is not None:
        if sorter.shape != lines.shape or sorter.dtype != np.int64:
            raise RuntimeError(
                f"torch.searchsorted(): boundary and sorter must have the same size and the sorter be int64, but got "
                f"{tuple(lines.shape)} and {sorter.dtype} {tuple(sorter.shape)}"
            )
        if sorter.numel() and not (sorter.array.min() >= 0 and sorter.array.max() < lines.shape[-1]):
            raise RuntimeError("torch.searchsorted(): sorter index out of range")
        lines = gather(lines.detach(), -1, sorter)
    if not lines.ndim:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 dimension"
        )
    if isinstance(values, Tensor) and lines.dtype != x.dtype:
        raise RuntimeError(
            f"torch.searchsorted(): input value tensor and boundary tensor should have same dtype, got {x.dtype} and "
            f"{lines.dtype}"
        )
    if lines.ndim > 1 and (x.ndim != lines.ndim or x.shape[:-1] != lines.shape[:-1]):
        raise RuntimeError(
            f"torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries "
            f"tensor and input value tensor must match, but got {tuple(lines.shape)} and {tuple(x.shape)}"
        )
    if lines.ndim == 1:
        found = np.searchsorted(lines.array, x.array, side_)
    else:
        count = int(np.prod(x.shape[:-1]))
        flat, wanted = (a.array.reshape(count, a.shape[-1]) for a in (lines, x))
        rows = [np.searchsorted(line, w, side_) for line, w in zip(flat, wanted, strict=True)]
        found = np.array(rows, np.int64).reshape(x.shape)
    return Tensor(np.asarray(found, np.int32 if out_int32 else np.int64))


def _is_right(right: bool, side: str | None) -> bool:
    if side not in (None, "left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left with right"
        )
    return right or side == "right"


def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """Between which `boundaries` each element lies: boundaries[i−1] < x ≤ boundaries[i], or ≤ and < if `right`."""
    if boundaries.ndim != 1:
        raise RuntimeError(f"bucketize(): boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    x = input.array if isinstance(input, Tensor) else np.asarray(input)
    side: Any = "right" if right else "left"
    found = np.searchsorted(boundaries.array, x, side)
    return Tensor(np.asarray(found, np.int32 if out_int32 else np.int64))


def argwhere(input: Tensor) -> Tensor:
    """The indices of the elements that are not 0, a row for each."""
    if not input.ndim:
        return Tensor(np.zeros((int(bool(input.array)), 0), np.int64))
    return Tensor(np.argwhere(input.array).astype(np.int64))
