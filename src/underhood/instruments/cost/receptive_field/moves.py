"""Operations that move data or treat each position alone: elementwise functions, views, slices, concatenation."""

from collections.abc import Iterator
from dataclasses import replace
from math import prod

from underhood.instruments.cost.receptive_field.along import Folded, Seen, ordered
from underhood.instruments.cost.receptive_field.mixing import mixing
from underhood.instruments.cost.receptive_field.step import Rule, Step


def pointwise(step: Step) -> Seen | None:
    """Shapes broadcast from the right; an axis of size one no longer moves."""
    aligned = []
    for value, seen in step.tracked():
        offset = len(step.out.shape) - len(value.shape)
        stays = all(value.shape[d] == step.out.shape[d + offset] for d in seen.dims)
        aligned.append(seen.moved(tuple(d + offset for d in seen.dims)) if stays else seen.fixed())
    return step.joined(aligned)


def _same(step: Step) -> Seen | None:
    return step.seen(step.args[0])


def _cat(step: Step) -> Seen | None:
    dim = (step.args[1] if len(step.args) > 1 else 0) % len(step.out.shape)
    views = [seen for value in step.args[0] if (seen := step.seen(value))]
    if any(dim in seen.dims for seen in views):
        sizes = {seen.size for seen in views}
        if len(sizes) > 1 or len({seen.dims for seen in views}) > 1:
            return None
        low, high = min(s.low for s in views), max(s.high for s in views)
        return Seen(views[0].dims, None, views[0].size, low, high)
    return step.joined(views)


def _stack(step: Step) -> Seen | None:
    dim = (step.args[1] if len(step.args) > 1 else 0) % len(step.out.shape)
    views = [seen for value in step.args[0] if (seen := step.seen(value))]
    return step.joined([seen.moved(tuple(d + (d >= dim) for d in seen.dims)) for seen in views])


def _slice(step: Step) -> Seen | None:
    x, dim, start, _, by = (*step.args, *(0, 0, None, 1)[len(step.args) - 1 :])[:5]
    seen = step.seen(x)
    if seen is None or dim % len(x.shape) not in seen.dims or x.shape[dim] == step.out.shape[dim]:
        return seen
    if seen.along is None:
        return seen.disordered()
    start = start or 0
    first = min(start + x.shape[dim] if start < 0 else start, x.shape[dim])
    return ordered(seen.dims[0], seen.along.sliced(first, by or 1), step.length(seen.dims[0]))


def _select(step: Step) -> Seen | None:
    x, dim = step.args[:2]
    seen, gone = step.seen(x), dim % len(x.shape)
    if seen is None:
        return None
    if gone in seen.dims:
        return seen.fixed() if seen.dims == (gone,) else None
    return mixing(seen, {gone}, keep=False)


def _unbind(step: Step) -> Seen | None:
    x = step.args[0]
    seen, gone = step.seen(x), (step.args[1] if len(step.args) > 1 else 0) % len(x.shape)
    if seen is None or gone in seen.dims:
        return seen.fixed() if seen and seen.dims == (gone,) else None
    return mixing(seen, {gone}, keep=False)


def _split(step: Step) -> Seen | None:
    x = step.args[0]
    seen, dim = step.seen(x), (step.args[2] if len(step.args) > 2 else 0) % len(x.shape)
    return seen.disordered() if seen and dim in seen.dims else seen


def _glu(step: Step) -> Seen | None:
    """Halves of an axis multiplied: the other axes stay as they are."""
    x = step.args[0]
    seen, dim = step.seen(x), (step.args[1] if len(step.args) > 1 else -1) % len(x.shape)
    return None if seen and dim in seen.dims else seen


