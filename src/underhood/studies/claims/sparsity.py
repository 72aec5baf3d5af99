"""Claim 6: L2 regularisation gives sparser weights than L1.

The same network under λ₁ Σ|w| and under λ₂/2 Σ w², along a ladder of each λ, and how many of its weights are next to
nothing: under 0.001, and under 1 % of the largest of their layer.

    pull towards zero      L1: λ₁ sign(w), as strong for the smallest weight       L2: λ₂ w, which fades with the weight

A strong enough penalty of either kind makes all weights small and the network useless, so the two are compared at equal
error: of each, the sparsest network whose validation error is at most `allowance` above that without a penalty.

Source: Tibshirani 1996 (L1); homework "CEE 690/ECE 590", Duke University, 2021, problem 1.6 and lab 2.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from underhood.figures import lines, points
from underhood.lab import Group
from underhood.report.document import Block, Equation
from underhood.studies.claims.claim import Claim, Count, Fraction, Ladder, computed, images_of, over_seeds
from underhood.studies.claims.experiment import Experiment
from underhood.studies.claims.small_cnn import small_cnn
from underhood.studies.claims.verdicts import Finding, Word
from underhood.studies.learning.results import percent
from underhood.tables import Column, Table
from underhood.trials import Event, Metric, Result

SMALL, RELATIVE = 1e-3, 0.01
RULES = {"none": "no penalty", "l2": "L2", "l1": "L1"}
MEASURES = {"small": "|w| < 0.001", "relative": "|w| < 1 % of the layer's largest"}
DECADES = np.linspace(-6, 0.5, 53)  # log₁₀|w|; the first bin takes all that is smaller


def measure(
    experiment: Experiment, *, images: Count, epochs: Count, l1: Ladder, l2: Ladder, allowance: Fraction = 0.02
) -> Iterator[Event]:
    """Fractions of small weights, and the error, after training without penalty and along both ladders."""
    network = partial(small_cnn, shape=experiment.images("cifar10").shape)
    found: dict[str, Any] = {"allowance": allowance, "trained": []}
    for i, (rule, strength) in enumerate([("none", 0.0), *(("l2", s) for s in l2), *(("l1", s) for s in l1)]):
        penalty = {} if rule == "none" else {rule: strength}
        settings = experiment.settings(
            "cifar10",
            images,
            100,
            data={"validation": 0.05},
            optimizer={"lr": 0.02},
            epochs=epochs,
            evaluate_every=epochs,
            penalty=penalty,
        )
        training = experiment.training(settings, network).finish()
        layers = [np.abs(values).ravel() for values in training.matrices().values()]
        row: dict[str, Any] = {"rule": rule, "strength": strength, **fractions(layers), "histogram": histogram(layers)}
        found["trained"].append(row | {"error": 1.0 if training.diverged else training.result["validation_error"]})
        found["data"] = settings.data.name
        yield Metric(i, {"small": row["small"]})
    yield Result(found)


def fractions(layers: "list[np.ndarray[Any, Any]]") -> dict[str, float]:
    """The fractions of all weights that are small by either measure; `layers` holds their magnitudes."""
    together = np.concatenate(layers)
    relative = np.concatenate([layer < RELATIVE * layer.max() for layer in layers])
    return {"small": float((together < SMALL).mean()), "relative": float(relative.mean())}


def histogram(layers: "list[np.ndarray[Any, Any]]") -> list[float]:
    """The fraction of the weights in every bin of log₁₀|w|."""
    logs = np.log10(np.maximum(np.concatenate(layers), 10 ** DECADES[0]))
    counts = np.histogram(logs, DECADES)[0]
    return [float(count) for count in counts / len(logs)]


def sparsest(found: dict[str, Any], rule: str, by: str) -> dict[str, Any]:
    """Of the networks under a penalty the sparsest that is nearly as good as the one without, which counts too."""
    free = found["trained"][0]
    there = [
        row for row in found["trained"] if row["rule"] == rule and row["error"] <= free["error"] + found["allowance"]
    ]
    return max([free, *there], key=lambda row: float(row[by]))


def findings(group: Group) -> list[Finding]:
    """The claim needs more small weights under L2 than under L1."""
    allowed = percent(group.counted[0].result["allowance"], 0)
    return [
        Finding(
            f"more weights with {said} under L2 than under L1, at most {allowed} more errors than without",
            computed(group, lambda found, by=by: sparsest(found, "l2", by)[by] - sparsest(found, "l1", by)[by]),  # type: ignore[misc]
            "above",
            scale=100,
            format=".1f",
            unit=" points",
        )
        for by, said in MEASURES.items()
    ]


def because(group: Group, word: Word) -> str:
    def mean(rule: str) -> float:
        return computed(group, lambda found: float(sparsest(found, rule, "small")["small"])).mean

    means = {rule: mean(rule) for rule in RULES}
    allowed = percent(group.counted[0].result["allowance"], 0)
    said = (
        f"At no more than {allowed} additional errors, {percent(means['l1'], 1)} of the weights can be brought under "
        f"0.001 by L1 and {percent(means['l2'], 1)} by L2; without a penalty it is {percent(means['none'], 1)}."
    )
    if word == "refuted":
        said += " L1's pull is the same for a weight however small it is; L2's fades as the weight shrinks."
    return said


def caveat(group: Group) -> str:
    """Whether a ladder ends before its penalty hurts: then a stronger one may be sparser at the same error."""
    short = []
    for rule in ("l2", "l1"):
        last = max(row["strength"] for row in group.counted[0].result["trained"] if row["rule"] == rule)
        ends = [sparsest(trial.result, rule, "small")["strength"] == last for trial in group.counted]
        if any(ends):
            short.append(f"{RULES[rule]} is still harmless at λ = {last:g} in {sum(ends)} of {len(ends)} seeds")
    return "; ".join(short) + (", so stronger ones should be tried" if short else "")


def shown(group: Group) -> list[Block]:
    found = group.counted[0].result
    rows = [
        {
            "rule": RULES[row["rule"]],
            "strength": row["strength"] or None,
            **{by: over_seeds(group, "trained", i, by) for by in (*MEASURES, "error")},
        }
        for i, row in enumerate(found["trained"])
    ]
    scattered = [
        {
            "error": over_seeds(group, "trained", i, "error").mean,
            "small": over_seeds(group, "trained", i, "small").mean,
            "rule": RULES[row["rule"]],
            "lambda": f"{row['strength']:g}",
        }
        for i, row in enumerate(found["trained"])
    ]
    middles = (DECADES[:-1] + DECADES[1:]) / 2
    drawn = []
    for rule, title in RULES.items():
        heights = np.mean([sparsest(trial.result, rule, "small")["histogram"] for trial in group.counted], axis=0)
        drawn += [
            {"size": 10**middle, "fraction": height, "rule": title}
            for middle, height in zip(middles.tolist(), heights.tolist(), strict=True)
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
                Column("strength", "λ", format="g"),
                *(Column(by, said, format=".1%") for by, said in MEASURES.items()),
                Column("error", "Validation error", format=".1%"),
            ],
            rows,
            name="sparsity",
        ),
        points(
            "Sparsity against error",
            scattered,
            x="error",
            y="small",
            label="lambda",
            series="rule",
            x_format=".0%",
            y_format=".0%",
            x_title="validation error",
            y_title="weights under 0.001",
            name="sparsity-error",
            caption="Every point is a λ, the mean over the seeds. Higher at the same error is sparser.",
        ),
        lines(
            "How large the weights are, at equal error",
            drawn,
            x="size",
            y="fraction",
            series="rule",
            log_x=True,
            y_format=".0%",
            x_title="|w|",
            y_title="fraction of the weights",
            name="weight-sizes",
            caption="The sparsest network of each penalty that is nearly as good as the one without; all layers "
            "together, an eighth of a decade a step, mean over the seeds.",
        ),
    ]


ENTRY = Claim(
    name="sparsity",
    topic="sparsity under L1 and L2",
    statement="L2 regularisation gives sparser weights than L1.",
    sheet=False,
    experiment="A small CNN is trained from the same initial weights without a penalty and along a ladder of strengths "
    "of L2 and of L1. Counted are the weights, without biases, that end next to zero, in the sparsest network of each "
    "kind that is nearly as good as the one without.",
    because=because,
    caveat=caveat,
    measure=measure,
    sizes={
        "tiny": {"images": 300, "epochs": 6, "l1": [1e-4, 1e-3], "l2": [1e-2, 1e-1]},
        "small": {
            "images": 1500,
            "epochs": 10,
            "l1": [1e-4, 3e-4, 1e-3, 3e-3],
            "l2": [3e-3, 1e-2, 3e-2, 1e-1],
        },
        "large": {
            "images": 10_000,
            "epochs": 20,
            "l1": [3e-5, 1e-4, 3e-4, 1e-3, 3e-3],
            "l2": [1e-3, 3e-3, 1e-2, 3e-2, 1e-1],
        },
    },
    findings=findings,
    shown=shown,
)
