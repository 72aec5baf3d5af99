"""Claim 4: dropout speeds training up and secures convergence.

One perceptron, with dropout 0.5 behind its hidden layers and without, from the same first weights: how many steps
until its loss on training images, asked with dropout off, is below a goal. What does not get there counts with all
the steps it took, which favours it.

Source: Srivastava et al. 2014; homework "CEE 690/ECE 590", Duke University, 2021, problem 1.4.
"""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

from underhood.figures import lines
from underhood.lab import Group
from underhood.report.document import Block
from underhood.studies.claims.claim import Bench, Claim, Count, Positive, Share, computed, images_of, over_seeds
from underhood.studies.claims.lessons import perceptron
from underhood.studies.claims.verdicts import Finding
from underhood.tables import Column, Table
from underhood.trials import Event, Metric, Result

ASKED = 500  # training images that the loss is asked of
TITLES = {"without": "without dropout", "with": "with dropout"}


def measure(
    bench: Bench,
    *,
    images: Count,
    hidden: Count,
    goal: Positive,
    epochs: Count,
    every: Count,
    dropout: Share = 0.5,
) -> Iterator[Event]:
    """Steps to the goal, and the loss along the way, asked every few steps."""
    lesson = bench.lesson("mnist", images, 500)
    learner = bench.learner()
    found: dict[str, Any] = {"data": lesson.name, "goal": goal, "dropout": dropout, "every": every}
    for how, rate in (("without", 0.0), ("with", dropout)):
        net = learner.build(partial(perceptron, lesson=lesson, hidden=hidden, dropout=rate))
        reached = last = None
        for step, _ in learner.steps(net, lesson, epochs=epochs, lr=0.02):
            last = step
            if step % every == 0:
                loss, _ = learner.asked(net, lesson.x[:ASKED], lesson.t[:ASKED])
                yield Metric(step, {f"loss_{how}": loss})
                if reached is None and loss < goal:
                    reached = step
        found[how] = {"reached": reached, "steps": reached or last, "error": learner.error(net, lesson)}
    yield Result(found)


def findings(group: Group) -> list[Finding]:
    """The claim needs fewer steps with dropout: the logarithm of the ratio below 0."""
    ratio = computed(group, lambda found: math.log2(found["with"]["steps"] / found["without"]["steps"]))
    return [
        Finding("doublings of the steps to the goal by dropout, log₂(with ÷ without)", ratio, "below", format=".2f")
    ]


def told(group: Group) -> list[Block]:
    found = group.counted[0].result
    rows, drawn = [], []
    for how, title in TITLES.items():
        there = sum(trial.result[how]["reached"] is not None for trial in group.counted)
        rows.append(
            {
                "how": title,
                "steps": over_seeds(group, how, "steps"),
                "there": f"{there} of {len(group.counted)}",
                "error": over_seeds(group, how, "error"),
            }
        )
        curve = group.curve(f"loss_{how}")
        drawn += curve.rows(how=title) if curve else []
    return [
        Table(
            f"Until the training loss is below {found['goal']:g} ({images_of(found['data'])})",
            [Column("how", "", align="left"), Column("steps", "Steps", format=",.0f"),
             Column("there", "Seeds that got there", align="left"),
             Column("error", "Error on fresh images at the end", format=".1%")],
            rows, foot=[f"The loss is asked every {found['every']} steps, with dropout off."], name="dropout-speed",
        ),
        lines(
            "Training loss, asked with dropout off", drawn, x="step", y="mean", series="how", band=("low", "high"),
            log_y=True, x_title="step", y_title="cross-entropy", name="dropout-loss",
            caption=f"Dropout {found['dropout']:g} behind both hidden layers. The band is the 95 % interval.",
        ),
    ]  # fmt: skip


ENTRY = Claim(
    name="dropout-speed",
    statement="Dropout speeds training up and secures convergence.",
    sheet=False,
    experiment="A perceptron with two hidden layers learns with and without dropout, from the same first weights, at "
    "the same learning rate. Counted are the steps until the training loss, asked with dropout off, is below a goal.",
    because="With dropout every step sees a thinned network and a noisier gradient: more steps for the same loss. It "
    "is meant against overfitting, not for speed.",
    measure=measure,
    sizes={
        "tiny": {"images": 300, "hidden": 64, "goal": 0.3, "epochs": 15, "every": 3},
        "small": {"images": 2000, "hidden": 128, "goal": 0.1, "epochs": 20, "every": 8},
        "large": {"images": 20_000, "hidden": 256, "goal": 0.05, "epochs": 20, "every": 25},
    },
    findings=findings,
    told=told,
)
