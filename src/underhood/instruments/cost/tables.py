"""How `cost` looks: its tables, its foot and its chart."""

from typing import TYPE_CHECKING, Any

from underhood.instruments.cost.result import CostResult, Layer, collapsed
from underhood.tables import Column, Table, number

if TYPE_CHECKING:
    from fractions import Fraction

    from underhood.figures import Figure

NOT_COUNTED = "not counted"
COUNTED = {
    "weights": "weights (tensors of two dimensions and more); biases and scales are left out",
    "parameters": "all that is learnt: weights, biases and scales",
    "buffers": "all that is learnt, and the running statistics that are kept beside it",
}
BARS = 24  # a chart with more bars than this is no chart


def layer_table(cost: CostResult) -> Table:
    """A row a layer, the sums at the bottom."""
    columns = [
        Column("layer", "Layer", align="left"),
        Column("type", "Type", align="left"),
        Column("output", "Output", align="left", help="shape of the output, batch first"),
        Column("parameters", "Parameters", format=",d", help=f"Counted are {COUNTED[cost.convention]}."),
        Column("macs", "MACs", format=",d", help="multiply–adds of convolutions and matrix products"),
        Column("bytes", "Activations", "bytes", ",d", help="what the layer newly writes"),
    ]
    if cost.extent:
        columns += [
            Column("field", "Field", "px", help="pixels of the input that one unit sees along an axis"),
            Column("jump", "Stride", "px", help="how far the neighbour's field lies"),
            Column("offset", "Offset", "px", help="where the first unit's field begins; negative in the padding"),
        ]
    rows = [_input_row(cost), *(_row(cost, row) for row in shown(cost)), _total_row(cost)]
    known = {column.name for column in columns}
    rows = [{key: value for key, value in row.items() if key in known} for row in rows]
    return Table(f"{cost.name}, input {cost.inputs}", columns, rows, foot(cost), name="layers")


def shown(cost: CostResult) -> list[Layer]:
    return collapsed(cost.rows, cost.depth)


def _input_row(cost: CostResult) -> dict[str, Any]:
    return {"layer": "input", "type": "", "output": str(cost.inputs), "bytes": cost.input_bytes}


def _row(cost: CostResult, row: Layer) -> dict[str, Any]:
    values: dict[str, Any] = {
        "layer": "  " * row.depth + row.label,
        "type": row.kind,
        "output": " ".join(map(shape_text, row.outputs)),
    }
    if not row.group:
        counted = row.counts.by(cost.convention)
        values |= {
            "parameters": counted or (None if "shared" in row.texts.get("parameters", "") or not counted else 0),
            "macs": NOT_COUNTED if row.unknown else row.macs or None,
            "bytes": row.bytes or None,
        }
    return values | field_cells(row)


def field_cells(row: Layer) -> dict[str, Any]:
    """Field, stride and offset: a number where the axes agree, all of them where they don't."""
    if row.seen is None:
        return {}
    sizes = ["all" if whole else seen.size for seen, whole in zip(row.seen, row.whole, strict=True)]
    cells: dict[str, Any] = {"field": _agreed(sizes)}
    if all(seen.along is not None for seen in row.seen):
        alongs = [seen.along for seen in row.seen if seen.along]
        jumps = [along.jump for along in alongs]
        cells["jump"] = _agreed([whole_or_text(jump) for jump in jumps])
        cells["offset"] = _agreed([along.low[0] for along in alongs])
    return cells


def whole_or_text(jump: "Fraction") -> int | str:
    """A stride as a number, and as "1/2" behind an upsampling."""
    return int(jump) if jump.denominator == 1 else str(jump)


def _agreed(values: list[Any]) -> Any:
    if len(set(values)) == 1:
        return values[0]
    return "×".join("–" if value is None else str(value) for value in values)


def _total_row(cost: CostResult) -> dict[str, Any]:
    macs = cost.macs if cost.complete else f"≥ {cost.macs:,}"
    return {
        "layer": "total",
        "type": "",
        "output": "",
        "parameters": cost.parameters,
        "macs": macs,
        "bytes": cost.bytes + cost.input_bytes,
    }


