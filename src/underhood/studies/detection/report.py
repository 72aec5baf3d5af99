"""What the study region-proposals reports: Fast beside Faster R-CNN, and the network at work on one picture."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underhood.figures import Figure, bars, lines
from underhood.figures.pictures import Picture, pictures, shaded
from underhood.lab import Results, Summary
from underhood.report.document import Document, Equation, Section
from underhood.studies.detection.boxes_report import boxes_of, decoding, suppressing
from underhood.studies.detection.fast_and_faster import PUBLISHED, fast_and_faster, fractions
from underhood.studies.detection.rpn import STRIDE, probability
from underhood.studies.detection.rpn_figure import rpn_figure
from underhood.tables import Column, Table, number

Array = NDArray[Any]

TITLE = "Region proposals, step by step"
QUESTION = "How does Faster R-CNN find out where to look, and why is it faster than Fast R-CNN?"


def report(results: Results) -> Document:
    """Fast beside Faster R-CNN, and the proposal network at work on one picture."""
    trials = results.groups[0].counted
    first = trials[0]
    found, settings = first.result, first.settings
    with np.load(first.artefact("arrays.npz")) as packed:
        arrays = {name: packed[name] for name in packed.files}
    return Document(
        title=TITLE,
        question=QUESTION,
        answer=_answer(trials),
        sections=[
            Section("Fast beside Faster R-CNN", fast_and_faster(found)),
            Section("The region proposal network", _structure(found, settings)),
            Section("From the picture to the map", _first_look(arrays)),
            Section("Anchors", _anchors(found, settings, arrays)),
            Section("How it learns", _learning(found, settings, trials)),
            Section("From deltas to boxes", decoding(found, arrays)),
            Section("Non-maximum suppression, step by step", suppressing(found, settings, arrays)),
            Section("How many are left", _left(found)),
            Section("Checks, and what is assumed", _checks(found, settings)),
        ],
        headline={
            "proposals after suppression": found["counts"]["kept"],
            "objects covered (%)": _covered(trials, "recall"),
            "mean best IoU": Summary.of([trial.result["recall"]["iou"] for trial in trials]),
        },
    )


def _covered(trials: Sequence[Any], which: str) -> Summary:
    """Objects that a proposal covers, as per cent, over the seeds."""
    return Summary.of([100 * trial.result[which]["share"] for trial in trials])


def _percent(summary: Summary) -> str:
    if summary.low is None or summary.high is None:
        return f"{summary.mean:.0f} %"
    return f"{summary.mean:.0f} ± {(summary.high - summary.low) / 2:.0f} %"


def _milliseconds(trials: Sequence[Any], which: str) -> str:
    """What the proposals take, over the seeds."""
    summary = Summary.of([trial.result["times"][which][1] for trial in trials])
    if summary.low is None or summary.high is None:
        return f"{summary.mean:.0f} ms"
    return f"{summary.mean:.0f} ± {(summary.high - summary.low) / 2:.0f} ms"


def _answer(trials: Sequence[Any]) -> str:
    found, settings = trials[0].result, trials[0].settings
    c, recall = found["counts"], found["recall"]
    fast, faster = (fractions(PUBLISHED[which])[1] for which in ("fast", "faster"))
    covered, before = (_percent(_covered(trials, which)) for which in ("recall", "recall_before"))
    seeds = f" with each of {len(trials)} seeds" if len(trials) > 1 else ""
    known = " It has learned from drawn shapes alone: on a photograph it shows the steps, no more."
    return (
        "Fast R-CNN waits for its region proposals; Faster R-CNN lets a network make them from the feature map that it "
        f"has computed anyway. In the paper proposals took {100 * fast:.0f} % of a picture's time before and "
        f"{100 * faster:.0f} % after; measured here, {_milliseconds(trials, 'fast')} by selective search and "
        f"{_milliseconds(trials, 'faster')} by the network. On one picture **{c['anchors']:,}** anchors become "
        f"{c['large']:,} clipped boxes that are not tiny, the best {c['best']} go into non-maximum suppression, "
        f"**{c['kept']}** come out of it and {c['proposals']} are handed on, "
        f"{'all' if c['sure'] == c['proposals'] else c['sure']} of them surer than not that "
        f"they hold an object. On {settings['test_scenes']} fresh scenes{seeds} the proposals cover **{covered}** of "
        f"{recall['objects']} objects (IoU ≥ 0.5); before training {before}.{known if settings['image'] else ''}"
    )


def _structure(found: dict[str, Any], settings: dict[str, Any]) -> list[Any]:
    rows, columns = found["map"]
    kinds, height, width = found["kinds"], settings["height"], settings["width"]
    where = f"{rows}×{columns}"
    steps = [
        ("picture", "", "3×" + (f"{height}×{width}" if not settings["image"] else "H×W"), "3×600×1000"),
        ("convolutions, shared with the detector", "3×3, ReLU", f"48×{where}", "512×37×62 (VGG-16, stride 16)"),
        ("the window that slides over the map", "3×3, ReLU", f"64×{where}", "512×37×62"),
        ("objectness", "1×1", f"{kinds}×{where}", "18×37×62: two classes for each of 9 anchors"),
        ("box deltas", "1×1", f"{4 * kinds}×{where}", "36×37×62"),
    ]
    return [
        "The RPN is a small, fully convolutional network on top of the shared feature map. A 3×3 convolution looks at "
        "a window around every position; two 1×1 convolutions beside each other read from it, for each of $k$ "
        "**anchors** (boxes of fixed shapes around that position), an **objectness**, *is there anything?*, and four "
        "**deltas**, *how must the anchor move and stretch to fit it?* Being a convolution it asks the same question "
        "everywhere, so an object that moves moves its proposal.",
        rpn_figure(kinds),
        Table(
            "The layers",
            [
                Column("layer", "Layer", align="left"),
                Column("kind", "Kind", align="left"),
                Column("here", "Output here", align="left"),
                Column("paper", "In the paper", align="left"),
            ],
            [dict(zip(("layer", "kind", "here", "paper"), step, strict=True)) for step in steps],
            name="layers",
        ),
        f"Here $k = {len(settings['scales'])} \\cdot {len(settings['ratios'])} = {kinds}$, and one position of the map "
        f"stands for {STRIDE}×{STRIDE} pixels of the picture.",
    ]


def _first_look(arrays: dict[str, Array]) -> list[Any]:
    picture, features = arrays["picture"], arrays["features"]
    strongest = np.argsort(-features.std((1, 2)), kind="stable")[:6]
    maps = [Picture(f"channel {i}", shaded(features[i])) for i in strongest]
    p = probability(arrays["objectness"]).max(0)
    truths = arrays["truths"]
    subject = "the picture and its objects" if len(truths) else "the picture"
    return [
        "The picture, six of the 48 channels of its feature map (dark is strong), and the objectness: at each position "
        "the largest probability among its anchors.",
        pictures(
            "Picture, objectness",
            [
                Picture(subject, picture, boxes_of(truths, "object")),
                Picture(f"objectness, {p.min():.2f} to {p.max():.2f}; white is 0", shaded(p, 0, 1)),
            ],
            columns=2,
            largest=302,
            name="objectness",
        ),
        pictures("Feature map", maps, columns=6, largest=96, name="features"),
    ]


def _anchors(found: dict[str, Any], settings: dict[str, Any], arrays: dict[str, Array]) -> list[Any]:
    rows, columns = found["map"]
    kinds = found["kinds"]
    sizes = [(s, r) for s in settings["scales"] for r in settings["ratios"]]
    middle = (rows // 2 * columns + columns // 2) * kinds
    at = arrays["anchors"][middle : middle + kinds]
    boxes = [box for row, (scale, _) in zip(at, sizes, strict=True) for box in boxes_of(row[None], f"scale {scale:g}")]
    s, r = sizes[0]
    w, h = (at[0, 2] - at[0, 0]), (at[0, 3] - at[0, 1])
    x, y = (at[0, 0] + at[0, 2]) / 2, (at[0, 1] + at[0, 3]) / 2
    p = found["paper_anchors"]
    c = found["counts"]
    return [
        "An anchor of scale $s$ and ratio $r$ (height over width) has the area $s^2$:",
        Equation(r"w = \frac{s}{\sqrt{r}}, \qquad h = s\,\sqrt{r}", "All $k$ stand around every position's middle."),
        Equation(
            rf"s = {s:g},\ r = {r:g}: \quad w = \frac{{{s:g}}}{{\sqrt{{{r:g}}}}} = {w:.2f}, \quad "
            rf"h = {s:g} \cdot \sqrt{{{r:g}}} = {h:.2f}",
            f"At row {rows // 2}, column {columns // 2} of the map, the middle is "
            f"$x = ({columns // 2} + 0.5) \\cdot {STRIDE} = {x:g}$, $y = ({rows // 2} + 0.5) \\cdot {STRIDE} = {y:g}$.",
        ),
        pictures(
            f"The {kinds} anchors of one position",
            [Picture("around the middle of the map", arrays["picture"], boxes)],
            columns=1,
            largest=384,
            name="anchors",
        ),
        Equation(
            rf"{rows} \cdot {columns} \cdot {kinds} = {number(c['anchors'])}".replace(",", "{,}"),
            f"anchors on this picture, {c['inside']:,} of them inside it. In the paper, on 1000×600 pixels with stride "
            f'16: 62 · 37 · 9 = {p["anchors"]:,} ("about 20,000"), by this page\'s count {p["inside"]:,} inside '
            '("about 6,000").',
        ),
    ]


def _learning(found: dict[str, Any], settings: dict[str, Any], trials: Sequence[Any]) -> list[Any]:
    rows = [
        {"step": step, "loss": value, "part": title}
        for name, title in (("objectness_loss", "objectness"), ("box_loss", "box deltas"))
        for step, value in _smooth(trials[0].metric(name))
    ]
    by = "PyTorch" if found["backend"] == "torch" else "the engine"
    return [
        f"An anchor counts as an object when its IoU with one is at least {settings['foreground']:g}, or when it is "
        f"that object's best anchor; as background when its IoU with every object is below "
        f"{settings['background']:g}. The others, and those that cross the border, teach nothing. Of each picture "
        f"{settings['sampled']} anchors are drawn, at most half of them objects, for background would drown them.",
        Equation(
            r"\begin{aligned} L &= \frac{1}{N}\sum_i \left( -y_i \log p_i - (1 - y_i) \log(1 - p_i) \right) \\ "
            r"&+ \frac{1}{N_+}\sum_{i:\, y_i = 1} \sum_{j=1}^{4} \mathrm{smooth}(t_{ij} - t^*_{ij}) \end{aligned}",
            "$p = \\sigma(z)$ is the objectness, $t$ the deltas, $t^*$ the right ones. smooth is the square near 0 and "
            "the absolute value further out: large errors pull no harder than middling ones.",
        ),
        lines(
            "Training loss", rows, x="step", y="loss", series="part", log_y=True, y_title="loss", x_title="step",
            caption=f"Means of ten steps, each of {settings['batch']} freshly drawn scenes; by {by}.",
            name="loss",
        ),
        Table(
            f"Objects that a proposal covers with IoU ≥ 0.5, on {settings['test_scenes']} fresh scenes",
            [Column("when", "", align="left"), Column("share", "Covered", format=".0%"),
             Column("iou", "Mean best IoU", format=".2f"), Column("proposals", "Proposals a picture", format=".0f")],
            [{"when": when, **_recalled(trials, which)}
             for when, which in (("before training", "recall_before"), ("after", "recall"))],
            name="recall",
        ),
    ]  # fmt: skip


def _recalled(trials: Sequence[Any], which: str) -> dict[str, Summary]:
    found = [trial.result[which] for trial in trials]
    return {key: Summary.of([each[key] for each in found]) for key in ("share", "iou", "proposals")}


def _smooth(series: dict[int, float], window: int = 10) -> list[tuple[int, float]]:
    steps = sorted(series)
    chunks = [steps[i : i + window] for i in range(0, len(steps), window)]
    return [(chunk[0], float(np.mean([series[step] for step in chunk]))) for chunk in chunks]


def _left(found: dict[str, Any]) -> list[Any]:
    c, p = found["counts"], found["paper_anchors"]
    rows = [
        {"step": "anchors, k at every position", "here": c["anchors"], "paper": f"about 20,000 ({p['anchors']:,})"},
        {
            "step": "    inside the picture: used in training",
            "here": c["inside"],
            "paper": f"about 6,000 ({p['inside']:,})",
        },
        {"step": "decoded: one box an anchor", "here": c["decoded"], "paper": "about 20,000"},
        {"step": "    of them crossing the border: clipped", "here": c["crossing"], "paper": "–"},
        {"step": "not tiny", "here": c["large"], "paper": "–"},
        {"step": "the best by objectness", "here": c["best"], "paper": "6,000 or 2,000, by implementation"},
        {"step": "after non-maximum suppression", "here": c["kept"], "paper": "about 2,000"},
        {"step": "handed to the detector", "here": c["proposals"], "paper": "2,000 in training, 300 in use"},
        {"step": "    of them with p ≥ 0.5", "here": c["sure"], "paper": "–"},
    ]
    steps = ("anchors", "large", "best", "kept", "proposals", "sure")
    names = ("anchors", "clipped, not tiny", "best by objectness", "after suppression", "handed on", "p ≥ 0.5")
    return [
        Table(
            "Proposals after each step",
            [
                Column("step", "Step", align="left"),
                Column("here", "Here", format=",d"),
                Column("paper", "In the paper (by this page's count)", align="left"),
            ],
            rows,
            name="counts",
        ),
        _funnel([{"step": name, "count": c[key]} for key, name in zip(steps, names, strict=True)]),
    ]


def _funnel(rows: list[dict[str, Any]]) -> Figure:
    return bars(
        "The funnel", rows, x="step", y="count", log_y=True, y_format=",d", x_title="", y_title="boxes", name="funnel"
    )


def _checks(found: dict[str, Any], settings: dict[str, Any]) -> list[Any]:
    dx, dy, dw, dh = found["coding"]
    gap = found["torch_gap"]
    torch = (
        "PyTorch is not installed, so the checks by published numbers and by definition stand alone."
        if gap is None
        else f"With the trained weights PyTorch and this package's engine give the same objectness and deltas: the "
        f"largest difference in float64 is **{gap:.1g}**."
    )
    agrees = "agrees" if found["plain_nms"] else "**does not agree**"
    checks = [
        torch,
        "The coding on the published example, proposal (0, 0, 10, 20), truth (2, 3, 14, 18), weights 10, 10, 5, 5: "
        f"{dx:.8g}, {dy:.8g}, {dw:.8f}, −{-dh:.8f}; published 3, 0.25, 5·ln 1.2 = 0.91160778, 5·ln 0.75 = −1.43841036.",
        f"Suppression {agrees} with its definition (a box stays unless a better one that stays overlaps it by more "
        f"than {settings['threshold']:g}) on all {found['counts']['best']} boxes.",
    ]
    own = (
        " The picture is one's own, the network has seen drawn shapes alone: what it finds there shows the steps, not "
        "how good a detector can be."
        if settings["image"]
        else ""
    )
    return [
        "\n".join(f"- {check}" for check in checks),
        f"Assumed, each by option: the scenes, anchors of scales {', '.join(f'{s:g}' for s in settings['scales'])} and "
        f"ratios {', '.join(f'{r:g}' for r in settings['ratios'])}; objects from an IoU of "
        f"{settings['foreground']:g} on where the paper says 0.7, for so short a training needs more examples; "
        f"{settings['sampled']} anchors sampled where it samples 256. Assumed without an option: both parts of the "
        "loss weigh the same, one logit and a sigmoid stand for the paper's softmax over two classes, no “+1” on "
        f"widths, suppression where IoU is greater than the threshold, not equal.{own}",
    ]
