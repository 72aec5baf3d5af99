r"""Claim 10: shortcuts make the loss surface rougher.

A small residual network, and the same one with its shortcuts taken out, are trained alike. Then the loss is asked on
a plane through each trained network's weights w, spanned by two random directions d and e:

    f(u, v) = L(w + u d + v e),    u, v ∈ [−1, 1]

Every filter of d is scaled to the length of the filter it changes, so that networks of different weights are moved
alike; normalisations and biases stay. Two numbers say how rough f is, both from second differences on the grid:

    mean absolute curvature    (|f_uu| + |f_vv|) / 2 over the plane
    share that is not convex   places where the 2×2 matrix of second differences has an eigenvalue below zero

Source: Li, Xu, Taylor, Studer & Goldstein 2018, "Visualizing the loss landscape of neural nets".
"""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

import numpy as np

from underhood.data import stream
from underhood.figures import lines
from underhood.figures.pictures import Picture, pictures, shaded
from underhood.lab import Group
from underhood.networks.blocks import blocks
from underhood.report.document import Block, Equation
from underhood.studies.claims.claim import Bench, Claim, Count, computed, images_of, over_seeds
from underhood.studies.claims.lessons import Learner, Lesson, Stopped
from underhood.studies.claims.verdicts import Finding
from underhood.tables import Column, Table
from underhood.trials import Event, Metric, Result

Array = np.ndarray
TITLES = {"with": "with shortcuts", "without": "without shortcuts"}
SMOOTH = 8  # steps between two points of the plane on the picture


def measure(
    bench: Bench,
    *,
    images: Count,
    asked: Count,
    depth: Count,
    width: Count,
    epochs: Count,
    points: Count,
    statistics: Literal["kept", "batch"] = "kept",
) -> Iterator[Event]:
    """Train both networks and ask their loss on a plane. `depth` counts blocks of two convolutions each.

    `statistics`: on the plane BatchNorm uses what training "kept", as the source's code does, or each "batch"'s own.
    """
    lesson = bench.lesson("mnist", images, 500)
    learner = bench.learner()
    found: dict[str, Any] = {"data": lesson.name, "layers": 2 * depth + 2, "statistics": statistics}
    for i, how in enumerate(TITLES):
        page = partial(network, lesson=lesson, depth=depth, width=width, shortcuts=how == "with")
        net = learner.trained(learner.build(page), lesson, epochs=epochs, lr=0.05)
        loss, error = learner.asked(net, lesson.x, lesson.t)
        surface = plane(net, learner, lesson, asked, points, statistics == "kept")
        found[how] = {"loss": loss, "error": error, "surface": surface.tolist(), **roughness(surface)}
        yield Metric(i, {f"curvature_{how}": found[how]["curvature"], f"bent_{how}": found[how]["bent"]})
    yield Result(found)


def network(nn: Any, lesson: Lesson, depth: int, width: int, shortcuts: bool) -> Any:
    """`depth` blocks of two 3×3 convolutions with BatchNorm at half the image's size; the sums around them or not."""

    def conv(inputs: int, stride: int = 1) -> list[Any]:
        return [nn.Conv2d(inputs, width, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(width)]

    layers: list[Any] = [*conv(lesson.shape[0], 2), nn.ReLU()]
    for _ in range(depth):
        body = nn.Sequential(*conv(width), nn.ReLU(), *conv(width))
        layers += [blocks(nn).Residual(body, None, nn.ReLU())] if shortcuts else [body, nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, lesson.classes))


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


def plane(net: Any, learner: Learner, lesson: Lesson, asked: int, points: int, kept: bool) -> Array:
    """The loss (points, points) of the first `asked` images on [−1, 1]², around the trained weights."""
    back = learner.back
    start = {name: np.array(back.array(value)) for name, value in net.state_dict().items()}
    weights = {name: np.array(back.array(p), np.float64) for name, p in net.named_parameters()}
    rng = stream("init", learner.seed, name="claims surface")
    d, e = directions(weights, rng), directions(weights, rng)
    x, t = back.tensor(lesson.x[:asked]), back.tensor(lesson.t[:asked])
    places = np.linspace(-1, 1, points)
    surface = np.zeros((points, points))
    net.train(not kept)
    with back.no_grad(), np.errstate(all="ignore"):
        for i, u in enumerate(places):
            if learner.stopping():
                raise Stopped
            for j, v in enumerate(places):
                moved = {name: weights[name] + u * d[name] + v * e[name] for name in d}
                net.load_state_dict({name: back.tensor(value) for name, value in (start | moved).items()})
                surface[i, j] = back.nn.functional.cross_entropy(net(x), t).item()
        net.load_state_dict({name: back.tensor(value) for name, value in start.items()})
    return surface


