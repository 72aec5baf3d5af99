"""Claim 5: dropout always works well together with L-norm regularisation.

Two by two: neither, dropout alone, a penalty alone, both, for L2 and L1 at several strengths. Were they good company,
dropout would save at least as many errors beside the penalty as it saves alone:

    interaction = (both − penalty alone) − (dropout alone − neither)  ≤ 0        in errors on test images

"Always" asks it of every penalty. A penalty that is too strong or too weak by itself does not enter: it stands on both
sides of the difference.

Source: homework "CEE 690/ECE 590", Duke University, 2021, problem 1.5.
"""

from collections.abc import Iterator
from typing import Any

from underhood.figures import bars
from underhood.lab import Group, Summary
from underhood.report.document import Block, Equation
from underhood.studies.claims.claim import (
    Claim,
    Count,
    Fraction,
    Ladder,
    computed,
    images_of,
    over_seeds,
    spelled,
)
from underhood.studies.claims.experiment import Experiment
from underhood.studies.claims.verdicts import Finding, Word
from underhood.studies.learning.results import percent
from underhood.tables import Column, Table, number
from underhood.trials import Event, Metric, Result

TITLES = {"l2": "L2", "l1": "L1"}
LR = 0.01  # at 0.05 dropout saves nothing even alone
FITTED = 0.02  # training error above which a network has not been trained long enough to need either


def measure(
    experiment: Experiment,
    *,
    images: Count,
    test: Count,
    hidden: Count,
    epochs: Count,
    l2: Ladder,
    l1: Ladder,
    dropout: Fraction = 0.5,
) -> Iterator[Event]:
    """Errors on test images of all combinations."""
    found: dict[str, Any] = {"rate": dropout}

    def errors(p: float, **penalty: float) -> dict[str, float]:
        network = {"name": "mlp", "hidden": [hidden, hidden], "dropout": p}
        settings = experiment.settings(
            "mnist", images, test, network=network, optimizer={"lr": LR}, epochs=epochs, penalty=penalty
        )
        training = experiment.training(settings).finish()
        found["data"] = settings.data.name
        return {"error": training.error(), "fitted": training.asked()[1]}

    found |= {"neither": errors(0.0), "dropout": errors(dropout), "penalties": []}
    yield Metric(0, {"error_neither": found["neither"]["error"], "error_dropout": found["dropout"]["error"]})
    for i, (kind, strength) in enumerate([*(("l2", s) for s in l2), *(("l1", s) for s in l1)], 1):
        row = {"alone": errors(0.0, **{kind: strength}), "both": errors(dropout, **{kind: strength})}
        found["penalties"].append({"kind": kind, "strength": strength, **row})
        yield Metric(i, {"error_alone": row["alone"]["error"], "error_both": row["both"]["error"]})
    yield Result(found)


def interaction(group: Group, which: int) -> Summary:
    """How many more errors dropout makes beside the penalty than it makes alone, seed by seed."""

    def of(found: dict[str, Any]) -> float:
        row = found["penalties"][which]
        beside = row["both"]["error"] - row["alone"]["error"]
        return float(beside - (found["dropout"]["error"] - found["neither"]["error"]))

    return computed(group, of)


def _penalties(group: Group) -> list[str]:
    return [f"{TITLES[row['kind']]} {row['strength']:g}" for row in group.counted[0].result["penalties"]]


def findings(group: Group) -> list[Finding]:
    return [
        Finding(
            f"interaction of dropout and {title}",
            interaction(group, i),
            "below",
            scale=100,
            format=".2f",
            unit=" points",
        )
        for i, title in enumerate(_penalties(group))
    ]


def because(group: Group, word: Word) -> str:
    alone = computed(group, lambda found: found["neither"]["error"] - found["dropout"]["error"]).mean
    titles, interactions = _penalties(group), [interaction(group, i).mean for i in range(len(_penalties(group)))]
    worst = max(range(len(titles)), key=lambda i: interactions[i])
    said = f"Alone, dropout saves {spelled(alone, digits=2)} of errors; beside {titles[worst]} it saves "
    said += f"{spelled(alone - interactions[worst], digits=2)}."
    if word == "refuted":
        said += " Both hold the network back: where one is already enough, the other has little left to give."
    return said


def caveat(group: Group) -> str:
    fitted = over_seeds(group, "neither", "fitted").mean
    if fitted <= FITTED:
        return ""
    wrong = percent(fitted, 0)
    return f"without either the network still gets {wrong} of its training images wrong, so it needs neither yet"


def shown(group: Group) -> list[Block]:
    found = group.counted[0].result
    rows, drawn = [], []
    for i, (row, title) in enumerate(zip(found["penalties"], _penalties(group), strict=True)):
        errors = {
            "neither": over_seeds(group, "neither", "error"),
            "dropout": over_seeds(group, "dropout", "error"),
            "alone": over_seeds(group, "penalties", i, "alone", "error"),
            "both": over_seeds(group, "penalties", i, "both", "error"),
        }
        rows.append({"penalty": title, **errors, "interaction": interaction(group, i)})
        drawn += [
            {
                "penalty": f"{TITLES[row['kind']]} {number(row['strength'])}",
                "how": how,
                "error": error.mean,
                "low": error.low,
                "high": error.high,
            }
            for how, error in zip(("neither", "dropout alone", "penalty alone", "both"), errors.values(), strict=True)
        ]
    return [
        Equation(
            r"\text{interaction} = (e_{\text{both}} - e_{\text{penalty}}) - (e_{\text{dropout}} - e_{\text{neither}})",
            "$e$: the fraction of test images answered wrongly. Above 0: dropout saves less beside the penalty.",
        ),
        Table(
            f"Errors on test images ({images_of(found['data'])}), dropout {found['rate']:g}",
            [
                Column("penalty", "Penalty", align="left"),
                Column("neither", "Neither", format=".2%"),
                Column("dropout", "Dropout alone", format=".2%"),
                Column("alone", "Penalty alone", format=".2%"),
                Column("both", "Both", format=".2%"),
                Column("interaction", "Interaction", format=".2%"),
            ],
            rows,
            foot=["The strength is the λ of λ/2·Σw² (L2) and of λ·Σ|w| (L1), over all matrices."],
            name="dropout-and-l2",
        ),
        bars(
            "Two by two",
            drawn,
            x="penalty",
            y="error",
            series="how",
            band=("low", "high"),
            y_format=".1%",
            x_title="",
            y_title="wrong answers",
            name="dropout-and-l2-errors",
        ),
    ]


ENTRY = Claim(
    name="dropout-and-l2",
    topic="dropout with L1 and L2",
    statement="Dropout always works well together with L-norm regularisation.",
    sheet=False,
    experiment="A perceptron learns from few images, until it knows them by heart, with neither, with dropout, with a "
    "penalty and with both. Working well together means that dropout saves at least as many errors beside the penalty "
    "as it saves alone.",
    because=because,
    caveat=caveat,
    measure=measure,
    sizes={
        "tiny": {"images": 300, "test": 300, "hidden": 64, "epochs": 20, "l2": [1e-2], "l1": [1e-3]},
        "small": {"images": 1000, "test": 5000, "hidden": 256, "epochs": 30, "l2": [1e-3, 1e-2], "l1": [3e-4, 1e-3]},
        "large": {
            "images": 5000,
            "test": 10_000,
            "hidden": 512,
            "epochs": 60,
            "l2": [1e-4, 1e-3, 1e-2],
            "l1": [1e-5, 1e-4, 1e-3],
        },
    },
    findings=findings,
    shown=shown,
)
