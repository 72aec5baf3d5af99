"""Does Swish, x·σ(x), in place of every ReLU improve SimpleNN?

    underhood run swish
    underhood run swish --grid network.activation=ReLU,Swish,SiLU,GELU

The augmented, decaying training with BatchNorm. `Swish` is written out as a product (networks/blocks.py), as the sheet
asks; `SiLU` is the same function as one operation.

Source: homework "CEE 690/ECE 590", Duke University, 2021, lab 2 (b), part 3; Ramachandran, Zoph & Le 2017.
"""

from underhood.lab import Group, Results, Scale, Study
from underhood.report.document import Document, Equation, Section
from underhood.studies.learning import laboratory
from underhood.studies.learning.results import called
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings

SHEET = {"ReLU": laboratory.Sheet(0.7182, 35), "Swish": laboratory.Sheet(0.7180, 35)}


def report(results: Results) -> Document:
    """Both accuracies beside the sheet's, their difference seed by seed, and the curves."""
    results = called(results, activation)
    answer = laboratory.stepwise(results, sheet, before=lambda group: activation(group) == "ReLU")
    return laboratory.report(ENTRY, results, sheet, answer, [Section("The two", [FORMULA])], assumed=[ITS_OWN])


FORMULA = Equation(
    r"\mathrm{swish}(x) = x\,\sigma(x) = \frac{x}{1 + e^{-x}}, \qquad \mathrm{relu}(x) = \max(x, 0)",
    "Swish is smooth, dips below zero, and lets a little of what is negative through.",
)
ITS_OWN = (
    "The sheet's figure with ReLU is that of its training with BatchNorm, over 35 epochs; both have 35 at full scale."
)


def activation(group: Group) -> str:
    """The name of the activation."""
    return str(group.settings["network"].get("activation", "ReLU"))


def sheet(group: Group) -> laboratory.Sheet | None:
    """The sheet's figure, where it has one."""
    return SHEET.get(activation(group))


ENTRY = Study(
    name="swish",
    title="SimpleNN with Swish",
    question="Does Swish in place of every ReLU improve SimpleNN?",
    theme="Training",
    source=laboratory.SOURCE,
    settings=TrainingSettings,
    trial=train,
    base={key: value for key, value in laboratory.NORMALISED.items() if "network" not in key} | {"epochs": 35},
    axes={"network": [{"name": "simple-nn", "batch_norm": True, "activation": phi} for phi in SHEET]},
    scales={
        "smoke": Scale(time="10 s", **laboratory.SMOKE),
        "quick": Scale("8 epochs, 2 seeds", seeds=2, set={"epochs": 8}, time="3 min on two cores"),
        "full": Scale("35 epochs, 3 seeds", seeds=3, time="20 min on two cores"),
    },
    report=report,
    compares=("network",),
)
