r"""Claim 10: shortcuts make the loss surface rougher.

A small residual network, and the same one with its shortcuts taken out, are trained alike, until both have learnt. Then
the loss is evaluated on a plane through each trained network's weights w, spanned by two random directions d and e:

    f(u, v) = L(w + u d + v e),    u, v ∈ [−1, 1]

Every filter of d is scaled to the length of the filter it changes, so that networks of different weights are moved
alike; normalisations and biases stay. BatchNorm's statistics belong to the weights: at every point they are estimated
anew, from images other than those that the loss is taken of. Those kept from the trained weights, as the source's code
has them, are measured beside it. Two numbers say how rough f is, both from second differences on the grid:

    mean absolute curvature       (|f_uu| + |f_vv|) / 2 over the plane
    fraction that is not convex   points where the 2×2 matrix of second differences has an eigenvalue below zero

Source: Li, Xu, Taylor, Studer & Goldstein 2018, "Visualizing the loss landscape of neural nets".
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from underhood.data import stream
from underhood.figures import lines
from underhood.figures.pictures import Picture, pictures, shaded
from underhood.lab import Group
from underhood.networks.blocks import blocks
from underhood.report.document import Block, Equation
from underhood.studies.claims.claim import Claim, Count, computed, images_of, over_seeds
from underhood.studies.claims.experiment import Experiment, Training
from underhood.studies.claims.verdicts import Finding, Word
from underhood.studies.learning.results import percent
from underhood.tables import Column, Table
from underhood.trials import Event, Metric, Result

Array = np.ndarray
TITLES = {"with": "with shortcuts", "without": "without shortcuts"}
STATISTICS = {"estimated": "estimated", "kept": "kept"}
LEARNT = 0.3  # of the error of guessing, above which a network has not learnt
SMOOTH = 8  # steps between two points of the plane on the picture


def measure(
    experiment: Experiment, *, images: Count, evaluated: Count, depth: Count, width: Count, epochs: Count, points: Count
) -> Iterator[Event]:
    """Train both networks and evaluate their loss on a plane. `depth` counts blocks of two convolutions each.

    The loss is that of the first `evaluated` training images; as many others give BatchNorm's statistics.
    """
    found: dict[str, Any] = {"layers": 2 * depth + 2}
    for i, how in enumerate(TITLES):
        page = partial(network, depth=depth, width=width, shortcuts=how == "with")
        schedule = {"name": "one-cycle"}
        settings = experiment.settings(
            "mnist", images, 500, epochs=epochs, schedule=schedule, optimizer={"lr": 0.1, "weight_decay": 5e-4}
        )
        training = experiment.training(settings, page).finish()
        loss, error = training.asked()
        guessing = 1 - 1 / len(training.parts.classes)
        found |= {"data": settings.data.name, "guessing": guessing}
        found[how] = {"loss": loss, "error": error}
        for statistics, surface in planes(training, evaluated, points).items():
            found[how][statistics] = {"surface": surface.tolist(), **roughness(surface)}
        estimated = found[how]["estimated"]
        yield Metric(i, {f"curvature_{how}": estimated["curvature"], f"bent_{how}": estimated["bent"]})
    yield Result(found)


def network(nn: Any, channels: int, classes: int, depth: int, width: int, shortcuts: bool) -> Any:
    """`depth` blocks of two 3×3 convolutions with BatchNorm at half the image's size; the sums around them or not."""

    def conv(inputs: int, stride: int = 1) -> list[Any]:
        return [nn.Conv2d(inputs, width, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(width)]

    layers: list[Any] = [*conv(channels, 2), nn.ReLU()]
    for _ in range(depth):
        body = nn.Sequential(*conv(width), nn.ReLU(), *conv(width))
        layers += [blocks(nn).Residual(body, None, nn.ReLU())] if shortcuts else [body, nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


def directions(weights: dict[str, Array], rng: np.random.Generator) -> dict[str, Array]:
    """A random direction for every matrix and filter, each output's part as long as the weights it changes."""
    found = {}
    for name, weight in weights.items():
        if weight.ndim > 1:
            drawn = rng.standard_normal(weight.shape)
            axes = tuple(range(1, weight.ndim))
            length = np.sqrt((drawn**2).sum(axes, keepdims=True))
            found[name] = drawn * np.sqrt((weight**2).sum(axes, keepdims=True)) / length
    return found


def planes(training: Training, evaluated: int, points: int) -> dict[str, Array]:
    """The loss (points, points) on [−1, 1]², around the trained weights, with either of STATISTICS."""
    learner = training.learner
    back, net = learner.back, learner.net
    start = {name: np.array(back.array(value)) for name, value in net.state_dict().items()}
    weights = {name: np.array(back.array(p), np.float64) for name, p in net.named_parameters()}
    rng = stream("init", learner.seed, name="claims surface")
    d, e = directions(weights, rng), directions(weights, rng)
    x, t = training.parts.train.batch(np.arange(min(evaluated, len(training.parts.train))))
    others = training.parts.train.batch(np.arange(len(t), 2 * len(t)) % len(training.parts.train))[0]
    positions = np.linspace(-1, 1, points)
    surfaces = {statistics: np.zeros((points, points)) for statistics in STATISTICS}
    with np.errstate(all="ignore"):
        for i, u in enumerate(positions):
            for j, v in enumerate(positions):
                training.experiment.check()
                learner.put(start | {name: weights[name] + u * d[name] + v * e[name] for name in d})
                surfaces["kept"][i, j] = learner.evaluate(x, t)[0]
                with estimating(net), back.no_grad():
                    net(back.tensor(others))
                surfaces["estimated"][i, j] = learner.evaluate(x, t)[0]
    learner.put(start)
    return surfaces


@contextmanager
def estimating(net: Any) -> Iterator[None]:
    """Inside, a pass through the network makes its images' mean and variance BatchNorm's running ones."""
    norms = [module for module in net.modules() if type(module).__name__ == "BatchNorm2d"]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    net.train()
    yield
    net.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def roughness(f: Array) -> dict[str, float]:
    """Mean absolute curvature and the fraction of points that are not convex, for f on a grid over [−1, 1]²."""
    h = 2 / (len(f) - 1)
    inner = f[1:-1, 1:-1]
    uu = (f[2:, 1:-1] - 2 * inner + f[:-2, 1:-1]) / h**2
    vv = (f[1:-1, 2:] - 2 * inner + f[1:-1, :-2]) / h**2
    uv = (f[2:, 2:] - f[2:, :-2] - f[:-2, 2:] + f[:-2, :-2]) / (4 * h**2)
    smaller = (uu + vv) / 2 - np.hypot((uu - vv) / 2, uv)
    return {"curvature": float((np.abs(uu) + np.abs(vv)).mean() / 2), "bent": float((smaller < 0).mean())}


def between(f: Array) -> Array:
    """Values between the points of a grid, on straight lines from one to the next."""
    at, fine = np.arange(len(f)), np.linspace(0, len(f) - 1, SMOOTH * (len(f) - 1) + 1)
    rows = np.stack([np.interp(fine, at, row) for row in f])
    return np.stack([np.interp(fine, at, column) for column in rows.T], axis=1)


def learnt(group: Group) -> bool:
    """Whether both networks know their training images much better than by guessing, in the mean."""
    bound = LEARNT * group.counted[0].result["guessing"]
    return all(over_seeds(group, how, "error").mean < bound for how in TITLES)


def findings(group: Group) -> list[Finding]:
    """The claim needs more of both with shortcuts; a network that has not learnt shows nothing of either."""
    if not learnt(group):
        return []

    def curvatures(found: dict[str, Any]) -> float:
        return math.log10(found["with"]["estimated"]["curvature"] / found["without"]["estimated"]["curvature"])

    more = computed(group, lambda found: found["with"]["estimated"]["bent"] - found["without"]["estimated"]["bent"])
    return [
        Finding(
            "log₁₀ of the mean absolute curvature, with ÷ without shortcuts",
            computed(group, curvatures),
            "above",
            format=".2f",
        ),
        Finding(
            "points that are not convex, with less without", more, "above", scale=100, format=".1f", unit=" points"
        ),
    ]


def because(group: Group, word: Word) -> str:
    bent = {how: over_seeds(group, how, "estimated", "bent").mean for how in TITLES}
    curvature = {how: over_seeds(group, how, "estimated", "curvature").mean for how in TITLES}
    said = (
        f"The mean curvature is {curvature['with']:,.2g} with shortcuts and {curvature['without']:,.2g} without; "
        f"{percent(bent['with'], 0)} and {percent(bent['without'], 0)} of the plane are not convex."
    )
    if word == "refuted" and curvature["with"] < curvature["without"]:
        said += " Without shortcuts a change in an early layer is passed through all later ones and multiplied by each."
    return said


def caveat(group: Group) -> str:
    """What qualifies it: a network that has not learnt, or the other statistics, which may say otherwise."""
    if not learnt(group):
        errors = " and ".join(f"{percent(over_seeds(group, how, 'error').mean, 0)} {TITLES[how]}" for how in TITLES)
        return f"the networks have hardly learnt: training errors are {errors}"
    rougher = {
        statistics: over_seeds(group, "with", statistics, "curvature").mean
        > over_seeds(group, "without", statistics, "curvature").mean
        for statistics in STATISTICS
    }
    if rougher["kept"] == rougher["estimated"]:
        return ""
    return "with BatchNorm's statistics as training left them the curvatures come out the other way round"


def shown(group: Group) -> list[Block]:
    found = group.counted[0].result
    surfaces = {how: np.log10(np.array(found[how]["estimated"]["surface"])) for how in TITLES}
    low, high = min(s.min() for s in surfaces.values()), max(s.max() for s in surfaces.values())
    drawn = [Picture(title, shaded(between(surfaces[how]), low, high)) for how, title in TITLES.items()]
    size = len(surfaces["with"])
    cut = [
        {"u": float(u), "loss": float(row[size // 2]), "net": f"{how}, {STATISTICS[statistics]}"}
        for how, title in TITLES.items()
        for statistics in STATISTICS
        for u, row in zip(np.linspace(-1, 1, size), found[how][statistics]["surface"], strict=True)
    ]
    rows = [
        {
            "net": title,
            "statistics": said,
            **{key: over_seeds(group, how, statistics, key) for key in ("curvature", "bent")},
            **{key: over_seeds(group, how, key) for key in ("loss", "error")},
        }
        for how, title in TITLES.items()
        for statistics, said in STATISTICS.items()
    ]
    return [
        Equation(
            r"f(u, v) = L(w + u\,d + v\,e), \qquad d_i \leftarrow d_i\,\frac{\lVert w_i \rVert}{\lVert d_i \rVert}"
            r"\ \text{ for every filter } i",
            "$w$: the trained weights; $d$, $e$: random directions.",
        ),
        pictures(
            "The loss around the trained weights",
            drawn,
            columns=2,
            largest=302,
            name="surfaces",
            caption=f"Seed 0, log₁₀ of the loss, the same colours for both: white is {low:.2f}, the darkest "
            f"{high:.2f}. Measured at {size}×{size} points, straight lines between them; the trained "
            "network is in the middle.",
        ),
        lines(
            "A cut through the middle",
            cut,
            x="u",
            y="loss",
            series="net",
            log_y=True,
            x_title="u",
            y_title="cross-entropy",
            caption="Seed 0, v = 0; with and without shortcuts, BatchNorm's statistics kept or estimated.",
            name="cut",
        ),
        Table(
            f"Roughness of the surface ({images_of(found['data'])}, {found['layers']} layers)",
            [
                Column("net", "Network", align="left"),
                Column("statistics", "BatchNorm's statistics", align="left"),
                Column("curvature", "Mean |curvature|", format=",.3g"),
                Column("bent", "Not convex", format=".1%"),
                Column("loss", "Training loss", format=".3f"),
                Column("error", "Training error", format=".1%"),
            ],
            rows,
            foot=["Estimated: at every point, from other images. Kept: those of the trained weights, everywhere."],
            name="roughness",
        ),
        "**Depth matters.** The source finds surfaces without shortcuts rough at 56 layers and hardly so at 20. With "
        "`--set claim.depth=27` this one has 56; what cannot be trained without shortcuts then shows in the errors.",
    ]


ENTRY = Claim(
    name="shortcuts",
    topic="shortcuts",
    statement="Shortcuts make the loss surface rougher.",
    sheet=False,
    experiment="A narrow residual network and the same network without its shortcuts are trained alike. The loss is "
    "then evaluated on a plane through the trained weights, spanned by two random directions as long, filter by "
    "filter, as the weights; at every point BatchNorm's statistics are estimated anew.",
    because=because,
    caveat=caveat,
    measure=measure,
    sizes={
        "tiny": {"images": 300, "evaluated": 64, "depth": 3, "width": 4, "epochs": 8, "points": 7},
        "small": {"images": 2000, "evaluated": 100, "depth": 9, "width": 8, "epochs": 12, "points": 9},
        "large": {"images": 10_000, "evaluated": 250, "depth": 9, "width": 16, "epochs": 12, "points": 21},
    },
    findings=findings,
    shown=shown,
)