def shape_text(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))})"


def arithmetic_table(cost: CostResult) -> Table:
    """The same rows, each number with its sum."""
    titles = {
        "output": "Output size",
        "parameters": "Parameters",
        "macs": "MACs",
        "bytes": "Activation bytes",
        "field": "Receptive field",
    }
    rows = [row for row in shown(cost) if not row.group and any(row.texts.values())]
    used = [key for key in titles if any(row.texts.get(key) for row in rows)]
    columns = [Column("layer", "Layer", align="left"), Column("type", "Type", align="left")]
    columns += [Column(key, titles[key], align="left") for key in used]
    body = [{"layer": row.name, "type": row.kind, **{key: row.texts.get(key) or None for key in used}} for row in rows]
    return Table(f"{cost.name}: the sums", columns, body, [_rules(used)], name="arithmetic")


def _rules(used: list[str]) -> str:
    rules = {
        "output": "output ⌊(H + 2·p − K)/s⌋ + 1, with d·(K − 1) + 1 for K under dilation d",
        "parameters": "filters (K·K·C/g)·O + O",
        "macs": "convolution (K·K·C/g)·O·(H'·W'), linear (in·out), times the batch",
        "bytes": "activations C·H'·W'·bytes of an element",
        "field": "field r + (K − 1)·d·j, stride j·s, offset o − p·j",
    }
    return "Rules: " + "; ".join(rules[key] for key in used) + "."


def totals_table(cost: CostResult) -> Table:
    """The numbers of the whole by every convention."""
    counts = cost.counts
    rows = [
        ("parameters, weights alone", counts.weights, "tensors of two dimensions and more"),
        ("parameters", counts.learnt, f"{counts.weights:,} + {counts.biases:,} biases and scales"),
    ]
    if counts.buffers:
        rows.append(
            ("with buffers", counts.by("buffers"), f"{counts.learnt:,} + {counts.buffers:,} running statistics")
        )
    done = "" if cost.complete else " at least: some operations are not counted"
    rows += [
        ("multiply–adds (MACs)", cost.macs, f"convolutions and matrix products, biases not counted{done}"),
        ("FLOPs", 2 * cost.macs, f"2·{cost.macs:,}"),
        ("activations", cost.elements, "elements that the layers newly write"),
        ("with the input", cost.elements + cost.input_elements, f"{cost.elements:,} + {cost.input_elements:,}"),
        ("parameters in bytes of fp32", 4 * counts.learnt, f"4·{counts.learnt:,}"),
        ("activations in bytes", cost.bytes + cost.input_bytes, "with the input"),
    ]
    columns = [
        Column("quantity", "Quantity", align="left"),
        Column("value", "Value", format=",d"),
        Column("how", "How", align="left"),
    ]
    body = [{"quantity": quantity, "value": value, "how": how} for quantity, value, how in rows]
    return Table(f"{cost.name} in all", columns, body, name="totals")


def foot(cost: CostResult) -> list[str]:
    """Conventions, what is left out, what was held against what."""
    return [
        f"Parameters: {COUNTED[cost.convention]}. {reconciliation(cost)}",
        f"MACs: one multiply–add for each product and its addition; FLOPs are twice as many. {held(cost)}",
        *_left_out(cost),
        *_about_fields(cost),
        *cost.notes,
    ]


def reconciliation(cost: CostResult) -> str:
    """How the totals that are quoted for one network come from each other."""
    counts = cost.counts
    text = f"{counts.weights:,} weights + {counts.biases:,} biases and scales = {counts.learnt:,}."
    if counts.buffers:
        text += f" + {counts.buffers:,} running statistics (buffers) = {counts.by('buffers'):,}"
        if cost.unbiased:
            biased = counts.by("buffers") + cost.unbiased
            text += f"; + {cost.unbiased:,} biases, had all convolutions theirs, = {biased:,}"
        text += "."
    return text


def held(cost: CostResult) -> str:
    """The total against torch's own."""
    if not cost.differing:
        return "Equal, operation by operation, to the formulas of torch's FlopCounterMode."
    parts = [f"{name}: {ours:,} here, {theirs:,} there" for name, (ours, theirs) in cost.differing.items()]
    return f"By the formulas of torch's FlopCounterMode {cost.torch_macs:,}: they differ in {'; '.join(parts)}."


