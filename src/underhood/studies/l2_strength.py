"""How does the strength of an L2 penalty affect SimpleNN's accuracy?

    ∂E/∂w ← ∂E/∂w + λ w        λ: 0.01, 0.001, 1e-4, 1e-5, 0, by the optimiser's `weight_decay` on all parameters

    underhood run l2-strength
    underhood run l2-strength --grid optimizer.weight_decay=0.003,0.001,0.0003

With augmentation, BatchNorm and Swish, at a rate of 0.01 without decay, as the sheet's fifth model of rates.

Source: homework "CEE 690/ECE 590", Duke University, 2021, lab 2 (c), part 2.
"""

from typing import Any

from underhood.lab import Group, Results, Scale, Study
from underhood.report.document import Document
from underhood.studies.learning import laboratory
from underhood.studies.learning.results import called
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings

SHEET = {0.01: 0.6544, 0.001: 0.7308, 1e-4: 0.7288, 1e-5: 0.7224, 0.0: 0.7284}


def report(results: Results) -> Document:
    """The accuracy at every strength beside the sheet's, what each brings over none, and the curves."""
    results = called(results, lambda group: f"λ = {strength(group):g}")
    answer = laboratory.along(results, sheet, "strength")
    none = [group for group in results.groups if strength(group) == 0]
    others = [group for group in results.groups if strength(group) > 0]
    if none:
        answer += "\n\n" + " ".join(laboratory.compared(group.label, group, none[0]) for group in others)
    return laboratory.report(ENTRY, results, sheet, answer)


def strength(group: Group) -> float:
    """The group's λ."""
    return float(group.settings["optimizer"].get("weight_decay", 0.0))


def sheet(group: Group) -> laboratory.Sheet | None:
    """The sheet's figure at this strength."""
    found = SHEET.get(strength(group))
    return None if found is None else laboratory.Sheet(found)


def _axes(*strengths: float) -> dict[str, list[dict[str, Any]]]:
    return {"optimizer": [{**laboratory.SGD, "weight_decay": each} for each in strengths]}


ENTRY = Study(
    name="l2-strength",
    title="SimpleNN at five strengths of L2",
    question="How does the strength of L2 regularisation affect the accuracy?",
    theme="Regularisation",
    source=laboratory.SOURCE,
    settings=TrainingSettings,
    trial=train,
    base=laboratory.SWISH | {"optimizer": laboratory.SGD},
    axes=_axes(*SHEET),
    scales={
        "smoke": Scale(time="10 s", **laboratory.SMOKE),
        "quick": Scale(
            "0.01, 0.001 and 0, 8 epochs, 2 seeds",
            seeds=2,
            set={"epochs": 8},
            axes=_axes(0.01, 0.001, 0.0),
            time="4 min on two cores",
        ),
        "full": Scale("30 epochs, 3 seeds", seeds=3, time="25 min on two cores"),
    },
    report=report,
    compares=("optimizer",),
)
