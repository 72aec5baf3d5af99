"""Receptive fields: a stack of small filters against one large one, and how far whole networks see.

    N layers of F×F, stride 1, see what one layer of (NF − N + 1)×(NF − N + 1) sees

Proved, worked out, and measured: the gradient of one unit is non-zero at the pixels that it depends on. For a
network, every layer's field, stride and offset, through branches and skips.

Sources: Simonyan & Zisserman 2015, section 2.3; Araujo, Norris & Sim 2019; Luo et al. 2016 for the profile.
"""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from underhood.figures import Figure, lines
from underhood.instruments.cost.receptive_field import stacked
from underhood.lab import Results, Scale, Study
from underhood.report.document import Document, Equation, Section
from underhood.studies.counting.costs import CountSettings, check, checks_table, costs_by, counted, network_or
from underhood.tables import Column, Table
from underhood.trials import Context, Event, Result

STACK = "stack"
# the last map's field as others have worked it out
KNOWN = {"vgg16": 212, "alexnet": 195, "resnet20": 81, "resnet50": 427, "resnet50-v1": 483}


class FieldSettings(CountSettings):
    network: Annotated[str, network_or(STACK)] = Field(STACK, description="stack, a network's name, or FILE.py:Class")
    layers: int = Field(3, ge=1, le=30, description="convolutions in the stack")
    kernel: int = Field(5, ge=1, le=31, description="side of the stack's filters")
    input: str = Field("", description="input of the network with its batch, 1,3,224,224; ours know theirs")


def trial(settings: FieldSettings, seed: int, context: Context) -> Iterator[Event]:
    """Follow the fields of the stack, or of one network."""
    if settings.network == STACK:
        yield Result(measured_stack(settings.layers, settings.kernel))
        return
    found = counted(settings.network, settings.input or None, verify=settings.verify)
    rows = [row for row in found["layers"] if not row["group"] and row["field"] and row["field"][0]["stride"]]
    if not rows:
        raise ValueError(f"{settings.network}: no layer of it looks through a window, so it has no receptive field")
    if settings.network in KNOWN and not settings.input:
        last = max(axis["size"] for row in rows for axis in row["field"])
        found["checks"].append(check("field of the last map, known", last, KNOWN[settings.network]))
    yield Result(
        {"field": rows[-1]["field"][0]["size"], "rows": rows, "checks": found["checks"], "input": found["input"]}
    )


def measured_stack(layers: int, kernel: int) -> dict[str, Any]:
    """The stack's fields by the rule, by the formula, and by the gradient of its middle unit."""
    from underhood.instruments.cost import cost
    from underhood.instruments.pytorch import load_torch

    nn = load_torch().nn
    field = stacked(layers, kernel)
    side = 2 * field + 1
    stack = nn.Sequential(*(nn.Conv2d(1, 1, kernel, bias=False) for _ in range(layers)))
    single = nn.Conv2d(1, 1, field, bias=False)
    ruled = [row.seen[0].size for row in cost(stack, (1, 1, side, side)).rows if row.seen]
    profiles = {name: profile(net, side) for name, net in (("stack", stack), ("one", single))}
    seen = [sum(value > 0 for value in profile(stack[: n + 1], side)) for n in range(layers)]
    formula = [stacked(n + 1, kernel) for n in range(layers)]
    checks = [
        check("fields of the stack, by rule and by formula", str(ruled), str(formula)),
        check("fields of the stack, by formula and by gradients", str(formula), str(seen)),
        check("field of the single filter, by gradients", field, sum(value > 0 for value in profiles["one"])),
    ]
    return {"field": field, "ruled": ruled, "seen": seen, "profiles": profiles, "checks": checks}


