"""Where do SimpleNN's weights lie after training under an L1 penalty and under an L2 penalty?

    L1    E + λ Σ|w|          a pull of λ towards zero, as strong for the smallest weight
    L2    E + λ/2 Σw²         a pull of λ w, which fades with the weight

    underhood run l1-vs-l2
    underhood run l1-vs-l2 --set penalty.l1=0.0001

With augmentation, BatchNorm and Swish, at a rate of 0.01 without decay: λ = 0.001 of either, over all parameters. L2 is
the optimiser's `weight_decay`, L1 a term of the loss, as the sheet does it. A weight counts as near zero if it is below
0.001, and, since a penalty may shrink a whole layer, if it is below 1 % of its layer's largest.

Source: homework "CEE 690/ECE 590", Duke University, 2021, lab 2 (c), part 3.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from underhood.figures import Figure, histogram
from underhood.lab import Group, Results, Scale, Study, Summary
from underhood.report.document import Document, Section
from underhood.studies.learning import laboratory
from underhood.studies.learning.results import called, estimate
from underhood.tables import Column, Table
from underhood.training.learner import NetworkLearner
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings

SMALL, RELATIVE = 1e-3, 0.01
SHEET = {"L1 0.001": laboratory.Sheet(0.6300), "L2 0.001": laboratory.Sheet(0.7308)}
Weights = dict[str, "np.ndarray[Any, Any]"]


def report(results: Results) -> Document:
    """The fractions of weights near zero at the accuracies reached, layer by layer, and the histograms."""
    results = called(results, penalty)
    sections = [
        Section("Near zero", [_fractions(results), *_histograms(results)]),
    ]
    return laboratory.report(ENTRY, results, sheet, _answer(results), sections, assumed=[ITS_OWN])


ITS_OWN = (
    "The penalties are of equal λ, as on the sheet, not of equal strength: L1's pull on a small weight is far the "
    "stronger. So the accuracies stand beside the fractions; what each does at equal accuracy is claim 6 of "
    "`concept-claims`."
)


def penalty(group: Group) -> str:
    """`L1 0.001`, `L2 0.001`, both, or `no penalty`."""
    l1, l2 = group.settings["penalty"]["l1"], group.settings["optimizer"].get("weight_decay", 0.0)
    return " and ".join([f"L1 {l1:g}"] * (l1 > 0) + [f"L2 {l2:g}"] * (l2 > 0)) or "no penalty"


def sheet(group: Group) -> laboratory.Sheet | None:
    """The sheet's figure under this penalty."""
    return SHEET.get(penalty(group))


# ---- the weights


@lru_cache(maxsize=64)
def weights(path: Path) -> Weights:
    """Each layer's weights, flattened, as a trial left them; neither biases nor BatchNorm's scales."""
    from underhood.weights import load

    kept = {key.removesuffix(".weight"): np.asarray(value) for key, value in load(path).items()}
    return {layer: kept[layer].ravel() for layer in sorted(kept, key=_in_order) if kept[layer].ndim > 1}


def _in_order(name: str) -> list[str | int]:
    """`10` behind `9`: names and numbers by turns."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _of(group: Group) -> list[Weights]:
    return [weights(trial.artefact(NetworkLearner.file)) for trial in group.counted]


def near_zero(layers: Weights) -> tuple[float, float]:
    """The fractions of weights below 0.001, and below 1 % of their layer's largest."""
    small = [np.abs(w) < SMALL for w in layers.values()]
    relative = [np.abs(w) < RELATIVE * np.abs(w).max() for w in layers.values()]
    return float(np.concatenate(small).mean()), float(np.concatenate(relative).mean())


def _summary(group: Group, of: int, layer: str | None = None) -> Summary | None:
    found = [near_zero(each if layer is None else {layer: each[layer]})[of] for each in _of(group)]
    return Summary.of(found) if found else None


# ---- what is said of them


def _answer(results: Results) -> str:
    said = []
    for group in results.groups:
        small, relative = _summary(group, 0), _summary(group, 1)
        if small is None or relative is None:
            said.append(f"- **{group.label}**: {laboratory.lost(group)}.")
            continue
        said.append(
            f"- **{group.label}**: {estimate(small, 1)} of the weights are below {SMALL:g} and {estimate(relative, 1)} "
            f"below 1 % of their layer's largest, at an accuracy of {laboratory.beside_the_sheet(group, sheet(group))}."
        )
    return "\n".join(said) + "\n\n" + _sparser(results)


