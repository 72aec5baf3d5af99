"""Operations that look through a window: convolutions, pools, interpolation."""

from underhood.instruments.cost.receptive_field.along import Along, Seen, ordered
from underhood.instruments.cost.receptive_field.step import Rule, Step
from underhood.instruments.shapes import pool_arguments, spread


def _convolution(step: Step) -> Seen | None:
    x, weight, _, stride, padding, dilation, transposed, *_ = step.args
    seen = step.seen(x)
    if step.seen(weight) or seen is None:
        return None
    axes = len(weight.shape) - 2
    each = list(zip(weight.shape[2:], spread(stride, axes), spread(padding, axes), spread(dilation, axes), strict=True))
    if seen.along is None:
        still = all(one == (1, 1, 0, 1) for one in each)  # a 1×1 convolution mixes channels alone
        if 1 in seen.dims:
            return seen.mixed() if seen.dims == (1,) else None
        return seen if still or not {*seen.dims} & {*range(2, 2 + axes)} else None
    dim = seen.dims[0]
    if dim < 2:
        return seen.mixed() if dim == 1 else seen
    geometry = each[dim - 2]
    along = seen.along.spread(*geometry) if transposed else seen.along.window(*geometry)
    if along is None:
        return None
    if not transposed:
        step.fields.texts[step.out.number, step.axis] = _window_text(seen.along, *geometry)
    return ordered(dim, along, step.length(dim))


def _window_text(before: Along, kernel: int, stride: int, padding: int, dilation: int) -> str:
    """`6 + (5 − 1)·2 = 14, stride 2·1 = 2, offset 0 − 2·2 = −4`"""
    if len(before.low) > 1:
        return ""
    reach = f"({kernel} − 1)" + (f"·{dilation}" if dilation != 1 else "")
    after = before.window(kernel, stride, padding, dilation)
    parts = (
        f"{before.size} + {reach}·{before.jump} = {after.size}",
        f"stride {before.jump}·{stride} = {after.jump}",
        f"offset {before.low[0]} − {padding}·{before.jump} = {after.low[0]}".replace("-", "−"),
    )
    return ", ".join(parts)


def _pool(average: bool) -> Rule:
    def rule(step: Step) -> Seen | None:
        x = step.args[0]
        seen = step.seen(x)
        if seen is None:
            return None
        geometry = pool_arguments(step.args, average)
        first = len(x.shape) - len(geometry)
        if seen.along is None or seen.dims[0] < first:
            untouched = all(one[:3] == (1, 1, 0) for one in geometry) or all(d < first for d in seen.dims)
            return seen if untouched else None
        kernel, stride, padding, dilation, _ = geometry[seen.dims[0] - first]
        along = seen.along.window(kernel, stride, padding, dilation)
        if (kernel, stride) != (1, 1):
            step.fields.texts[step.out.number, step.axis] = _window_text(seen.along, kernel, stride, padding, dilation)
        return ordered(seen.dims[0], along, step.length(seen.dims[0]))

    return rule


def _adaptive_pool(step: Step) -> Seen | None:
    seen, x = step.seen(step.args[0]), step.args[0]
    if seen is None or seen.along is None:
        return None
    dim = seen.dims[0]
    size, out = x.shape[dim], step.length(dim)
    if size == out:
        return seen
    if out == 1:
        return seen.mixed()
    return ordered(dim, seen.along.window(size // out, size // out), out) if size % out == 0 else None


def _enlarge(before: int, after: int, centred: bool) -> Rule:
    def rule(step: Step) -> Seen | None:
        seen, x = step.seen(step.args[0]), step.args[0]
        if seen is None or seen.along is None:
            return None
        dim = seen.dims[0]
        factor, rest = divmod(step.length(dim), x.shape[dim])
        if rest or (centred and step.args[2]):  # not a whole number of times, or align_corners
            return None
        if factor == 1:
            return seen
        return ordered(dim, seen.along.enlarged(factor, before, after, centred), step.length(dim))

    return rule


RULES: dict[str, Rule] = {
    **dict.fromkeys(("convolution", "_convolution"), _convolution),
    **dict.fromkeys(
        ("max_pool1d", "max_pool2d", "max_pool2d_with_indices", "max_pool3d_with_indices"), _pool(average=False)
    ),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool3d"), _pool(average=True)),
}
# a network without any of these has no receptive field worth a column
WINDOWED = frozenset(RULES)

RULES |= {
    **dict.fromkeys(
        ("_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_avg_pool1d", "adaptive_max_pool2d"), _adaptive_pool
    ),
    **dict.fromkeys(
        ("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "pixel_shuffle"), _enlarge(0, 0, False)
    ),
    **dict.fromkeys(("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d"), _enlarge(0, 1, True)),
    "upsample_bicubic2d": _enlarge(1, 2, True),
}
