"""How many numbers AlexNet learns, layer by layer, each with its sum.

    parameters of a convolution = (K·K·C/g)·O + O        of a linear layer = C·O + O

K the filter's side, C and O the channels in and out, g the groups. As published the network ran on two GPUs,
whose halves of the second, fourth and fifth convolutions saw only their own half of the channels: g = 2.

Source: Krizhevsky, Sutskever & Hinton 2012, section 3.5 and figure 2; Krizhevsky 2014 for today's form.
"""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from underhood.figures import Figure, bars
from underhood.lab import Results, Scale, Study
from underhood.report.document import Document, Equation, Section
from underhood.studies.counting.costs import (
    CountSettings,
    check,
    checks_table,
    costs_by,
    counted,
    millions,
    network_or,
    with_weights,
)
from underhood.tables import Column, Table
from underhood.trials import Context, Event, Result

TITLES = {
    "alexnet": "as published",
    "alexnet-ungrouped": "groups joined",
    "alexnet-today": "today's",
}
CLASSES = 1000  # of ImageNet
PUBLISHED = {"alexnet": 60_965_224, "alexnet-ungrouped": 62_378_344, "alexnet-today": 61_100_840}


class AlexNetSettings(CountSettings):
    network: Annotated[str, network_or()] = Field(
        "alexnet", description="alexnet, alexnet-ungrouped, alexnet-today, or any other to count"
    )
    classes: int = Field(CLASSES, ge=1, description="classes told apart: the width of the last layer")


def trial(settings: AlexNetSettings, seed: int, context: Context) -> Iterator[Event]:
    """Count one network."""
    found = counted(settings.network, arguments={"classes": settings.classes}, verify=settings.verify)
    if settings.classes == CLASSES and settings.network in PUBLISHED:
        wanted = PUBLISHED[settings.network]
        found["checks"].append(check("parameters, as others count them", found["totals"]["parameters"], wanted))
    yield Result({"parameters": found["totals"]["parameters"], "cost": found})


def report(results: Results) -> Document:
    """Every layer's sum, the total, and how the three networks of that name differ."""
    costs = {name: result["cost"] for name, result in costs_by(results, "network").items()}
    first = next(iter(costs))
    sections = [
        Section("Layer by layer", [EQUATION, *([SUMS] if first in TITLES else []), layer_table(first, costs[first])]),
        Section("Where they are", [*_where(costs)]),
    ]
    if len(costs) > 1:
        why = [GROUPS] if set(costs) <= set(TITLES) else []
        sections.append(Section("The networks beside each other", [*why, side_by_side(costs), *_reconciled(costs)]))
    checks = [{**one, "what": f"{name}: {one['what']}"} for name, found in costs.items() for one in found["checks"]]
    sections.append(Section("Checks", [checks_table(checks)]))
    return Document("AlexNet's parameters", ENTRY.question, _answer(costs), sections, _headline(costs))


EQUATION = Equation(
    r"P = \left(K \cdot K \cdot \frac{C}{g}\right) \cdot O + O",
    "A filter has $K \\cdot K$ weights for each channel that it sees, $C/g$ of $C$ in $g$ groups; there are $O$ "
    "filters, each with a bias. In a linear layer $K = g = 1$.",
)
SUMS = (
    "The stride and the padding cost no parameters, but they decide the map's size, and so how wide the first fully "
    "connected layer is: $227 \\to 55 \\to 27 \\to 13 \\to 6$, hence $6 \\cdot 6 \\cdot 256 = 9216$ inputs. "
    "Pools, ReLUs, dropout and response normalisation learn nothing. The paper says 224 pixels, but its own "
    "$(224 - 11)/4 + 1$ is no whole number: 227 is what fits."
)
GROUPS = (
    "In 2012 a GPU held 3 GB, so the network was cut in two. Half of the filters of conv2, conv4 and conv5 stand on "
    "one GPU and see only the channels that stand there too; conv3 and the fully connected layers see all. "
    "Joining the halves gives each of those filters twice as many weights. What libraries call AlexNet today is the "
    "author's design of 2014 for one GPU: 64 and 192 filters first, 384, 256, 256 then."
)


def layer_table(name: str, found: dict[str, Any]) -> Table:
    """Filters, stride, padding and groups of each layer, its output, its sum."""
    columns = [
        Column("layer", "Layer", align="left"),
        Column("filter", "Filter", align="left", help="side of the filter"),
        Column("stride", "Stride"),
        Column("padding", "Padding"),
        Column("groups", "Groups"),
        Column("output", "Output", align="left"),
        Column("sum", "Sum: weights + biases", align="left"),
        Column("parameters", "Parameters", format=",d"),
    ]
    rows = [
        {
            "layer": layer["label"],
            "filter": f"{layer['geometry']['kernel']}×{layer['geometry']['kernel']}" if layer["geometry"] else None,
            "stride": layer["geometry"].get("stride"),
            "padding": layer["geometry"].get("padding"),
            "groups": layer["geometry"].get("groups"),
            "output": "×".join(map(str, layer["outputs"][0][1:])),
            "sum": layer["arithmetic"]["parameters"].split(" = ")[0],
            "parameters": layer["weights"] + layer["biases"],
        }
        for layer in with_weights(found)
    ]
    totals = found["totals"]
    rows.append(
        {
            "layer": "total",
            "sum": f"{totals['weights']:,} + {totals['biases']:,}",
            "parameters": totals["weights"] + totals["biases"],
        }
    )
    foot = [f"{name}, input {found['input']}. {totals['macs']:,} multiply–adds for one image."]
    return Table(_called(name, found).rstrip(","), columns, rows, foot, name="layers")


