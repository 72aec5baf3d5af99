"""Is SimpleNN built as meant? Five dummy images go through it, and its weights are counted.

Two checks before any training: images of the right size must come out as one number for each class, and the
number of weights must be what one expects from the layers' shapes. Both catch most mistakes in a network's code:
a wrong kernel, a forgotten pool, a layer used twice.

Source: the first question of a laboratory on CIFAR-10.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from underhood.data import stream
from underhood.figures import bars
from underhood.lab import Group, Results, Scale, Study, Summary
from underhood.networks import NETWORKS
from underhood.report.document import Document, Equation, Section
from underhood.studies.counting.costs import CountSettings, check, checks_table, costs_by, counted, with_weights
from underhood.tables import Column, Table
from underhood.training.backends import backend
from underhood.training.initial import initialise
from underhood.trials import Context, Event, Result

Array = np.ndarray

EXPECTED = {"conv1": 600, "conv2": 1152, "fc1": 69_120, "fc2": 10_080, "fc3": 840}


class SanitySettings(CountSettings):
    images: int = Field(5, ge=1, description="dummy images")
    classes: int = Field(10, ge=1, description="classes, the width of the last layer")
    activation: str = Field("ReLU", description="ReLU, SiLU (Swish), or another class of nn")
    batch_norm: bool = Field(False, description="with BatchNorm after each convolution")
    backend: Literal["torch", "underhood"] = Field("torch", description="what the images are sent through")


def trial(settings: SanitySettings, seed: int, context: Context) -> Iterator[Event]:
    """Send the images through the real network, layer by layer, and count it apart from that."""
    arguments = settings.model_dump(include={"classes", "activation", "batch_norm"})
    found = counted("simple-nn", (settings.images, 3, 32, 32), arguments, settings.verify)
    shapes, logits = passed(settings, seed, arguments)
    rows = {layer["name"]: layer for layer in found["layers"]}
    worked_out = [rows[name]["outputs"][0] for name in shapes]
    found["checks"] += [
        check("layers whose shape is the one worked out", len(shapes), _equal(worked_out, shapes.values())),
        check("shape of the output", f"({settings.images}, {settings.classes})", _shape(logits.shape)),
        check("every output is a finite number", True, bool(np.isfinite(logits).all())),
    ]
    if SanitySettings(images=settings.images, backend=settings.backend, verify=settings.verify) == settings:
        weights = {layer["label"]: layer["weights"] for layer in with_weights(found)}
        found["checks"] += [check(f"weights of {name}, known", weights.get(name), n) for name, n in EXPECTED.items()]
        found["checks"].append(check("weights, known", found["totals"]["weights"], 81_792))
        found["checks"].append(check("with biases, known", found["totals"]["parameters"], 82_030))
    values = {"weights": found["totals"]["weights"], "shapes": shapes, "logits": logits.tolist(), "cost": found}
    yield Result(values)


def passed(settings: SanitySettings, seed: int, arguments: dict[str, Any]) -> tuple[dict[str, list[int]], Array]:
    """The shape after each layer, and the logits, of a real pass on the chosen back end."""
    back = backend(settings.backend, "float32")
    network = back.prepare(NETWORKS["simple-nn"].build(back.nn, **arguments))
    initialise(network, seed, "pytorch", back)
    network.eval()
    noise = stream("augmentation", seed, name="dummy images")
    x = back.tensor(noise.standard_normal((settings.images, 3, 32, 32), dtype=np.float32))
    shapes = {}
    with back.no_grad():
        for name, layer in network.named_children():
            x = layer(x)
            shapes[name] = list(x.shape)
    return shapes, back.array(x)


def report(results: Results) -> Document:
    """Shapes, weights, checks."""
    found = costs_by(results, "backend")
    result = next(iter(found.values()))
    cost = result["cost"]
    seeds = [trial.seed for trial in results.groups[0].counted]
    checks = [check for group in results.groups for check in _checks(group)] + list(_both_alike(results))
    sections = [
        Section("Shapes, layer by layer", [SHAPES, shape_table(result)]),
        Section("Weights", [WEIGHTS, weight_table(cost), weight_figure(cost)]),
        Section("What came out", [_outputs(results.groups[0]), logits_table(result, seeds)]),
        Section("Checks", [checks_table(checks)]),
    ]
    return Document("SimpleNN, checked before training", ENTRY.question, _answer(result, checks), sections)


SHAPES = Equation(
    r"H' = \left\lfloor \frac{H + 2p - K}{s} \right\rfloor + 1",
    "The size of a map behind a convolution or a pool of side $K$, stride $s$ and padding $p$.",
)
WEIGHTS = Equation(
    r"W_{\mathrm{conv}} = O \cdot C \cdot K \cdot K, \qquad W_{\mathrm{fc}} = O \cdot C",
    "Weights of a layer with $C$ channels (or inputs) and $O$ filters (or outputs). Each filter has one bias besides.",
)


def shape_table(result: dict[str, Any]) -> Table:
    """Each layer's output as it came, and the rule that says so."""
    rows = [{"layer": "input", "type": "", "shape": _shape((len(result["logits"]), 3, 32, 32))}]
    layers = {layer["name"]: layer for layer in result["cost"]["layers"]}
    rows += [
        {
            "layer": name,
            "type": layers[name]["type"],
            "shape": _shape(shape),
            "rule": layers[name]["arithmetic"].get("output"),
        }
        for name, shape in result["shapes"].items()
    ]
    columns = [
        Column("layer", "Layer", align="left"),
        Column("type", "Type", align="left"),
        Column("shape", "Output, as it came", align="left"),
        Column("rule", "Rule with its numbers", align="left"),
    ]
    return Table("The images' way through SimpleNN", columns, rows, name="shapes")


