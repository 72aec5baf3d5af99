"""The report's section on dropout's two scalings: what scaling.py measured on the networks that were trained."""

from collections.abc import Sequence
from typing import Any

from underhood.lab import Group, Results
from underhood.report.document import Block, Equation
from underhood.studies.learning.results import percent
from underhood.tables import Column, Table

CHANCE = 3.0  # standard errors, root mean square, up to which a mean over masks counts as what chance gives
SCALINGS: list[Block] = [
    "The sheet scales the weights when a network trained with dropout is used, “by the dropout probability”: it is the "
    "probability of keeping, 0.8 at the input and 0.5 at hidden layers, that is meant. PyTorch, and this engine, scale "
    "what is kept by 1/q while training, and then nothing when the network is used:",
    Equation(
        r"\begin{aligned} \text{PyTorch's:} \quad & z = W \, \frac{a \odot m}{q} + b & & \to & & z = W a + b \\ "
        r"\text{the sheet's:} \quad & z = W' (a \odot m) + b & & \to & & z = q \, W' a + b \end{aligned}",
        "Left while training, right when used; $a$: what goes into the layer; $m$: 1 with probability $q$, else 0, so "
        "that its mean is $q$. With $W' = W/q$ both are one network, mask by mask and when used, and the mean of the "
        "left over the masks is the right. That is so layer by layer: behind a ReLU the mean is no longer carried on "
        "exactly, for the mean of a ReLU is not the ReLU of the mean.",
    ),
]


def shown(results: Results) -> list[Block]:
    """The two scalings on the first network trained with dropout of every rule."""
    found = [(g, t.result["scaling"]) for g in results.groups for t in g.counted[:1] if t.result.get("scaling")]
    if not found:
        return []
    rows = [
        {
            "rule": group.label,
            "layer": each["layer"],
            "kept": 1 - each["p"],
            "by_mask": each["by_mask"],
            "when_used": each["when_used"],
            "apart": each["apart"],
            "errors": each["errors"],
            "both": each["both"],
        }
        for group, said in found
        for each in said["layers"]
    ]
    columns = [
        Column("rule", "Trained with", align="left"),
        Column("layer", "Layer", align="left"),
        Column("kept", "Kept", format=".2g", help="1 − p, of what goes into the layer"),
        Column("by_mask", "Ways apart, by mask", format=".1g", help="the largest difference of the two, any mask"),
        Column("when_used", "when used", format=".1g", help="the largest difference of the two"),
        Column("apart", "Mean off", format=".2%", help="the masks' mean from what is used, root mean square"),
        Column("errors", "in standard errors", format=".2f", help="the same in the standard errors of that mean"),
        Column("both", "Left if scaled twice", format=".2f", help="of the layer's output, less its bias"),
    ]
    masks, images = found[0][1]["masks"], found[0][1]["images"]
    foot = [
        f"Of {masks} masks and {images} validation images, with the first seed's weights; differences are fractions of "
        "the layer's root mean square."
    ]
    table = Table("Layer by layer", columns, rows, foot, name="scaling")
    return [*SCALINGS, _equal(rows), table, _twice(found)]


def _equal(rows: Sequence[dict[str, Any]]) -> str:
    """Whether the measured means agree with what is used, as far as chance lets one see."""
    worst, ways = max(row["errors"] for row in rows), max(max(row["by_mask"], row["when_used"]) for row in rows)
    same = "the same to rounding" if ways < 1e-4 else f"**not the same: {ways:.1e} apart**"
    if worst < CHANCE:
        verdict = "which is what chance gives: **equal in expectation**, layer by layer"
    else:
        verdict = "more than chance gives: **not equal in expectation**"
    return f"The two ways are {same}. The mean over the masks is at most {worst:.2f} standard errors off, {verdict}."


def _twice(found: Sequence[tuple[Group, dict[str, Any]]]) -> str:
    """What scaling both times does to whole networks."""
    said = [
        f"{group.label}: validation loss {s['both']['loss']:.3f} instead of {s['right']['loss']:.3f}, error "
        f"{percent(s['both']['error'])} instead of {percent(s['right']['error'])}"
        for group, s in found
    ]
    twice = f"Never both: scaled while training and again when used, the networks give {'; '.join(said)}."
    if any(s["both"]["loss"] < s["right"]["loss"] for _, s in found):
        twice += (
            " Where the loss fell the network had been too sure of itself, which smaller logits hide; its layers are "
            "fed too little all the same."
        )
    return twice