def _where(costs: dict[str, dict[str, Any]]) -> Iterator[str | Figure]:
    found = next(iter(costs.values()))
    layers = with_weights(found)
    total = sum(layer["parameters"] for layer in layers)
    full = sum(layer["parameters"] for layer in layers if layer["label"].startswith("fc"))
    work = sum(layer["macs"] for layer in layers if layer["label"].startswith("conv"))
    yield (
        f"**{100 * full / total:.1f} %** of the parameters stand in the fully connected layers, while the convolutions "
        f"do {100 * work / found['totals']['macs']:.1f} % of the multiply–adds: a filter is used again at every "
        "position of the map, a connection once."
    )
    values = [
        {"layer": layer["label"], "parameters": layer["parameters"], "network": TITLES.get(key, key)}
        for key, one in costs.items()
        for layer in with_weights(one)
    ]
    yield bars(
        "Parameters by layer",
        values,
        x="layer",
        y="parameters",
        series="network" if len(costs) > 1 else None,
        y_format=".3~s",
        x_title="layer",
        y_title="parameters",
        caption=f"fc1 alone has {millions(_parameters(layers, 'fc1'))}." if _parameters(layers, "fc1") else "",
        name="parameters",
    )


def _parameters(layers: list[dict[str, Any]], label: str) -> int:
    return next((layer["parameters"] for layer in layers if layer["label"] == label), 0)


def side_by_side(costs: dict[str, dict[str, Any]]) -> Table:
    """The layers of all the networks in one table."""
    columns = [Column("layer", "Layer", align="left")]
    columns += [Column(name, TITLES.get(name, name), format=",d") for name in costs]
    layers = {name: with_weights(found) for name, found in costs.items()}
    labels = list(dict.fromkeys(layer["label"] for rows in layers.values() for layer in rows))
    rows = [
        {"layer": label, **{name: _parameters(found, label) or None for name, found in layers.items()}}
        for label in labels
    ]
    rows.append({"layer": "total", **{name: found["totals"]["parameters"] for name, found in costs.items()}})
    rows.append({"layer": "multiply–adds", **{name: found["totals"]["macs"] for name, found in costs.items()}})
    return Table("Side by side", columns, rows, name="side-by-side")


def _reconciled(costs: dict[str, dict[str, Any]]) -> Iterator[str]:
    """How the totals come from each other."""
    first, *others = costs
    start = with_weights(costs[first])
    for name in others:
        layers = with_weights(costs[name])
        gaps = [(layer["label"], layer["parameters"] - _parameters(start, layer["label"])) for layer in layers]
        terms = " ".join(f"{'+' if gap > 0 else '−'} {abs(gap):,} ({label})" for label, gap in gaps if gap)
        yield (
            f"{TITLES.get(first, first)} → {TITLES.get(name, name)}: {costs[first]['totals']['parameters']:,} {terms} "
            f"= {costs[name]['totals']['parameters']:,}."
        )


def _headline(costs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    several = len(costs) > 1
    return {
        f"parameters{f', {TITLES.get(name, name)}' if several else ''}": found["totals"]["parameters"]
        for name, found in costs.items()
    }


def _answer(costs: dict[str, dict[str, Any]]) -> str:
    name, found = next(iter(costs.items()))
    totals = found["totals"]
    said = (
        f"{_called(name, found)} has **{totals['parameters']:,}** parameters: "
        f"{totals['weights']:,} weights and {totals['biases']:,} biases."
    )
    others = [f"{one['totals']['parameters']:,} ({TITLES.get(key, key)})" for key, one in costs.items() if key != name]
    beside = "Other networks go by the name" if set(costs) <= set(TITLES) else "Beside it"
    return said + (f" {beside}: {', '.join(others)}." if others else "")


def _called(name: str, found: dict[str, Any]) -> str:
    if name not in TITLES:
        return name
    classes = with_weights(found)[-1]["outputs"][0][-1]
    return f"AlexNet {TITLES[name]}" + (f", but for {classes:,} classes," if classes != CLASSES else "")


ENTRY = Study(
    name="alexnet-parameters",
    title="AlexNet's parameters, every sum shown",
    question="How many parameters does AlexNet have, layer by layer?",
    theme="Counting",
    source="Krizhevsky, Sutskever & Hinton 2012",
    settings=AlexNetSettings,
    trial=trial,
    axes={"network": list(TITLES)},
    compares=("network",),
    seeded=False,
    scales={
        "smoke": Scale("the published network", seeds=1, axes={"network": ["alexnet"]}, time="5 s", complete=True),
        "quick": Scale("all three networks of the name", seeds=1, time="10 s"),
        "full": Scale("with receptive fields checked by gradients", seeds=1, set={"verify": True}, time="15 s"),
    },
    report=report,
)