def _pad(step: Step) -> Seen | None:
    x, amounts, *_ = step.args
    seen = step.seen(x)
    if seen is None or not seen.dims:
        return seen
    before = {len(x.shape) - 1 - i // 2: amounts[i] for i in range(0, len(amounts), 2)}
    if seen.along is None:
        return seen.disordered()
    dim = seen.dims[0]
    return ordered(dim, seen.along.sliced(-before.get(dim, 0)), step.length(dim))


def _permute(step: Step) -> Seen | None:
    x, order = step.args
    seen = step.seen(x)
    sources = [d % len(x.shape) for d in order]
    return seen.moved(tuple(sources.index(d) for d in seen.dims)) if seen else None


def _transpose(step: Step) -> Seen | None:
    x = step.args[0]
    a, b = (d % len(x.shape) for d in (step.args[1:] or (0, -1)))
    swap = {a: b, b: a}
    seen = step.seen(x)
    return seen.moved(tuple(swap.get(d, d) for d in seen.dims)) if seen else None


def _view(step: Step) -> Seen | None:
    """Axes that stay apart keep their view; joined or cut ones keep it out of order."""
    x = step.args[0]
    seen = step.seen(x)
    if seen is None:
        return None
    if len(seen.dims) == 1 and x.shape[seen.dims[0]] > 1:
        return _refolded(seen, x.shape, step.out.shape)
    dims: set[int] = set()
    cut = False
    for old, new in groups(x.shape, step.out.shape):
        if {*old} & {*seen.dims}:
            moving = [d for d in old if x.shape[d] > 1]
            dims |= {d for d in new if step.out.shape[d] > 1} or {*new[:1]}
            cut |= len(moving) > 1 or len([d for d in new if step.out.shape[d] > 1]) > 1
    if not dims:
        return seen.fixed()
    moved = seen.moved(tuple(sorted(dims)))
    return moved.disordered() if cut else moved


def _refolded(seen: Seen, old: tuple[int, ...], new: tuple[int, ...]) -> Seen:
    """The image's axis as a factor of an axis before and after: `length` positions that lie `inner` apart."""
    dim = seen.dims[0]
    folded = seen.folded or Folded(seen.along, old[dim], 1)
    before, after = next(group for group in groups(old, new) if dim in group[0])
    inner = folded.inner * prod(old[d] for d in before if d > dim)
    cut = []
    for d in after:
        right = prod(new[k] for k in after if k > d)
        if inner % right == 0 and (right * new[d]) % (inner * folded.length) == 0:
            inner //= right
            whole = inner == 1 and new[d] == folded.length
            return Seen(
                (d,),
                folded.along if whole else None,
                seen.size,
                seen.low,
                seen.high,
                None if whole else replace(folded, inner=inner),
                order=seen.order,
            )
        if new[d] > 1 and right % (inner * folded.length) and inner % (right * new[d]):
            cut.append(d)
    return Seen(tuple(cut), None, seen.size, seen.low, seen.high)


def groups(old: tuple[int, ...], new: tuple[int, ...]) -> Iterator[tuple[list[int], list[int]]]:
    """The axes of `old` and `new` in the least groups of equal size.

    (2, 3, 4) and (6, 4) give ([0, 1], [0]) and ([2], [1]).
    """
    i = j = 0
    while i < len(old) or j < len(new):
        left, right = [i] if i < len(old) else [], [j] if j < len(new) else []
        i, j = i + 1, j + 1
        while prod(old[d] for d in left) != prod(new[d] for d in right):
            if prod(old[d] for d in left) < prod(new[d] for d in right) and i < len(old):
                left.append(i)
                i += 1
            elif j < len(new):
                right.append(j)
                j += 1
            else:
                left += range(i, len(old))
                i = len(old)
        yield [d for d in left if d < len(old)], [d for d in right if d < len(new)]


def _flip(step: Step) -> Seen | None:
    seen = step.seen(step.args[0])
    if seen is None or not {d % len(step.out.shape) for d in step.args[1]} & {*seen.dims}:
        return seen
    return seen.disordered()


def _roll(step: Step) -> Seen | None:
    seen, dims = step.seen(step.args[0]), step.args[2] if len(step.args) > 2 else None
    if seen is None or (dims and not {d % len(step.out.shape) for d in dims} & {*seen.dims}):
        return seen
    return seen.disordered()


def _repeat(step: Step) -> Seen | None:
    x, times = step.args[:2]
    seen = step.seen(x)
    if seen is None:
        return None
    offset = len(times) - len(x.shape)
    moved = seen.moved(tuple(d + offset for d in seen.dims))
    return moved if all(times[d] == 1 for d in moved.dims) else moved.disordered()


def _copy(step: Step) -> Seen | None:
    """copy_(target, source): what stood in the target is gone."""
    source = step.seen(step.args[1])
    if source is None:
        return None
    offset = len(step.out.shape) - len(step.args[1].shape)
    return source.moved(tuple(d + offset for d in source.dims))


_SAME = """clone detach alias contiguous _to_copy lift_fresh native_dropout _conj channel_shuffle
_native_batch_norm_legit_no_training native_channel_shuffle bernoulli_ rsub _prelu_kernel"""
_PADS = "constant_pad_nd reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d"
_SPLITS = "split split_with_sizes unsafe_split unsafe_split_with_sizes"
_VIEWS = "view _unsafe_view reshape _reshape_alias squeeze unsqueeze flatten"
RULES: dict[str, Rule] = {
    **dict.fromkeys(_SAME.split(), _same),
    **dict.fromkeys(_PADS.split(), _pad),
    **dict.fromkeys(_SPLITS.split(), _split),
    **dict.fromkeys(_VIEWS.split(), _view),
    **dict.fromkeys(("transpose", "t"), _transpose),
    "cat": _cat,
    "stack": _stack,
    "slice": _slice,
    "select": _select,
    "unbind": _unbind,
    "permute": _permute,
    "expand": pointwise,
    "flip": _flip,
    "roll": _roll,
    "repeat": _repeat,
    "glu": _glu,
    "copy_": _copy,
}
_FORGETFUL = """empty_like zeros_like ones_like full_like rand_like randn_like new_empty new_zeros new_ones new_full
zero_ fill_"""
FORGETFUL = frozenset(_FORGETFUL.split())
"""What these return has the shape of their input, not its values."""
