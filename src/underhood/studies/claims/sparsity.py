"""Claim 6: L2 regularisation gives sparser weights than L1.

The same network under λ₁ Σ|w| and under λ₂/2 Σ w², and how many of its weights are next to nothing: under 0.001, and
under 1 % of the largest of their layer.

    pull towards zero      L1: λ₁ sign(w), as strong for the smallest weight       L2: λ₂ w, which fades with the weight

Source: Tibshirani 1996 (L1); homework "CEE 690/ECE 590", Duke University, 2021, problem 1.6 and lab 2.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from underhood.figures import lines
from underhood.lab import Group
from underhood.report.document import Block, Equation
from underhood.studies.claims.claim import Bench, Claim, Count, Positive, computed, images_of, over_seeds
from underhood.studies.claims.lessons import small_cnn, weights
from underhood.studies.claims.verdicts import Finding
from underhood.tables import Column, Table
from underhood.trials import Event, Metric, Result

SMALL, SHARE = 1e-3, 0.01
RULES = {"none": "no penalty", "l2": "L2", "l1": "L1"}
MEASURES = {"small": "|w| < 0.001", "relative": "|w| < 1 % of the layer's largest"}
DECADES = np.linspace(-6, 0.5, 53)  # log₁₀|w|; the first bin takes all that is smaller


def measure(bench: Bench, *, images: Count, epochs: Count, l1: Positive, l2: Positive) -> Iterator[Event]:
    """Shares of small weights after training without penalty, under L2 and under L1."""
    lesson = bench.lesson("cifar10", images, 1000)
    learner = bench.learner()
    found: dict[str, Any] = {"data": lesson.name, "lambda": {"l1": l1, "l2": l2}}
    for i, rule in enumerate(RULES):
        net = learner.build(partial(small_cnn, lesson=lesson))
        penalty = {rule: found["lambda"][rule]} if rule != "none" else {}
        learner.trained(net, lesson, epochs=epochs, lr=0.02, **penalty)
        layers = [np.abs(np.array(learner.back.array(weight), np.float64)).ravel() for weight in weights(net)]
        found[rule] = shares(layers) | {"error": learner.error(net, lesson), "histogram": histogram(layers)}
        yield Metric(i, {f"small_{rule}": found[rule]["small"]})
    yield Result(found)


def shares(layers: "list[np.ndarray[Any, Any]]") -> dict[str, float]:
    """The shares of all weights that are small by either measure; `layers` holds their magnitudes."""
    together = np.concatenate(layers)
    relative = np.concatenate([layer < SHARE * layer.max() for layer in layers])
    return {"small": float((together < SMALL).mean()), "relative": float(relative.mean())}


def histogram(layers: "list[np.ndarray[Any, Any]]") -> list[float]:
    """The share of the weights in every bin of log₁₀|w|."""
    logs = np.log10(np.maximum(np.concatenate(layers), 10 ** DECADES[0]))
    counts = np.histogram(logs, DECADES)[0]
    return [float(count) for count in counts / len(logs)]


def findings(group: Group) -> list[Finding]:
    """The claim needs more small weights under L2 than under L1."""
    return [
        Finding(
            f"more weights with {said} under L2 than under L1",
            computed(group, lambda found, by=by: found["l2"][by] - found["l1"][by]),  # type: ignore[misc]
            "above",
            scale=100,
            format=".1f",
            unit=" points",
        )
        for by, said in MEASURES.items()
    ]


def told(group: Group) -> list[Block]:
    found = group.counted[0].result
    strength = found["lambda"]
    rows = [
        {
            "rule": title if rule == "none" else f"{title}, λ = {strength[rule]:g}",
            **{by: over_seeds(group, rule, by) for by in (*MEASURES, "error")},
        }
        for rule, title in RULES.items()
    ]
    middles = (DECADES[:-1] + DECADES[1:]) / 2
    heights = {rule: np.mean([trial.result[rule]["histogram"] for trial in group.counted], axis=0) for rule in RULES}
    drawn = [
        {"size": 10**middle, "share": height, "rule": title}
        for rule, title in RULES.items()
        for middle, height in zip(middles.tolist(), heights[rule].tolist(), strict=True)
    ]
    return [
        Equation(
            r"\frac{\partial}{\partial w}\,\lambda_1 |w| = \lambda_1\,\mathrm{sign}(w), \qquad "
            r"\frac{\partial}{\partial w}\,\frac{\lambda_2}{2}\, w^2 = \lambda_2\, w",
            "L1 pulls a small weight as hard as a large one, down to zero; L2's pull fades as the weight shrinks.",
        ),
        Table(
            f"Weights that are next to nothing ({images_of(found['data'])})",
            [
                Column("rule", "Penalty", align="left"),
                *(Column(by, said, format=".1%") for by, said in MEASURES.items()),
                Column("error", "Error on fresh images", format=".1%"),
            ],
            rows,
            name="sparsity",
        ),
        lines(
            "How large the weights are",
            drawn,
            x="size",
            y="share",
            series="rule",
            log_x=True,
            y_format=".0%",
            x_title="|w|",
            y_title="share of the weights",
            name="weight-sizes",
            caption="All layers together, an eighth of a decade a step, mean over the seeds.",
        ),
    ]


ENTRY = Claim(
    name="sparsity",
    statement="L2 regularisation gives sparser weights than L1.",
    sheet=False,
    experiment="A small CNN is trained three times from the same first weights: without a penalty, with L2 and with "
    "L1. Counted are the weights, without biases, that end next to zero.",
    because="L1's pull is the same for a weight however small it is, so it carries weights all the way to zero; L2's "
    "is proportional to the weight and stops short.",
    measure=measure,
    sizes={
        "tiny": {"images": 300, "epochs": 6, "l1": 1e-3, "l2": 1e-3},
        "small": {"images": 1500, "epochs": 10, "l1": 1e-3, "l2": 1e-3},
        "large": {"images": 10_000, "epochs": 20, "l1": 1e-3, "l2": 1e-3},
    },
    findings=findings,
    told=told,
)