def _left_out(cost: CostResult) -> list[str]:
    lines = []
    if without := cost.without():
        names = ", ".join(f"{name} {n}" if n > 1 else name for name, n in without.most_common())
        lines.append(f"Without dot products, so without MACs: {names}.")
    if unknown := cost.unknown():
        names = "; ".join(f"{name} in {', '.join(where[:4])}" for name, where in unknown.items())
        lines.append(f"Not counted, so the total is a lower bound: {names}.")
    return lines


def _about_fields(cost: CostResult) -> list[str]:
    if not cost.extent:
        return []
    lines = ['Field: pixels along an axis, beyond the border too; "all": every unit sees the whole image.']
    if cost.lost:
        lines.append(f"Field not followed through: {', '.join(cost.lost)}.")
    return lines


def share_figure(cost: CostResult) -> "Figure":
    """Which layers the parameters and the multiply–adds are in; the smallest ones together."""
    from underhood.figures import bars

    rows = [row for row in collapsed(cost.rows, cost.depth or 0) if not row.group]
    if len(rows) < 3:
        rows = cost.leaves
    rows = [row for row in rows if row.counts.learnt or row.macs] or rows
    large = sorted(rows, key=lambda row: -_share(cost, row))[:BARS]
    values = [
        {"layer": f"{row.name} {row.kind}", "share": amount / whole, "of": kind}
        for row in rows
        if row in large
        for kind, amount, whole in (
            ("multiply–adds", row.macs or 0, cost.macs or 1),
            ("parameters", row.counts.learnt, cost.counts.learnt or 1),
        )
    ]
    rest = f" The {BARS} largest of {len(rows)} are drawn." if len(rows) > BARS else ""
    caption = f"{number(cost.macs)} multiply–adds and {number(cost.counts.learnt)} parameters in all.{rest}"
    return bars(
        f"Where {cost.name} spends its parameters and its work",
        values,
        x="layer",
        y="share",
        series="of",
        y_format=".0%",
        x_title="layer",
        y_title="fraction of the whole",
        caption=caption,
        name="shares",
    )


def _share(cost: CostResult, row: Layer) -> float:
    return (row.macs or 0) / (cost.macs or 1) + row.counts.learnt / (cost.counts.learnt or 1)


def as_json(cost: CostResult) -> dict[str, Any]:
    """Everything under plain names; shapes as lists, fields per axis."""
    counts = cost.counts
    return {
        "network": cost.name,
        "input": str(cost.inputs),
        "convention": cost.convention,
        "totals": {
            "parameters": cost.parameters,
            "weights": counts.weights,
            "biases": counts.biases,
            "buffers": counts.buffers,
            "counters": counts.counters,
            "macs": cost.macs,
            "macs_complete": cost.complete,
            "macs_by_torch": cost.torch_macs,
            "activations": cost.elements,
            "activation_bytes": cost.bytes,
            "input_elements": cost.input_elements,
            "input_bytes": cost.input_bytes,
        },
        "layers": [_layer_json(cost, row) for row in shown(cost)],
        "notes": foot(cost),
    }


def _layer_json(cost: CostResult, row: Layer) -> dict[str, Any]:
    return {
        "name": row.name,
        "type": row.kind,
        "depth": row.depth,
        "group": row.group,
        "outputs": [list(shape) for shape in row.outputs],
        "parameters": row.counts.by(cost.convention),
        "weights": row.counts.weights,
        "biases": row.counts.biases,
        "buffers": row.counts.buffers,
        "macs": row.macs,
        "not_counted": list(row.unknown),
        "activations": row.elements,
        "activation_bytes": row.bytes,
        "field": [
            {
                "size": seen.size,
                "whole": whole,
                "stride": whole_or_text(seen.along.jump) if seen.along else None,
                "offset": seen.along.low[0] if seen.along else None,
            }
            for seen, whole in zip(row.seen or (), row.whole, strict=True)
        ],
        "arithmetic": {key: text for key, text in row.texts.items() if text},
    }
