"""The sums behind a row, written out with their numbers: `(3·3·64)·64 = 36,864`."""

from collections import Counter
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from underhood.instruments.cost.products import Product
from underhood.instruments.cost.receptive_field import Fields
from underhood.instruments.cost.receptive_field.moves import groups
from underhood.instruments.cost.receptive_field.windows import WINDOWED
from underhood.instruments.record import Call, Operation, Value
from underhood.instruments.shapes import pool_arguments, spread, transposed_text, window_text

LONG = 6  # a sum of more different terms than this is cut short


def written_out(write: Callable[..., str], *of: Any) -> str:
    """What `write` says of these; a sum that can't be written out says so, and never stops a count."""
    try:
        return write(*of)
    except Exception as error:
        return f"not written out: {type(error).__name__}"


def equals(text: str, value: int) -> str:
    """`3·3 = 9`, but `9` where there is nothing to work out."""
    return text if text.replace(",", "") == str(value) else f"{text} = {value:,}"


def factors(shape: Sequence[int]) -> str:
    """A weight's shape as filters and matrices are spoken of: (64, 32, 3, 3) is `(3·3·32)·64`, (50, 320) `320·50`."""
    if len(shape) < 2:
        return str(prod(shape))
    if len(shape) == 2:
        return f"{shape[1]}·{shape[0]}"
    outputs, inputs, *kernel = shape
    return f"({'·'.join(map(str, kernel))}·{inputs})·{outputs}"


def parameters(shapes: Sequence[Sequence[int]], borrowed: Sequence[str]) -> str:
    """`(3·3·32)·64 + 64 = 18,496`, and who counts what is shared."""
    terms = [factors(shape) for shape in shapes]
    text = equals(_sum(terms), sum(prod(shape) for shape in shapes)) if terms else ""
    shared = f"shared with {', '.join(borrowed)}" if borrowed else ""
    return "; ".join(filter(None, (text, shared)))


def products(found: Sequence[Product]) -> str:
    """The multiply–adds of all products of a row; equal ones together: `5·2·(8·12) = 960`."""
    if not found:
        return ""
    return equals(_sum([one.text for one in found]), sum(one.macs for one in found))


def _sum(terms: Sequence[str]) -> str:
    counts = Counter(terms)
    texts = [term if n == 1 else f"{n}·{term if '+' not in term else f'({term})'}" for term, n in counts.items()]
    if len(texts) > LONG:
        texts = [*texts[: LONG - 1], "…"]
    return " + ".join(texts)


def written(fresh: Sequence[Value], outputs: Sequence[Value]) -> str:
    """`64·24·24·4 = 147,456`: the sizes of what is newly written times the bytes of a number."""
    if not fresh:
        return "in place or a view: nothing new" if outputs else ""
    terms = ["·".join(map(str, (*_without_batch_of_one(value.shape), value.dtype.itemsize))) for value in fresh]
    return equals(_sum(terms), sum(value.bytes for value in fresh))


def _without_batch_of_one(shape: Sequence[int]) -> Sequence[int]:
    return shape[1:] if len(shape) > 1 and shape[0] == 1 else shape


def output(call: Call) -> str:
    """The rule that gives the output's shape, with its numbers."""
    operations = list(call.operations())
    for operation in operations:
        if operation.name in ("convolution", "_convolution"):
            return _axes(_convolution(operation))
        if operation.name.startswith(("max_pool", "avg_pool")):
            return _axes(_pool(operation))
    names = {operation.name for operation in operations}
    if names & {"addmm", "mm"} and call.kind == "Linear":
        return f"{call.inputs[0].shape[-1]} → {call.outputs[0].shape[-1]}"
    if "cat" in names:
        return _cat(next(operation for operation in operations if operation.name == "cat"))
    if operations and all(operation.is_view for operation in operations):
        return _merged(call)
    if names & {"mean", "_adaptive_avg_pool2d"}:
        return _mean(call)
    if len(call.outputs) == 1 and call.outputs[0].shape in [value.shape for value in call.inputs]:
        return "as the input"
    return ""


def _convolution(operation: Operation) -> list[str]:
    x, weight, _, stride, padding, dilation, is_transposed, extra, _ = operation.args
    axes = len(weight.shape) - 2
    each = list(
        zip(
            x.shape[2:],
            weight.shape[2:],
            spread(stride, axes),
            spread(padding, axes),
            spread(dilation, axes),
            strict=True,
        )
    )
    if is_transposed:
        return [transposed_text(*one, extra=more) for one, more in zip(each, spread(extra, axes), strict=True)]
    return [window_text(*one) for one in each]


def _pool(operation: Operation) -> list[str]:
    geometry = pool_arguments(operation.args, operation.name.startswith("avg"))
    sizes = operation.args[0].shape[-len(geometry) :]
    return [window_text(size, *axis) for size, axis in zip(sizes, geometry, strict=True)]


def _axes(texts: list[str]) -> str:
    """One text where all axes agree."""
    if len(set(texts)) == 1:
        return texts[0]
    names = {1: "L", 2: "HW", 3: "DHW"}[len(texts)]
    return "; ".join(f"{name}: {text}" for name, text in zip(names, texts, strict=True))


def _cat(operation: Operation) -> str:
    rank = len(operation.outputs[0].shape)
    dim = (operation.args[1] if len(operation.args) > 1 else 0) % rank
    # torch lets an empty vector, such as a cache before its first entry, stand among tensors of any rank
    sizes = [value.shape[dim] for value in operation.args[0] if len(value.shape) == rank]
    return equals(" + ".join(map(str, sizes)), sum(sizes))


def _merged(call: Call) -> str:
    """A flattening: `20·4·4 = 320`."""
    if not call.inputs or len(call.outputs) != 1:
        return ""
    before, after = call.inputs[0].shape, call.outputs[0].shape
    if prod(before) != prod(after):
        return ""
    merged = [[before[d] for d in old] for old, new in groups(before, after) if len(old) > 1 and len(new) == 1]
    return "; ".join(equals("·".join(map(str, sizes)), prod(sizes)) for sizes in merged)


def _mean(call: Call) -> str:
    before, after = call.inputs[0].shape, call.outputs[0].shape
    gone = [size for size, kept in zip(before, after, strict=False) if kept != size]
    return f"mean over {'·'.join(map(str, gone))}" if len(before) == len(after) and gone else ""


def field(call: Call, fields: Fields | None) -> str:
    """How the field grew: the window's sum, or what was joined."""
    if fields is None or not call.outputs:
        return ""
    axes = range(len(fields.extent))
    windowed = any(operation.name in WINDOWED for operation in call.operations())
    texts = [text for axis in axes if windowed and (text := fields.texts.get((call.outputs[0].number, axis)))]
    if texts:
        return texts[0] if len(set(texts)) == 1 else "; ".join(texts)
    joined = [view[-1] for value in call.inputs if (view := fields.of(value))]
    after = fields.of(call.outputs[0])
    sizes = list(dict.fromkeys(seen.size for seen in joined if seen.size))
    if len(sizes) > 1 and after and after[-1].size == max(sizes):
        return f"max({', '.join(map(str, sizes))}) = {max(sizes)}"
    return ""