def profile(network: Any, side: int) -> list[float]:
    """The fraction of the middle unit's gradient that falls on each pixel of its row; all weights alike."""
    from underhood.instruments.pytorch import load_torch
    from underhood.instruments.replica import replica

    torch = load_torch()
    other = replica(network, meta=False).double()
    with torch.no_grad():
        for weight in other.parameters():
            weight.fill_(1 / weight.numel())
    image = torch.ones(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    out = other(image)
    (gradient,) = torch.autograd.grad(out[0, 0, out.shape[2] // 2, out.shape[3] // 2], image)
    row = gradient[0, 0].sum(0)
    return [float(value) for value in row / row.sum()]


def report(results: Results) -> Document:
    """The proof, the stack measured, and the networks."""
    found = costs_by(results, "network")
    stack = found.pop(STACK, None)
    sections = []
    if stack is not None:
        settings = next(g.settings for g in results.groups if g.settings["network"] == STACK)
        layers, kernel = settings["layers"], settings["kernel"]
        sections += [
            Section("Why", PROOF),
            Section(f"{layers} filters of {kernel}×{kernel}", [*_stack(stack, layers, kernel)]),
            Section("The same field, for less", [*_cheaper(layers, kernel)]),
        ]
    if found:
        sections.append(
            Section("Whole networks", [NETWORKS, depth_figure(found), *map(network_table, found, found.values())])
        )
    checks = [{**one, "what": f"{name}: {one['what']}"} for name, r in found.items() for one in r["checks"]]
    sections.append(Section("Checks", [checks_table([*(stack["checks"] if stack else ()), *checks])]))
    headline: dict[str, Any] = {} if stack is None else {"stack": f"{stack['field']}×{stack['field']}"}
    headline |= {name: _size(result["rows"][-1]["field"]) for name, result in found.items()}
    return Document("Receptive fields", ENTRY.question, _answer(results, stack, found), sections, headline)


PROOF: list[Any] = [
    "Take stride 1 and no padding. A unit of the first layer sees F pixels along an axis. Suppose a unit of layer n "
    "sees $r_n$ pixels. A unit of layer n + 1 looks at F neighbours of layer n; the first of them sees $r_n$ pixels, "
    "and each further one lies one pixel on, so it adds one pixel more:",
    Equation(r"r_{n+1} = r_n + (F - 1), \qquad r_1 = F", "Along each axis; a field of $r$ pixels is $r \\times r$."),
    "N layers make N − 1 such steps after the first:",
    Equation(
        r"r_N = F + (N - 1)(F - 1) = NF - N + 1",
        "That is the side of the one filter that sees as much.",
    ),
    "With strides the steps grow: behind layers whose strides multiply to $j$, a neighbour lies $j$ pixels on, so "
    "$r' = r + (K - 1) \\cdot j$ and $j' = j \\cdot s$. Where branches meet, a unit sees from the leftmost to the "
    "rightmost pixel of any of them; a skip adds nothing, because what it carries was seen already.",
]
NETWORKS = (
    "A field larger than the image reaches into the padding around it: a unit in the middle of the map may then see "
    "all of the image along that axis, one at its rim does so only in a field about twice as large. Skips and "
    "branches take the widest way. The offset is where the first unit's field begins: negative in the padding."
)


def _stack(stack: dict[str, Any], layers: int, kernel: int) -> Iterator[str | Table | Figure]:
    field = stack["field"]
    yield f"{layers}·{kernel} − {layers} + 1 = **{field}**: {layers} layers of {kernel}×{kernel} see {field}×{field}."
    columns = [
        Column("layer", "Layer", format="d"),
        Column("rule", "Rule", align="left"),
        Column("formula", "NF − N + 1", format="d"),
        Column("seen", "Pixels with a gradient", format="d"),
    ]
    before = [1, *stack["ruled"]]
    rows = [
        {
            "layer": n + 1,
            "rule": f"{before[n]} + ({kernel} − 1) = {size}",
            "formula": stacked(n + 1, kernel),
            "seen": seen,
        }
        for n, (size, seen) in enumerate(zip(stack["ruled"], stack["seen"], strict=True))
    ]
    yield Table("The stack, layer by layer", columns, rows, name="stack")
    middle = len(stack["profiles"]["stack"]) // 2
    values = [
        {"pixel": position - middle, "share": fraction, "filter": name}
        for key, name in (("stack", f"{layers} of {kernel}×{kernel}"), ("one", f"one {field}×{field}"))
        for position, fraction in enumerate(stack["profiles"][key])
    ]
    yield lines(
        "What the middle unit's gradient falls on",
        values,
        x="pixel",
        y="share",
        series="filter",
        x_title="pixels from the middle",
        y_title="fraction of the gradient",
        y_format=".0%",
        name="profile",
        caption="All weights alike. The field is the same; the stack looks at its middle more than at its rim.",
    )


def _cheaper(layers: int, kernel: int) -> Iterator[str | Table]:
    field = stacked(layers, kernel)
    yield (
        f"On C channels in and out, {layers} layers of {kernel}×{kernel} have "
        f"{layers}·{kernel}²·C² = {layers * kernel**2}·C² weights, one of {field}×{field} has {field}²·C² = "
        f"{field**2}·C². The stack also has {layers} ReLUs where the single layer has one. That is VGG's argument "
        "for 3×3 filters."
    )
    cases = list(dict.fromkeys([(2, 3), (3, 3), (5, 3), (2, 5), (3, 5), (layers, kernel)]))
    rows = [
        {
            "stack": f"{n} of {f}×{f}",
            "single": f"{stacked(n, f)}×{stacked(n, f)}",
            "stack_weights": n * f * f,
            "single_weights": stacked(n, f) ** 2,
            "ratio": stacked(n, f) ** 2 / (n * f * f),
        }
        for n, f in cases
    ]
    columns = [
        Column("stack", "Stack", align="left"),
        Column("single", "Sees as", align="left"),
        Column("stack_weights", "Its weights", "C²", "d"),
        Column("single_weights", "The single one's", "C²", "d"),
        Column("ratio", "Times fewer", format=".2f"),
    ]
    yield Table("Weights for the same field", columns, rows, name="weights")


def network_table(name: str, result: dict[str, Any]) -> Table:
    """The layers at every depth at which the field changes, along each axis, with its sum."""
    rows, last = [], None
    for row in result["rows"]:
        now = [[axis[key] for axis in row["field"]] for key in ("size", "stride", "offset")]
        if now != last:
            _, stride, offset = now
            rows.append(
                {
                    "layer": row["name"],
                    "type": row["type"],
                    "output": "×".join(map(str, row["outputs"][0][1:])),
                    "field": _size(row["field"]),
                    "stride": _along(stride),
                    "offset": _along(offset),
                    "how": row["arithmetic"].get("field"),
                }
            )
            last = now
    columns = [
        Column("layer", "Layer", align="left"),
        Column("type", "Type", align="left"),
        Column("output", "Output", align="left"),
        Column("field", "Field", "px", align="left"),
        Column("stride", "Stride", "px", help="rows, columns where they differ"),
        Column("offset", "Offset", "px", help="rows, columns where they differ"),
        Column("how", "Sum", align="left"),
    ]
    return Table(f"{name}, input {result['input']}", columns, rows, name=f"fields-{name}")


def _size(axes: list[dict[str, Any]]) -> str:
    """49×9 of two axes, 49 of one."""
    return "×".join(str(axis["size"]) for axis in axes)


def _along(values: list[int]) -> int | str:
    """A number where all axes agree, else one an axis."""
    return values[0] if len(set(values)) == 1 else ", ".join(map(str, values))


def depth_figure(found: dict[str, dict[str, Any]]) -> Figure:
    """Fields against the way through each network; a curve an axis where the axes differ."""
    values = []
    for name, result in found.items():
        fields = [[axis["size"] for axis in row["field"]] for row in result["rows"]]
        alike = all(len(set(sizes)) == 1 for sizes in fields)
        axes = [""] if alike else [", rows", ", columns", ", third axis"][: max(map(len, fields))]
        values += [
            {"way": i / max(1, len(fields) - 1), "field": sizes[axis], "network": f"{name}{called}"}
            for axis, called in enumerate(axes)
            for i, sizes in enumerate(fields)
            if axis < len(sizes)
        ]
    return lines(
        "How the field grows",
        values,
        x="way",
        y="field",
        series="network",
        log_y=True,
        x_format=".0%",
        x_title="way through the network's maps",
        y_title="field, pixels",
        caption="Every layer that is no container, in the order of the pass. Behind a stride all later layers grow "
        "faster; where a branch begins again from the module's input, the curve steps back.",
        name="growth",
    )


def _answer(results: Results, stack: dict[str, Any] | None, found: dict[str, dict[str, Any]]) -> str:
    said = []
    if stack is not None:
        settings = next(g.settings for g in results.groups if g.settings["network"] == STACK)
        n, f, field = settings["layers"], settings["kernel"], stack["field"]
        agree = "the gradient finds the same" if all(one["agrees"] for one in stack["checks"]) else "but a check failed"
        said.append(f"{n} layers of {f}×{f} see what one of **{field}×{field}** sees ({n}·{f} − {n} + 1), and {agree}.")
    if found:
        ends = ", ".join(f"{name} {_size(result['rows'][-1]['field'])}" for name, result in found.items())
        said.append(f"Units of the last map see, in pixels: {ends}.")
    return " ".join(said)


ENTRY = Study(
    name="receptive-field",
    title="Receptive fields, of stacks and of networks",
    question="How many pixels does a unit see, and does a stack of small filters see as much as one large one?",
    theme="Counting",
    source="Simonyan & Zisserman 2015; Araujo, Norris & Sim 2019",
    settings=FieldSettings,
    trial=trial,
    compares=("network",),
    seeded=False,
    axes={"network": [STACK, "vgg16", "alexnet", "resnet20", "resnet50", "googlenet"]},
    scales={
        "smoke": Scale(
            "the stack and ResNet-20", seeds=1, axes={"network": [STACK, "resnet20"]}, time="5 s", complete=True
        ),
        "quick": Scale("the stack and five networks", seeds=1, time="15 s"),
        "full": Scale("with every field checked by gradients", seeds=1, set={"verify": True}, time="1 min"),
    },
    report=report,
)
