"""Do random crops and mirror images help SimpleNN, and with which options?

    x → crop of 32×32 from x with p pixels of zeros around it → its mirror image, by a coin

    underhood run augmentation
    underhood run augmentation --scale full --grid data.augmentation=[],[flip]

The decaying training of `lr-decay`, without augmentation, with each of the two alone, and with both over a small grid
of the crop's padding.

Source: homework "CEE 690/ECE 590", Duke University, 2021, lab 2 (a).
"""

from typing import Any

from underhood.data.augmentation.crop import Crop
from underhood.lab import Group, Results, Scale, Study
from underhood.report.document import Document
from underhood.studies.learning import laboratory
from underhood.studies.learning.results import called
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings

FLIP: dict[str, Any] = {"name": "flip"}
WAYS = [
    [],
    [FLIP],
    *([{"name": "crop", "padding": padding}, FLIP] for padding in (2, 4, 6)),
    [{"name": "crop", "padding": 4}],
]
SHEET, WITHOUT = laboratory.Sheet(0.7006), laboratory.Sheet(0.6742)  # with crop and flip, and without either
THEIRS = (["crop", "flip"], ["flip"])
ITS_OWN = (
    "The sheet found its figure after several tries with a flip of p = 0.5 and a crop whose `pad_if_needed` is on. It "
    "names no padding, so its figure stands beside every crop with a flip, and beside the flip alone."
)


def report(results: Results) -> Document:
    """Every way of augmenting beside the sheet's figures, what each brings, and the curves."""
    results = called(results, _way)
    answer = laboratory.along(results, sheet, "way of augmenting") + "\n\n" + _brought(results)
    return laboratory.report(ENTRY, results, sheet, answer, assumed=[ITS_OWN])


def _way(group: Group) -> str:
    steps = group.settings["data"]["augmentation"]
    said = (f"crop by {s.get('padding', Crop.padding)}" if s["name"] == "crop" else s["name"] for s in steps)
    return " and ".join(said) or "no augmentation"


def sheet(group: Group) -> laboratory.Sheet | None:
    """The sheet's figure: with both, whatever the padding; with the flip alone, as it may have been; with neither."""
    names = [step["name"] for step in group.settings["data"]["augmentation"]]
    return SHEET if names in THEIRS else None if names else WITHOUT


def _brought(results: Results) -> str:
    none = [group for group in results.groups if not group.settings["data"]["augmentation"]]
    others = [group for group in results.groups if group not in none]
    return " ".join(laboratory.compared(group.label, group, none[0]) for group in others) if none else ""


ENTRY = Study(
    name="augmentation",
    title="SimpleNN with random crops and flips",
    question="What do random crops and flips bring, and which of their options give the best result?",
    theme="Training",
    source=laboratory.SOURCE,
    settings=TrainingSettings,
    trial=train,
    base=laboratory.DECAYED,
    axes={"data.augmentation": WAYS},
    scales={
        "smoke": Scale(time="10 s", **laboratory.SMOKE),
        "quick": Scale(
            "none, flip, and both; 8 epochs, 2 seeds",
            seeds=2,
            set={"epochs": 8},
            axes={"data.augmentation": [WAYS[0], WAYS[1], WAYS[3]]},
            time="4 min on two cores",
        ),
        "full": Scale("30 epochs, 3 seeds", seeds=3, time="30 min on two cores"),
    },
    report=report,
    compares=("data.augmentation",),
)