def roughness(f: Array) -> dict[str, float]:
    """Mean absolute curvature and the share of places that are not convex, for f on a grid over [−1, 1]²."""
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


def findings(group: Group) -> list[Finding]:
    """The claim needs more of both with shortcuts."""
    ratio = computed(group, lambda found: math.log10(found["with"]["curvature"] / found["without"]["curvature"]))
    more = computed(group, lambda found: found["with"]["bent"] - found["without"]["bent"])
    return [
        Finding("log₁₀ of the mean absolute curvature, with ÷ without shortcuts", ratio, "above", format=".2f"),
        Finding(
            "places that are not convex, with less without", more, "above", scale=100, format=".1f", unit=" points"
        ),
    ]


def told(group: Group) -> list[Block]:
    found = group.counted[0].result
    surfaces = {how: np.log10(np.array(found[how]["surface"])) for how in TITLES}
    low, high = min(s.min() for s in surfaces.values()), max(s.max() for s in surfaces.values())
    shown = [Picture(title, shaded(between(surfaces[how]), low, high)) for how, title in TITLES.items()]
    middle = len(surfaces["with"]) // 2
    cut = [
        {"u": float(u), "loss": float(row[middle]), "net": title}
        for how, title in TITLES.items()
        for u, row in zip(np.linspace(-1, 1, 2 * middle + 1), found[how]["surface"], strict=True)
    ]
    rows = [
        {"net": title, **{key: over_seeds(group, how, key) for key in ("curvature", "bent", "loss", "error")}}
        for how, title in TITLES.items()
    ]
    other = "batch" if found["statistics"] == "kept" else "kept"
    kept = "kept from training, as in the source's code" if found["statistics"] == "kept" else "of the images asked"
    return [
        Equation(
            r"f(u, v) = L(w + u\,d + v\,e), \qquad d_i \leftarrow d_i\,\frac{\lVert w_i \rVert}{\lVert d_i \rVert}"
            r"\ \text{ for every filter } i",
            "$w$: the trained weights; $d$, $e$: random directions.",
        ),
        pictures(
            "The loss around the trained weights", shown, columns=2, largest=302, name="surfaces",
            caption=f"Seed 0, log₁₀ of the loss, the same colours for both: white is {low:.2f}, the darkest "
            f"{high:.2f}. Measured at {len(surfaces['with'])}×{len(surfaces['with'])} points, straight lines between "
            "them; the trained network is in the middle."
        ),
        lines("A cut through the middle", cut, x="u", y="loss", series="net", log_y=True, x_title="u",
              y_title="cross-entropy", caption="Seed 0, v = 0.", name="cut"),
        Table(
            f"Roughness of the surface ({images_of(found['data'])}, {found['layers']} layers)",
            [Column("net", "Network", align="left"), Column("curvature", "Mean |curvature|", format=",.0f"),
             Column("bent", "Not convex", format=".1%"), Column("loss", "Training loss", format=".2f"),
             Column("error", "Training error", format=".1%")],
            rows, foot=[f"BatchNorm's statistics on the plane: {kept}."],
            name="roughness",
        ),
        "**Read it with care.** What BatchNorm does on the plane matters as much as the shortcuts. With training's "
        "statistics a moved network runs out of bounds, and without shortcuts much further. With the statistics of "
        "the images asked every layer is normalised anew wherever one stands, and the comparison can come out the "
        f"other way: `--set claim=shortcuts --set claim.statistics={other}` shows it.",
    ]  # fmt: skip


ENTRY = Claim(
    name="shortcuts",
    statement="Shortcuts make the loss surface rougher.",
    sheet=False,
    experiment="A narrow residual network and the same network without its shortcuts are trained alike. The loss is "
    "then asked on a plane through the trained weights, spanned by two random directions as long, filter by filter, as "
    "the weights.",
    because="Without shortcuts a change in an early layer is passed through all later ones and multiplied by each; "
    "around every block the shortcut carries the signal on unchanged.",
    measure=measure,
    sizes={
        "tiny": {"images": 200, "asked": 64, "depth": 3, "width": 4, "epochs": 2, "points": 7},
        "small": {"images": 1000, "asked": 128, "depth": 9, "width": 8, "epochs": 5, "points": 13},
        "large": {"images": 3000, "asked": 250, "depth": 9, "width": 16, "epochs": 8, "points": 21},
    },
    findings=findings,
    told=told,
)
