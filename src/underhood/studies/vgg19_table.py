"""VGG19 layer by layer: activations and parameters, every cell with its sum.

    activations of a layer = H·W·O        parameters of a convolution = (3·3·C)·O, of a linear layer = C·O

without biases, as the exercise's table has it. That table is printed with one CONV3-512 row after the fourth
pool where VGG19 has four; both are worked out here.

Source: Simonyan & Zisserman 2015, table 1, column E; a course's table 1 "VGG19 memory and weights".
"""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from underhood.figures import Figure, bars
from underhood.instruments.cost.arithmetic import equals
from underhood.lab import Results, Scale, Study
from underhood.report.document import Document, Equation, Section
from underhood.studies.counting.costs import CountSettings, check, checks_table, costs_by, counted
from underhood.tables import Column, Table
from underhood.trials import Context, Event, Result

STAGES = {"vgg19": [2, 2, 4, 4, 4], "printed": [2, 2, 4, 4, 1]}
TITLES = {"vgg19": "VGG19", "printed": "the table as printed"}
WEIGHTS = {"vgg19": 143_652_544, "printed": 136_574_656}


class VggSettings(CountSettings):
    network: Literal["vgg19", "printed"] = Field(
        "vgg19", description="printed: one convolution in the last stage, as in the sheet"
    )


def trial(settings: VggSettings, seed: int, context: Context) -> Iterator[Event]:
    """Count one of the two."""
    found = counted("vgg19", arguments={"stages": STAGES[settings.network]}, verify=settings.verify)
    found["checks"].append(check("weights, known", found["totals"]["weights"], WEIGHTS[settings.network]))
    if settings.network == "vgg19":
        total = found["totals"]["activations"] + found["totals"]["input_elements"]
        found["checks"].append(check("activations with the input, known", total, 16_542_184))
    yield Result({"weights": found["totals"]["weights"], "cost": found})


def report(results: Results) -> Document:
    """The sheet's table with every cell filled, twice, and which of the two is the network."""
    costs = {name: result["cost"] for name, result in costs_by(results, "network").items()}
    sections = [
        Section(f"{TITLES[name][0].upper()}{TITLES[name][1:]}", [*_said(name, found), memory_table(name, found)])
        for name, found in costs.items()
    ]
    main = costs.get("vgg19", next(iter(costs.values())))
    sections.append(Section("Memory first, parameters last", [shift(main), *figures(main)]))
    if len(costs) == 2:
        sections.append(Section("Which one is the network?", [which(costs)]))
    checks = [{**one, "what": f"{TITLES[name]}: {one['what']}"} for name, f in costs.items() for one in f["checks"]]
    sections.append(Section("Checks", [checks_table(checks)]))
    headline = {f"weights, {TITLES[name]}": found["totals"]["weights"] for name, found in costs.items()}
    return Document("VGG19, cell by cell", ENTRY.question, _answer(costs), sections, headline)


EQUATION = Equation(
    r"A = H \cdot W \cdot O, \qquad P = (3 \cdot 3 \cdot C) \cdot O",
    "All convolutions are 3×3 with stride 1 and padding 1, so $H$ and $W$ change at the pools alone, which halve "
    "them: $\\lfloor (224 + 2 \\cdot 0 - 2)/2 \\rfloor + 1 = 112$.",
)


def shift(found: dict[str, Any]) -> str:
    """Where memory goes and where parameters go."""
    rows = [one for one in rows_of(found) if one["weights"]]
    first, second = (one["activations"] for one in rows[:2])
    full = next(one["weights"] for one in rows if one["layer"] == "FC")
    activations, weights = (
        found["totals"]["activations"] + found["totals"]["input_elements"],
        found["totals"]["weights"],
    )
    return (
        f"The first two convolutions write {first / 1e6:.1f} million elements each, "
        f"{100 * (first + second) / activations:.0f} % of all activations; the first fully connected layer holds "
        f"{full / 1e6:.1f} million weights, {100 * full / weights:.0f} % of all. Memory goes where the map is large, "
        "parameters go where everything is connected."
    )