def weight_table(cost: dict[str, Any]) -> Table:
    """The sheet's table: layer, shape of its weight, number of weights, each with its sum."""
    rows: list[dict[str, Any]] = []
    for layer in with_weights(cost):
        outputs = layer["outputs"][0][1]
        kernel = layer["geometry"].get("kernel")
        inputs = layer["weights"] // outputs // ((kernel or 1) ** 2)
        shape = (outputs, inputs, kernel, kernel) if kernel else (outputs, inputs)
        product = "·".join(map(str, shape))
        rows.append(
            {
                "layer": layer["label"].upper(),
                "shape": _shape(shape),
                "sum": f"{product} = {layer['weights']:,}",
                "weights": layer["weights"],
                "biases": layer["biases"],
            }
        )
    total = " + ".join(f"{row['weights']:,}" for row in rows)
    weights, biases = (sum(row[key] for row in rows) for key in ("weights", "biases"))
    rows.append({"layer": "total", "sum": total, "weights": weights, "biases": biases})
    columns = [
        Column("layer", "Layer", align="left"),
        Column("shape", "Shape of its weight", align="left"),
        Column("sum", "Sum", align="left"),
        Column("weights", "Weights", format=",d"),
        Column("biases", "Biases", format=",d"),
    ]
    totals = cost["totals"]
    normalised = any(layer["type"].startswith("BatchNorm") for layer in cost["layers"])
    besides = "biases, and scales and shifts of BatchNorm," if normalised else "biases"
    foot = [f"{totals['weights']:,} weights + {totals['biases']:,} {besides} = {totals['parameters']:,}."]
    return Table("Weights of SimpleNN", columns, rows, foot, name="weights")


def weight_figure(cost: dict[str, Any]) -> Any:
    rows = [{"layer": layer["label"], "weights": layer["weights"]} for layer in with_weights(cost)]
    largest = max(rows, key=lambda row: row["weights"])
    fraction = largest["weights"] / cost["totals"]["weights"]
    return bars(
        "Where the weights are",
        rows,
        x="layer",
        y="weights",
        y_format=",d",
        x_title="layer",
        y_title="weights",
        caption=f"{100 * fraction:.0f} % of them connect the flattened map to {largest['layer']}.",
        name="weights",
    )


def logits_table(result: dict[str, Any], seeds: Sequence[int]) -> Table:
    """What the untrained network says of the dummy images."""
    columns = [Column("image", "Image", format="d")]
    columns += [Column(str(c), f"class {c}", format="+.3f") for c in range(len(result["logits"][0]))]
    rows = [{"image": i, **{str(c): z for c, z in enumerate(row)}} for i, row in enumerate(result["logits"])]
    title = "Logits of the untrained network" + (f", seed {seeds[0]} of {len(seeds)}" if len(seeds) > 1 else "")
    return Table(title, columns, rows, name="logits")


