"""Claim 7: leaky ReLU cures dead units, but its two slopes can make training less stable.

    ReLU: max(0, a)        leaky: a where a > 0, s·a elsewhere

A unit is dead when no training image gives it a gradient. The learning rate climbs a ladder, doubling, for each slope.
Dead units are compared at the largest rate at which the weights of all slopes are still finite: a network of NaNs has
no units to count. Training fails at a rate when the loss of the training images ends as no number, or no better than
guessing, −log(1/classes): both count alike, so that neither activation is favoured by how it fails. "Can" is asked of
either slope.

Sources: Maas, Hannun & Ng 2013; homework "CEE 690/ECE 590", Duke University, 2021, problem 1.7.
"""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from underhood.figures import lines
from underhood.lab import Group, Summary
from underhood.report.document import Block
from underhood.studies.claims.claim import Claim, Count, Ladder, images_of
from underhood.studies.claims.experiment import Experiment, Training
from underhood.studies.claims.verdicts import Finding, Word, every, some
from underhood.studies.learning.results import percent
from underhood.tables import Column, Table
from underhood.trials import Event, Metric, Result

SLOPES = {"relu": 0.0, "leaky": 0.01, "steep": 0.3}
TITLES = {"relu": "ReLU", "leaky": "leaky ReLU 0.01", "steep": "leaky ReLU 0.3"}
LEAKY = tuple(name for name, slope in SLOPES.items() if slope)
GUESSING = 0.95  # of the loss of guessing, above which nothing was learnt


def measure(experiment: Experiment, *, images: Count, hidden: Count, epochs: Count, ladder: Ladder) -> Iterator[Event]:
    """Dead units and the loss after training, for each slope at each rate of `ladder`."""
    found: dict[str, Any] = {"ladder": sorted(ladder)}
    for name, slope in SLOPES.items():
        found[name] = []
        for i, rate in enumerate(found["ladder"]):
            settings = experiment.settings("mnist", images, 500, optimizer={"lr": rate}, epochs=epochs)
            training = experiment.training(settings, partial(perceptron, hidden=hidden, slope=slope)).finish()
            found[name].append(outcome(training))
            found |= {"data": settings.data.name, "guessing": math.log(len(training.parts.classes))}
            if found[name][-1]["dead"] is not None:
                yield Metric(i, {f"dead_{name}": found[name][-1]["dead"]})
    yield Result(found)


def perceptron(nn: Any, inputs: int, classes: int, hidden: int, slope: float) -> Any:
    """Two hidden layers of ReLUs, or of leaky ones with that slope."""

    def phi() -> Any:
        return nn.LeakyReLU(slope) if slope else nn.ReLU()

    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(inputs, hidden),
        phi(),
        nn.Linear(hidden, hidden),
        phi(),
        nn.Linear(hidden, classes),
    )


def outcome(training: Training) -> dict[str, float | None]:
    """The training loss at the end, None where it is no number, and the dead units, None of weights that are none."""
    finite = all(np.isfinite(values).all() for values in training.matrices().values())
    with np.errstate(all="ignore"):
        loss = training.asked()[0] if finite else math.nan
    return {"loss": loss if math.isfinite(loss) else None, "dead": dead(training) if finite else None}


def dead(training: Training) -> float:
    """The fraction of hidden units whose weights no training image moves: their gradient is zero to the last bit."""
    back, net = training.learner.back, training.learner.net
    x, t = training.parts.train.batch(np.arange(len(training.parts.train)))
    for parameter in net.parameters():
        parameter.grad = None
    with np.errstate(all="ignore"):
        back.nn.functional.cross_entropy(net(back.tensor(x)), back.tensor(t)).backward()
    *hidden, _ = [p for p in net.parameters() if len(p.shape) > 1]
    still = [(np.array(back.array(weight.grad)) == 0).all(axis=1) for weight in hidden]
    return float(np.concatenate(still).mean())


def failed(found: dict[str, Any], name: str) -> list[bool]:
    """At which rates training failed."""
    return [each["loss"] is None or each["loss"] > GUESSING * found["guessing"] for each in found[name]]


def common(found: dict[str, Any]) -> int | None:
    """The last rate at which the weights of all slopes are finite."""
    finite = [all(found[name][i]["dead"] is not None for name in SLOPES) for i in range(len(found["ladder"]))]
    return max((i for i, is_finite in enumerate(finite) if is_finite), default=None)


def _dead_at_common(group: Group) -> list[dict[str, float]]:
    """The dead units of every slope at the common rate, of each seed that has one."""
    results = [trial.result for trial in group.counted]
    return [{name: r[name][i]["dead"] for name in SLOPES} for r in results if (i := common(r)) is not None]


def _failures(group: Group, name: str) -> Summary:
    return Summary.of([float(sum(failed(trial.result, name))) for trial in group.counted])


