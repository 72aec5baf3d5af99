"""Claim 5: dropout always works well together with L-norm regularisation.

Two by two: neither, dropout alone, an L2 penalty alone, both, at several strengths of the penalty. They "work well
together" when both make fewer errors than either alone; "always" asks it at every strength.

Source: homework "CEE 690/ECE 590", Duke University, 2021, problem 1.5.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from underhood.figures import bars
from underhood.lab import Group, Summary
from underhood.report.document import Block
from underhood.studies.claims.claim import Bench, Claim, Count, Ladder, Share, computed, images_of, over_seeds
from underhood.studies.claims.lessons import perceptron
from underhood.studies.claims.verdicts import Finding
from underhood.tables import Column, Table, number
from underhood.trials import Event, Metric, Result

ALONE = {"dropout": "dropout", "l2": "L2"}


def measure(
    bench: Bench,
    *,
    images: Count,
    test: Count,
    hidden: Count,
    epochs: Count,
    strengths: Ladder,
    dropout: Share = 0.5,
) -> Iterator[Event]:
    """Errors on held-out images of all combinations."""
    lesson = bench.lesson("mnist", images, test)
    learner = bench.learner()

    def error(rate: float, l2: float) -> float:
        net = learner.build(partial(perceptron, lesson=lesson, hidden=hidden, dropout=rate))
        return learner.error(learner.trained(net, lesson, epochs=epochs, lr=0.05, l2=l2), lesson)

    neither, alone = error(0.0, 0.0), error(dropout, 0.0)
    yield Metric(0, {"error_neither": neither, "error_dropout": alone})
    rows: list[dict[str, Any]] = []
    for i, strength in enumerate(strengths, 1):
        rows.append({"strength": strength, "l2": error(0.0, strength), "both": error(dropout, strength)})
        yield Metric(i, {"error_l2": rows[-1]["l2"], "error_both": rows[-1]["both"]})
    yield Result({"data": lesson.name, "rate": dropout, "neither": neither, "dropout": alone, "strengths": rows})


def saved(group: Group, which: int, alone: str) -> Summary:
    """Errors that both save over one alone, seed by seed."""

    def of(found: dict[str, Any]) -> float:
        row = found["strengths"][which]
        return float((found["dropout"] if alone == "dropout" else row["l2"]) - row["both"])

    return computed(group, of)


def findings(group: Group) -> list[Finding]:
    return [
        Finding(
            f"errors that both save over {title} alone, L2 {row['strength']:g}",
            saved(group, i, alone),
            "above",
            scale=100,
            format=".2f",
            unit=" points",
        )
        for i, row in enumerate(group.counted[0].result["strengths"])
        for alone, title in ALONE.items()
    ]


def told(group: Group) -> list[Block]:
    found = group.counted[0].result
    rows = []
    for i, row in enumerate(found["strengths"]):
        rows.append(
            {
                "strength": row["strength"],
                "neither": over_seeds(group, "neither"),
                "dropout": over_seeds(group, "dropout"),
                **{how: over_seeds(group, "strengths", i, how) for how in ("l2", "both")},
            }
        )
    drawn = [
        {
            "strength": f"L2 {number(row['strength'])}",
            "how": title,
            "error": row[how].mean,
            "low": row[how].low,
            "high": row[how].high,
        }
        for row in rows
        for how, title in (("neither", "neither"), ("dropout", "dropout"), ("l2", "L2"), ("both", "both"))
    ]
    return [
        Table(
            f"Errors on held-out images ({images_of(found['data'])}), dropout {found['rate']:g}",
            [Column("strength", "L2 strength", format="g"), Column("neither", "Neither", format=".2%"),
             Column("dropout", "Dropout alone", format=".2%"), Column("l2", "L2 alone", format=".2%"),
             Column("both", "Both", format=".2%")],
            rows, foot=["The strength is the λ of λ/2·Σw², PyTorch's weight_decay."], name="dropout-and-l2",
        ),
        bars("Two by two", drawn, x="strength", y="error", series="how", band=("low", "high"), y_format=".1%",
             x_title="", y_title="wrong answers", name="dropout-and-l2-errors"),
    ]  # fmt: skip


ENTRY = Claim(
    name="dropout-and-l2",
    statement="Dropout always works well together with L-norm regularisation.",
    sheet=False,
    experiment="A perceptron learns from few images with neither, with dropout, with an L2 penalty and with both. "
    "Working well together means that both make fewer errors than either alone.",
    because="Both hold the network back. Where one is already enough, the other costs fit and gives nothing for it.",
    measure=measure,
    sizes={
        "tiny": {"images": 300, "test": 300, "hidden": 64, "epochs": 6, "strengths": [1e-2]},
        "small": {"images": 1000, "test": 2000, "hidden": 256, "epochs": 20, "strengths": [1e-3, 1e-2]},
        "large": {"images": 5000, "test": 10_000, "hidden": 512, "epochs": 40, "strengths": [1e-4, 1e-3, 1e-2]},
    },
    findings=findings,
    told=told,
)
