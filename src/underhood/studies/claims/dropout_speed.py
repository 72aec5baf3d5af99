"""Claim 4: dropout speeds training up and secures convergence.

One perceptron, with dropout 0.5 behind its hidden layers and without, from the same initial weights, at every rate of a
ladder: how many steps until its loss on training images, evaluated with dropout off, is below a goal, and how long a
step takes. Speed is compared at each one's best rate; convergence is how many rates get there at all. What does not get
there counts with all the steps it took, which favours it.

Source: Srivastava et al. 2014; homework "CEE 690/ECE 590", Duke University, 2021, problem 1.4.
"""

import math
from collections.abc import Iterator
from typing import Any

from underhood.figures import lines
from underhood.lab import Group
from underhood.report.document import Block
from underhood.studies.claims.claim import (
    Claim,
    Count,
    Fraction,
    Ladder,
    Positive,
    computed,
    images_of,
    over_seeds,
)
from underhood.studies.claims.experiment import Experiment
from underhood.studies.claims.verdicts import Finding, Word
from underhood.tables import Column, Table
from underhood.trials import Event, Metric, Result

EVALUATED = 500  # training images that the loss is taken of
SHORT = {"without": "plain", "with": "dropout"}
TITLES = {"without": "without dropout", "with": "with dropout"}


def measure(
    experiment: Experiment,
    *,
    images: Count,
    hidden: Count,
    goal: Positive,
    epochs: Count,
    every: Count,
    rates: Ladder,
    dropout: Fraction = 0.5,
) -> Iterator[Event]:
    """Steps to the goal at every rate, and the loss along the way, evaluated every few steps."""
    found: dict[str, Any] = {"goal": goal, "dropout": dropout, "every": every, "rates": list(rates)}
    for how, p in (("without", 0.0), ("with", dropout)):
        found[how] = []
        for i, rate in enumerate(rates):
            network = {"name": "mlp", "hidden": [hidden, hidden], "dropout": p}
            settings = experiment.settings(
                "mnist", images, 500, network=network, optimizer={"lr": rate}, epochs=epochs, log_every=every
            )
            training = experiment.training(settings)
            reached = None
            for metric in training.metrics():
                if "train_loss" in metric.values and metric.step % every == 0:
                    loss, _ = training.asked(first=EVALUATED)
                    yield Metric(metric.step, {f"loss_{how}_{i}": loss})
                    reached = metric.step if reached is None and loss < goal else reached
            result = training.result
            found["data"] = settings.data.name
            found[how].append(
                {
                    "reached": reached,
                    "steps": reached or result["steps"],
                    "milliseconds": 1000 * result["seconds"] / result["steps"],
                    "error": result.get("test_error"),
                }
            )
    yield Result(found)


def steps(found: dict[str, Any], how: str) -> int:
    """Steps to the goal at the best rate."""
    return min(int(each["steps"]) for each in found[how])


def reaching(found: dict[str, Any], how: str) -> int:
    """How many rates reach the goal."""
    return sum(each["reached"] is not None for each in found[how])


def milliseconds(found: dict[str, Any], how: str) -> float:
    """The time of a step, the mean over the rates."""
    return float(sum(each["milliseconds"] for each in found[how]) / len(found[how]))


def findings(group: Group) -> list[Finding]:
    """The claim needs fewer steps with dropout, and more rates that get there."""
    ratio = computed(group, lambda found: math.log2(steps(found, "with") / steps(found, "without")))
    more = computed(group, lambda found: reaching(found, "with") - reaching(found, "without"))
    return [
        Finding(
            "doublings of the steps to the goal by dropout, at the best rate of each", ratio, "below", format=".2f"
        ),
        Finding("rates that reach the goal, with less without dropout", more, "above", format=".1f", unit=" rates"),
    ]


def because(group: Group, word: Word) -> str:
    taken = {how: computed(group, lambda found, how=how: steps(found, how)).mean for how in TITLES}  # type: ignore[misc]
    there = {how: computed(group, lambda found, how=how: reaching(found, how)).mean for how in TITLES}  # type: ignore[misc]
    cost = computed(group, lambda found: milliseconds(found, "with") / milliseconds(found, "without")).mean
    rates = len(group.counted[0].result["rates"])
    said = (
        f"At its best rate each took, in the mean, {taken['with']:,.0f} steps with dropout and {taken['without']:,.0f} "
        f"without; of {rates} rates {there['with']:.2g} and {there['without']:.2g} got there. "
        f"A step with dropout took {cost:.2f} times as long."
    )
    if word == "refuted" and taken["with"] > taken["without"]:
        said += (
            " With dropout every step sees a thinned network and a noisier gradient; it is meant against overfitting."
        )
    return said


def shown(group: Group) -> list[Block]:
    found = group.counted[0].result
    band = " The band is the 95 % interval." if len(group.counted) > 1 else ""
    rows, drawn = [], []
    for how, title in TITLES.items():
        for i, rate in enumerate(found["rates"]):
            there = sum(trial.result[how][i]["reached"] is not None for trial in group.counted)
            rows.append(
                {
                    "how": title,
                    "rate": rate,
                    "steps": over_seeds(group, how, i, "steps"),
                    "there": f"{there} of {len(group.counted)}",
                    "milliseconds": over_seeds(group, how, i, "milliseconds"),
                }
            )
            curve = group.curve(f"loss_{how}_{i}")
            drawn += curve.rows(how=f"{SHORT[how]} {rate:g}") if curve else []
    return [
        Table(
            f"Until the training loss is below {found['goal']:g} ({images_of(found['data'])})",
            [
                Column("how", "", align="left"),
                Column("rate", "Learning rate", format="g"),
                Column("steps", "Steps", format=",.0f"),
                Column("there", "Seeds that got there", align="left"),
                Column("milliseconds", "Time of a step", unit="ms", format=".2f"),
            ],
            rows,
            foot=[
                f"The loss is evaluated every {found['every']} steps, with dropout off. A seed that did not get there "
                "counts with all the steps that it was given."
            ],
            name="dropout-speed",
        ),
        lines(
            "Training loss, evaluated with dropout off",
            drawn,
            x="step",
            y="mean",
            series="how",
            band=("low", "high"),
            log_y=True,
            x_title="step",
            y_title="cross-entropy",
            name="dropout-loss",
            caption=f"By learning rate. Dropout {found['dropout']:g} behind both hidden layers.{band}",
        ),
    ]


ENTRY = Claim(
    name="dropout-speed",
    topic="dropout and speed",
    statement="Dropout speeds training up and secures convergence.",
    sheet=False,
    experiment="A perceptron with two hidden layers learns with and without dropout, from the same initial weights, at "
    "several learning rates. Counted are the steps until the training loss, evaluated with dropout off, is below a "
    "goal, and the rates that get there.",
    because=because,
    measure=measure,
    sizes={
        "tiny": {"images": 300, "hidden": 64, "goal": 0.3, "epochs": 15, "every": 3, "rates": [0.02, 0.05]},
        "small": {
            "images": 2000,
            "hidden": 128,
            "goal": 0.1,
            "epochs": 20,
            "every": 8,
            "rates": [0.01, 0.03, 0.1, 0.3],
        },
        "large": {
            "images": 20_000,
            "hidden": 256,
            "goal": 0.05,
            "epochs": 20,
            "every": 25,
            "rates": [0.01, 0.03, 0.1, 0.3],
        },
    },
    findings=findings,
    shown=shown,
)
