"""Receptive fields and totals checked the long way: by gradients, and by torch's own counter.

The gradient of one unit is non-zero exactly at the pixels that it depends on. With positive weights and
positive pixels nothing cancels and every ReLU is open; max-pools, which pass a gradient to their first maximum
alone, are run as average pools. The bounding box of the non-zeros has to be the interval that was worked out,
cut at the image's border.

Source: the oracle of Luo et al. 2016, "Understanding the effective receptive field", with all weights alike.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from underhood.instruments.cost.forward import forward
from underhood.instruments.cost.receptive_field import Along
from underhood.instruments.cost.result import CostResult, Layer
from underhood.instruments.inputs import make
from underhood.instruments.pytorch import load_torch
from underhood.instruments.replica import replica
from underhood.instruments.shapes import spread
from underhood.instruments.target import build
from underhood.tables import Column, Table


@dataclass(frozen=True)
class Box:
    """One unit of a layer: the pixels that it sees along each axis, as worked out and as the gradient says.

    Where the field reaches beyond the image's border (`beyond`, before and after), the padding of a layer on the way
    may stand for the outermost pixels: there the gradient's box may end earlier.
    """

    layer: str
    unit: tuple[int, ...]
    expected: tuple[tuple[int, int], ...]
    found: tuple[tuple[int, int] | None, ...]
    beyond: tuple[tuple[bool, bool], ...] = ()

    @property
    def agrees(self) -> bool:
        beyond = self.beyond or ((False, False),) * len(self.expected)
        return all(map(_within, self.expected, self.found, beyond))


def _within(expected: tuple[int, int], found: tuple[int, int] | None, beyond: tuple[bool, bool]) -> bool:
    if found is None:
        return False
    low = found[0] == expected[0] or (beyond[0] and found[0] > expected[0])
    high = found[1] == expected[1] or (beyond[1] and found[1] < expected[1])
    return low and high


def boxes(cost: CostResult) -> list[Box]:
    """A Box for each layer whose field differs from the one before it. Runs the network on real tensors."""
    torch = load_torch()
    rows = list(_changing(cost))
    if not rows:
        return []
    other = replica(build(cost.target)[0], meta=False).eval().double()
    positional, named = make(cost.inputs, torch.float64, "cpu")
    if any(map(torch.nn.parameter.is_lazy, other.parameters())):
        other(*positional, **named)  # Lazy modules learn their shapes
    _positive(other)
    image = next(x for x in torch.utils._pytree.tree_leaves((positional, named)) if _is_image(x, cost.extent))
    with torch.no_grad():
        image.uniform_(0.5, 1.5)
    image.requires_grad_()
    outputs = _outputs(other, positional, named, {row.name for row in rows})
    return [_box(row, image, outputs[row.name], cost.extent) for row in rows if row.name in outputs]


def _changing(cost: CostResult) -> Iterator[Layer]:
    """Modules that have a field along every axis, where it isn't the last one's."""
    last = None
    for row in cost.rows:
        if row.seen is None or row.kind == "function" or "#" in row.name:
            continue
        if all(seen.along for seen in row.seen) and row.seen != last:
            last = row.seen
            yield row


def _is_image(x: Any, extent: tuple[int, ...]) -> bool:
    return load_torch().is_tensor(x) and x.is_floating_point() and tuple(x.shape[2:]) == extent


def _positive(module: Any) -> None:
    """Weights that average, scales of one, no biases: every sum is positive and of the size of its terms."""
    torch = load_torch()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.dim() > 1:
                parameter.fill_(1 / max(1, parameter[0].numel()))
            else:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
        for name, buffer in module.named_buffers():
            if buffer.is_floating_point():
                buffer.fill_(0.0 if name.endswith("mean") else 1.0)
    module.requires_grad_(False)


def _outputs(module: Any, positional: Any, named: Any, names: set[str]) -> dict[str, Any]:
    torch = load_torch()
    outputs: dict[str, Any] = {}

    def keep(name: str) -> Any:
        def hook(_: Any, __: Any, out: Any) -> None:
            if torch.is_tensor(out):
                outputs.setdefault(name, out)

        return hook

    for path, member in module.named_modules():
        name = path or type(module).__name__
        if name in names:
            member.register_forward_hook(keep(name))
        if hasattr(member, "inplace"):
            member.inplace = False  # what a hook kept must not be written over
    with torch.enable_grad(), _average_pools():
        module(*positional, **named)
    return outputs


def _average_pools() -> Any:
    torch = load_torch()
    F = torch.nn.functional
    mode: Any = torch.overrides.TorchFunctionMode

    class AveragePools(mode):  # type: ignore[misc]
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if getattr(func, "__name__", "") in ("max_pool2d", "_max_pool2d", "boolean_dispatch"):
                return _as_average(*args, **kwargs)
            return func(*args, **kwargs)

    def _as_average(
        x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, **more: Any
    ) -> Any:
        if dilation in (1, (1, 1), [1, 1]):
            return F.avg_pool2d(x, kernel_size, stride, padding, more.get("ceil_mode", False))
        if more.get("ceil_mode"):
            raise NotImplementedError("the oracle has no dilated pools with ceil_mode")
        channels, window = x.shape[1], spread(kernel_size, 2)  # a window with holes: a convolution with ones
        return F.conv2d(x, x.new_ones(channels, 1, *window), None, stride or window, padding, dilation, channels)

    return AveragePools()


def _box(row: Layer, image: Any, output: Any, extent: tuple[int, ...]) -> Box:
    torch = load_torch()
    alongs = [(seen.dims[0], seen.along) for seen in row.seen or () if seen.along]
    unit = tuple(
        _telling(along, int(output.shape[dim]), size) for (dim, along), size in zip(alongs, extent, strict=True)
    )
    index: list[Any] = [slice(None)] * output.dim()
    for (dim, _), position in zip(alongs, unit, strict=True):
        index[dim] = position
    (gradient,) = torch.autograd.grad(output[tuple(index)].sum(), image, retain_graph=True)
    touched = gradient.abs().sum(dim=(0, 1)) > 0
    found = tuple(_bounds(touched, axis) for axis in range(len(extent)))
    expected, beyond = [], []
    for (_, along), position, size in zip(alongs, unit, extent, strict=True):
        low, high = along.at(position)
        expected.append((max(low, 0), min(high, size - 1)))
        beyond.append((low < 0, high >= size))
    return Box(row.name, unit, tuple(expected), found, tuple(beyond))


def _telling(along: Along, units: int, pixels: int) -> int:
    """The middle unit; the first one where the middle one sees the whole image, which would tell nothing."""
    low, high = along.at(units // 2)
    return 0 if low <= 0 and high >= pixels - 1 else units // 2


def _bounds(touched: Any, axis: int) -> tuple[int, int] | None:
    others = [d for d in range(touched.dim()) if d != axis]
    positions = (
        touched.any(dim=others[0]) if len(others) == 1 else touched.amax(dim=others) if others else touched
    ).nonzero()
    return (int(positions.min()), int(positions.max())) if len(positions) else None


def boxes_table(name: str, found: list[Box]) -> Table:
    """Every checked layer: unit, the pixels worked out, the pixels of the gradient."""
    columns = [
        Column("layer", "Layer", align="left"),
        Column("unit", "Unit", align="left", help="the middle one, or the first where that sees all"),
        Column("expected", "Pixels, worked out", align="left"),
        Column("found", "Pixels, gradient", align="left"),
        Column("agrees", "Equal", align="left"),
    ]
    rows = [
        {
            "layer": box.layer,
            "unit": ", ".join(map(str, box.unit)),
            "expected": _pixels(box.expected),
            "found": _pixels(box.found),
            "agrees": box.agrees,
        }
        for box in found
    ]
    wrong = sum(not box.agrees for box in found)
    foot = [f"{len(found)} layers, {wrong} differ." if wrong else f"All {len(found)} layers agree."]
    foot.append("Cut at the image's border; max-pools run as averages, weights all alike, pixels positive.")
    return Table(f"{name}: receptive fields against gradients", columns, rows, foot, name="verified")


def _pixels(box: Any) -> str:
    return " × ".join("none" if interval is None else f"{interval[0]}–{interval[1]}" for interval in box)


def flop_counter_macs(cost: CostResult) -> int:
    """Multiply–adds by torch's FlopCounterMode itself, in a pass of its own."""
    torch = load_torch()
    from torch.utils.flop_counter import FlopCounterMode

    def count(module: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> int:
        for parameter in module.parameters():
            if not torch.nn.parameter.is_lazy(parameter):
                parameter.requires_grad_(False)  # the counter's hooks want a graph of what asks for a gradient
        on_meta = any(tensor.device.type == "meta" for tensor in (*module.parameters(), *module.buffers()))
        counter = FlopCounterMode(display=False)
        with torch.no_grad(), torch.device("meta") if on_meta else nullcontext(), counter:
            module(*positional, **named)
        return int(counter.get_total_flops()) // 2

    return int(forward(cost.target, cost.inputs, cost.training, count).result)