def _sparser(results: Results) -> str:
    """Whether L1's weights are sparser than L2's, by both measures, seed by seed."""
    by = {group.label: group for group in results.groups}
    l1 = [group for label, group in by.items() if label.startswith("L1") and "and" not in label]
    l2 = [group for label, group in by.items() if label.startswith("L2")]
    if len(l1) != 1 or len(l2) != 1:
        return "One training under each penalty is needed to say which leaves more weights near zero."
    seeds = sorted({t.seed for t in l1[0].counted} & {t.seed for t in l2[0].counted})
    if not seeds:
        return "No seed finished under both penalties, so nothing is said of which leaves more weights near zero."
    of = [{t.seed: near_zero(weights(t.artefact(NetworkLearner.file))) for t in g.counted} for g in (l1[0], l2[0])]
    verdicts = []
    for i, measure in enumerate((f"below {SMALL:g}", "below 1 % of the largest")):
        found = Summary.of([100 * (of[0][seed][i] - of[1][seed][i]) for seed in seeds])
        said = f"Weights {measure}: {found.mean:+.1f} points under {l1[0].label} against {l2[0].label}"
        if found.low is None or found.high is None:
            verdicts.append(f"{said} (one seed).")
        else:
            word = "sparser" if found.low > 0 else "less sparse" if found.high < 0 else "not told apart"
            verdicts.append(f"{said} [{found.low:+.1f}, {found.high:+.1f}], **{word}**.")
    return " ".join(verdicts)


def _fractions(results: Results) -> Table:
    rows = [
        {
            "penalty": group.label,
            "layer": layer or "all",
            "small": _summary(group, 0, layer),
            "relative": _summary(group, 1, layer),
        }
        for group in results.groups
        if group.counted
        for layer in (*_of(group)[0], None)
    ]
    columns = [
        Column("penalty", "Penalty", align="left"),
        Column("layer", "Layer", align="left"),
        Column("small", f"Weights below {SMALL:g}", format=".1%"),
        Column("relative", "Below 1 % of the layer's largest", format=".1%"),
    ]
    return Table("Weights near zero", columns, rows, name="near-zero")


def _histograms(results: Results) -> Iterator[Figure]:
    """A figure a layer, of the first seed that counts; the same bins for all penalties."""
    first = {group.label: _of(group)[0] for group in results.groups if group.counted}
    for layer in dict.fromkeys(layer for of in first.values() for layer in of):
        rows = [{"weight": float(w), "penalty": label} for label, of in first.items() for w in of.get(layer, ())]
        yield histogram(
            f"Weights of {layer}",
            rows,
            x="weight",
            series="penalty",
            bins=60,
            x_title="weight",
            name=f"histogram-{layer}",
            caption="How many weights lie in each step, of the first seed.",
        )


def _optimizer(weight_decay: float) -> dict[str, Any]:
    return {**laboratory.SGD, "weight_decay": weight_decay}


PENALTIES: list[dict[str, list[Any]]] = [
    {"penalty.l1": [0.001], "optimizer": [_optimizer(0.0)]},
    {"penalty.l1": [0.0], "optimizer": [_optimizer(0.001), _optimizer(0.0)]},
]
ENTRY = Study(
    name="l1-vs-l2",
    title="SimpleNN's weights under L1 and L2",
    question="How are the weights of each layer distributed after training under L1 and under L2?",
    theme="Regularisation",
    source=laboratory.SOURCE,
    settings=TrainingSettings,
    trial=train,
    base=laboratory.SWISH | {"optimizer": laboratory.SGD, "penalty.of": "all"},
    axes=PENALTIES,
    scales={
        "smoke": Scale(time="10 s", **laboratory.SMOKE),
        "quick": Scale("8 epochs, 2 seeds", seeds=2, set={"epochs": 8}, time="4 min on two cores"),
        "full": Scale("30 epochs, 3 seeds", seeds=3, time="15 min on two cores"),
    },
    report=report,
    compares=("penalty", "optimizer"),
)