def rows_of(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The table's rows: input, convolutions, pools and linear layers under the sheet's names, with counts and sums."""
    rows = [row("Input", found["totals"]["input_elements"], 0, "224·224·3", "0")]
    for layer in found["layers"]:
        shape = layer["outputs"][0][1:]
        size = "·".join(map(str, (*shape[1:], shape[0])))
        if layer["type"] == "Conv2d":
            kernel, inputs = layer["geometry"]["kernel"], layer["weights"] // (9 * shape[0])
            weights = f"({kernel}·{kernel}·{inputs})·{shape[0]}"
            rows.append(row(f"CONV{kernel}-{shape[0]}", layer["activations"], layer["weights"], size, weights))
        elif layer["type"] == "MaxPool2d":
            rows.append(row("POOL2", layer["activations"], 0, size, "0"))
        elif layer["type"] == "Linear":
            weights = f"{layer['weights'] // shape[0]}·{shape[0]}"
            rows.append(row("FC", layer["activations"], layer["weights"], str(shape[0]), weights))
    return rows


def row(name: str, activations: int, weights: int, activation_text: str, weight_text: str) -> dict[str, Any]:
    return {
        "layer": name,
        "activation_sum": equals(activation_text, activations),
        "activations": activations,
        "weight_sum": equals(weight_text, weights),
        "weights": weights,
    }


def memory_table(name: str, found: dict[str, Any]) -> Table:
    """The sheet's Table 1, filled."""
    rows = rows_of(found)
    activations, weights = sum(r["activations"] for r in rows), sum(r["weights"] for r in rows)
    rows.append({"layer": "TOTAL", "activations": activations, "weights": weights})
    columns = [
        Column("layer", "Layer", align="left"),
        Column("activation_sum", "Number of activations (memory)", align="left"),
        Column("activations", "Activations", format=",d"),
        Column("weight_sum", "Parameters (compute)", align="left"),
        Column("weights", "Parameters", format=",d"),
    ]
    foot = [
        f"Without biases; with them {found['totals']['parameters']:,} parameters.",
        f"In fp32: {4 * activations / 1e6:.1f} MB of activations for one image, {4 * weights / 1e6:.1f} MB of weights.",
        "ReLUs write over their input and dropout passes it on, so neither adds activations.",
    ]
    return Table(f"Memory and weights: {TITLES[name]}", columns, rows, foot, name=f"table-{name}")


def _said(name: str, found: dict[str, Any]) -> Iterator[str | Equation]:
    layers = sum(layer["type"] in ("Conv2d", "Linear") for layer in found["layers"])
    if name == "vgg19":
        yield EQUATION
        yield f"{layers} layers with weights: {layers - 3} convolutions and 3 fully connected layers, hence the name."
        return
    yield (
        f"As printed there is one CONV3-512 row after the fourth pool, and {layers} layers with weights in all. "
        "Its sums, should someone expect them:"
    )


def figures(found: dict[str, Any]) -> list[Figure]:
    """Activations and weights down the network."""
    rows = rows_of(found)
    counts: dict[str, int] = {}
    values = []
    for position, one in enumerate(rows):
        counts[one["layer"]] = counts.get(one["layer"], 0) + 1
        values.append({**one, "position": f"{position:>2} {one['layer']}"})
    activations = bars(
        "Activations by layer",
        values,
        x="position",
        y="activations",
        y_format=".3~s",
        y_title="elements for one image",
        caption="Down the network the maps shrink faster than the channels grow.",
        name="activations",
    )
    weights = bars(
        "Parameters by layer",
        values,
        x="position",
        y="weights",
        y_format=".3~s",
        y_title="weights",
        caption="A convolution's weights do not depend on the map's size, a linear layer's do.",
        name="weights",
    )
    return [activations, weights]


def which(costs: dict[str, dict[str, Any]]) -> str:
    """What settles it."""
    full, printed = (costs[name]["totals"]["weights"] for name in ("vgg19", "printed"))
    return (
        f"VGG19 is the one with four: the paper's column E has 16 convolutions, and 16 + 3 = 19. The printed table "
        f"has 13, which is no column of the paper (VGG16, with 13 convolutions too, has 2, 2, 3, 3, 3 of them between "
        f"its pools). Three rows are missing, (3·3·512)·512 = 2,359,296 weights each: "
        f"{printed:,} + 3·2,359,296 = {full:,}."
    )


def _answer(costs: dict[str, dict[str, Any]]) -> str:
    said = []
    for name, found in costs.items():
        totals = found["totals"]
        activations = totals["activations"] + totals["input_elements"]
        said.append(
            f"{TITLES[name]} has **{totals['weights']:,}** weights and {activations:,} activations with the input"
        )
    text = "; ".join(said) + "."
    missing = " The printed table lacks three CONV3-512 rows: the first is the network." if len(costs) == 2 else ""
    return text[0].upper() + text[1:] + missing


ENTRY = Study(
    name="vgg19-table",
    title="VGG19, cell by cell",
    question="How much memory do VGG19's activations take, and how many parameters has each layer?",
    theme="Counting",
    source="Simonyan & Zisserman 2015, table 1",
    settings=VggSettings,
    trial=trial,
    axes={"network": list(STAGES)},
    compares=("network",),
    seeded=False,
    scales={
        "smoke": Scale("VGG19 alone", seeds=1, axes={"network": ["vgg19"]}, time="5 s", complete=True),
        "quick": Scale("VGG19 and the table as printed", seeds=1, time="10 s"),
        "full": Scale("with receptive fields checked by gradients", seeds=1, set={"verify": True}, time="1 min"),
    },
    report=report,
)