def _checks(group: Group) -> Iterator[dict[str, Any]]:
    """The checks of a back end; where seeds differ, the one that failed."""
    backend = group.settings["backend"]
    for several in zip(*(trial.result["cost"]["checks"] for trial in group.counted), strict=True):
        worst = min(several, key=lambda one: bool(one["agrees"]))
        yield {**worst, "what": f"{backend}: {worst['what']}"}


def _both_alike(results: Results) -> Iterator[dict[str, Any]]:
    """The same weights and images on both back ends have to give the same numbers, to rounding."""
    if len(results.groups) != 2:
        return
    first, second = ({t.seed: np.asarray(t.result["logits"]) for t in g.counted} for g in results.groups)
    pairs = [(first[seed], second[seed]) for seed in first.keys() & second.keys()]
    close = all(a.shape == b.shape and np.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in pairs)
    yield check("logits on both back ends, to rounding", True, close)


def _outputs(group: Group) -> str:
    """What the logits say of the start: the loss that they give against classes drawn evenly, log Σ eᶻ − mean z."""
    several = [np.asarray(trial.result["logits"], np.float64) for trial in group.counted]
    images, classes = several[0].shape
    said = f"{images} rows, one for each image, of {classes} numbers, one for each class"
    if not all(np.isfinite(logits).all() for logits in several):
        return said + ". **Not all of them are finite.**"
    largest = Summary.of([float(np.abs(logits).max()) for logits in several])
    loss = Summary.of([float((np.log(np.exp(z).sum(1)) - z.mean(1)).mean()) for z in several])
    return (
        f"{said}; all finite, the largest {_over_seeds(largest, 2)} in size. The images are noise and the weights "
        "untrained, so which class is ahead means nothing. Against classes drawn evenly these logits give a loss of "
        f"{_over_seeds(loss, 4)}; equal ones would give $\\ln {classes} = {np.log(classes):.4f}$."
    )


def _over_seeds(summary: Summary, digits: int) -> str:
    if summary.low is None or summary.high is None:
        return f"{summary.mean:.{digits}f}"
    half = (summary.high - summary.low) / 2
    return f"{summary.mean:.{digits}f} ± {half:.{digits}f} (95 % interval, n = {summary.n})"


def _answer(result: dict[str, Any], checks: list[dict[str, Any]]) -> str:
    totals, failed = result["cost"]["totals"], [c["what"] for c in checks if not c["agrees"]]
    images, classes = len(result["logits"]), len(result["logits"][0])
    verdict = f"**Not as meant**: {', '.join(failed)}." if failed else "It is built as meant."
    return (
        f"{verdict} {images} images of 3×32×32 come out as **({images}, {classes})**, and the layers hold "
        f"**{totals['weights']:,}** weights ({totals['parameters']:,} with biases)."
    )


def _shape(shape: Any) -> str:
    return f"({', '.join(map(str, shape))})"


def _equal(these: Iterable[Sequence[int]], those: Iterable[Sequence[int]]) -> int:
    """How many shapes are the same, the number of images aside."""
    return sum(list(one[1:]) == list(other[1:]) for one, other in zip(these, those, strict=True))


ENTRY = Study(
    name="simple-nn-sanity",
    title="SimpleNN, checked before training",
    question="Is SimpleNN built as meant?",
    theme="Counting",
    source="a laboratory on CIFAR-10; LeCun et al. 1998 for the shape",
    settings=SanitySettings,
    trial=trial,
    axes={"backend": ["torch", "underhood"]},
    compares=("backend",),
    scales={
        "smoke": Scale(
            "two images on PyTorch", seeds=1, set={"images": 2, "backend": "torch"}, axes={}, time="5 s", complete=True
        ),
        "quick": Scale("five images on both back ends", seeds=1, time="10 s"),
        "full": Scale("with receptive fields checked by gradients", seeds=1, set={"verify": True}, time="15 s"),
    },
    report=report,
)