def findings(group: Group) -> list[Finding]:
    """Fewer dead units with either slope; and, at one slope at least, more rates at which training fails."""
    units = _dead_at_common(group)
    cured = [
        Finding(
            f"dead units of ReLU less those of {TITLES[name]}",
            Summary.of([each["relu"] - each[name] for each in units]),
            "above",
            scale=100,
            format=".1f",
            unit=" points",
        )
        for name in LEAKY
        if units
    ]
    fails = [
        Finding(
            f"rates at which {TITLES[name]} fails less those at which ReLU does",
            Summary.of([float(sum(failed(t.result, name)) - sum(failed(t.result, "relu"))) for t in group.counted]),
            "above",
            format=".1f",
            unit=" rates",
        )
        for name in LEAKY
    ]
    return [*cured, *fails]


def rule(words: Sequence[Word]) -> Word:
    """It cures with every slope, and it can be less stable with some. Without finite weights nothing is cured."""
    cured, fails = words[: -len(LEAKY)], words[-len(LEAKY) :]
    return every([every(cured), some(fails)])


def because(group: Group, word: Word) -> str:
    units, count = _dead_at_common(group), len(group.counted[0].result["ladder"])
    said = ""
    if units:
        means = [f"{percent(float(np.mean([each[name] for each in units])), 0)} with {TITLES[name]}" for name in SLOPES]
        said = f"At the largest rate that left all weights finite, dead units are {', '.join(means)}. "
    fails = [f"{_failures(group, name).mean:.2g} with {TITLES[name]}" for name in SLOPES]
    return f"{said}Of {count} rates training failed, in the mean, at {', '.join(fails)}."


def caveat(group: Group) -> str:
    without = len(group.counted) - len(_dead_at_common(group))
    return f"{without} of {len(group.counted)} seeds have no rate at which all weights are finite" if without else ""


def shown(group: Group) -> list[Block]:
    found, units = group.counted[0].result, _dead_at_common(group)
    rates = found["ladder"]
    rows = [
        {
            "what": TITLES[name],
            "dead": Summary.of([each[name] for each in units]) if units else None,
            "fails": _failures(group, name),
        }
        for name in SLOPES
    ]
    losses = []
    for name in SLOPES:
        at: dict[str, Any] = {"what": TITLES[name]}
        for i in range(len(rates)):
            finite = [loss for trial in group.counted if (loss := trial.result[name][i]["loss"]) is not None]
            at[f"rate{i}"] = Summary.of(finite) if len(finite) == len(group.counted) else None
        losses.append(at)
    drawn = [
        {"rate": rate, "slope": TITLES[name], "fraction": np.mean([failed(t.result, name)[i] for t in group.counted])}
        for name in SLOPES
        for i, rate in enumerate(rates)
    ]
    return [
        Table(
            f"Dead units, and rates at which training fails ({images_of(found['data'])})",
            [
                Column("what", "Activation", align="left"),
                Column("dead", "Dead units", format=".1%"),
                Column("fails", f"Rates that fail, of {len(rates)}", format=".1f"),
            ],
            rows,
            foot=[
                "Dead: no training image gives the unit a gradient, at the largest rate that leaves the weights of all "
                "three finite. Failed: the training loss ends as no number, or at more than "
                f"{GUESSING:.0%} of that of guessing, {found['guessing']:.2f}."
            ],
            name="leaky-relu",
        ),
        Table(
            "The training loss at the end, by learning rate",
            [
                Column("what", "Activation", align="left"),
                *(Column(f"rate{i}", f"{rate:g}", format=".3f") for i, rate in enumerate(rates)),
            ],
            losses,
            foot=["–: in some seed it is no number."],
            name="leaky-losses",
        ),
        lines(
            "At which rates training fails",
            drawn,
            x="rate",
            y="fraction",
            series="slope",
            log_x=True,
            y_format=".0%",
            x_title="learning rate",
            y_title="seeds in which it failed",
            name="leaky-fails",
        ),
    ]


ENTRY = Claim(
    name="leaky-relu",
    topic="leaky ReLU",
    statement="Leaky ReLU cures dead units, but its two slopes can make training less stable.",
    sheet=True,
    experiment="A perceptron is trained with ReLU and with leaky ReLU of two slopes, from the same initial weights, at "
    "rising rates. Counted are dead units, where all weights are finite, and the rates at which training fails.",
    because=because,
    caveat=caveat,
    measure=measure,
    sizes={
        "tiny": {"images": 300, "hidden": 32, "epochs": 4, "ladder": [0.1, 0.4, 1.6]},
        "small": {"images": 1000, "hidden": 64, "epochs": 10, "ladder": [0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6]},
        "large": {
            "images": 5000,
            "hidden": 128,
            "epochs": 10,
            "ladder": [0.0125, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6],
        },
    },
    findings=findings,
    shown=shown,
    rule=rule,
    combines="it must cure at both slopes, and fail at more rates than ReLU with one of them at least.",
)
