"""Claim 7: leaky ReLU cures dead units, but its two slopes can make training less stable.

    ReLU: max(0, a)        leaky: a where a > 0, s·a elsewhere

A unit is dead when no training image gives it a gradient. Dead units are counted after training at one large rate.
For stability the rate climbs a ladder, doubling, and the rates at which training breaks are counted: the loss is no
number any more, or ten times what it was before training. "Can" is asked of either slope.

Sources: Maas, Hannun & Ng 2013; homework "CEE 690/ECE 590", Duke University, 2021, problem 1.7.
"""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from underhood.figures import lines
from underhood.lab import Group
from underhood.report.document import Block
from underhood.studies.claims.claim import Bench, Claim, Count, Ladder, Positive, computed, images_of, over_seeds
from underhood.studies.claims.lessons import Learner, Lesson, perceptron, weights
from underhood.studies.claims.verdicts import Finding, Word, every, some
from underhood.tables import Column, Table
from underhood.trials import Event, Metric, Result

BLOWN_UP = 10.0
SLOPES = {"relu": 0.0, "leaky": 0.01, "steep": 0.3}
TITLES = {"relu": "ReLU", "leaky": "leaky, slope 0.01", "steep": "leaky, slope 0.3"}


def measure(
    bench: Bench,
    *,
    images: Count,
    hidden: Count,
    epochs: Count,
    rate: Positive,
    ladder: Ladder,
) -> Iterator[Event]:
    """Dead units at `rate`, and the rates of `ladder` at which training breaks, for each slope."""
    lesson = bench.lesson("mnist", images, 500)
    learner = bench.learner()
    found: dict[str, Any] = {"data": lesson.name, "rate": rate, "ladder": list(ladder)}
    for i, (name, slope) in enumerate(SLOPES.items()):
        net, _, _ = _trained(learner, lesson, hidden, slope, epochs, rate)
        runs = [_trained(learner, lesson, hidden, slope, epochs, lr)[1:] for lr in ladder]
        found[name] = {
            "dead": dead(net, learner, lesson),
            "broken": [broken for broken, _ in runs],
            "breaks": float(np.mean([broken for broken, _ in runs])),
            "losses": [None if broken else loss for broken, loss in runs],
        }
        yield Metric(i, {f"dead_{name}": found[name]["dead"], f"breaks_{name}": found[name]["breaks"]})
    yield Result(found)


def _trained(
    learner: Learner, lesson: Lesson, hidden: int, slope: float, epochs: int, lr: float
) -> tuple[Any, bool, float]:
    """The network, whether its training broke, and the mean loss of its last epoch."""
    activation = partial(learner.back.nn.LeakyReLU, slope) if slope else learner.back.nn.ReLU
    net = learner.build(partial(perceptron, lesson=lesson, hidden=hidden, activation=activation))
    losses: list[float] = []
    with np.errstate(all="ignore"):  # a run that breaks overflows on its way
        for _, loss in learner.steps(net, lesson, epochs=epochs, lr=lr):
            losses.append(loss)
            if not math.isfinite(loss):
                return net, True, math.nan
    last = float(np.mean(losses[-(len(losses) // epochs) :]))
    return net, last > BLOWN_UP * losses[0], last


def dead(net: Any, learner: Learner, lesson: Lesson) -> float:
    """The share of hidden units whose weights no training image moves: their gradient is zero to the last bit."""
    back = learner.back
    for parameter in net.parameters():
        parameter.grad = None
    back.nn.functional.cross_entropy(net(back.tensor(lesson.x)), back.tensor(lesson.t)).backward()
    *hidden, _ = weights(net)
    still = [(np.array(back.array(weight.grad)) == 0).all(axis=1) for weight in hidden]
    return float(np.concatenate(still).mean())


def findings(group: Group) -> list[Finding]:
    """Fewer dead units with either slope; and, at one slope at least, more rates at which training breaks."""
    leaky = [name for name, slope in SLOPES.items() if slope]
    cured = [
        Finding(
            f"dead units of ReLU less those of {TITLES[name]}",
            computed(group, lambda found, name=name: found["relu"]["dead"] - found[name]["dead"]),  # type: ignore[misc]
            "above",
            scale=100,
            format=".1f",
            unit=" points",
        )
        for name in leaky
    ]
    breaks = [
        Finding(
            f"rates that break {TITLES[name]} less those that break ReLU",
            computed(group, lambda found, name=name: sum(found[name]["broken"]) - sum(found["relu"]["broken"])),  # type: ignore[misc]
            "above",
            format=".2g",
            unit=" rates",
        )
        for name in leaky
    ]
    return [*cured, *breaks]


def rule(words: Sequence[Word]) -> Word:
    """It cures with every slope, and it can be less stable with some."""
    half = len(words) // 2
    return every([every(words[:half]), some(words[half:])])


def told(group: Group) -> list[Block]:
    found = group.counted[0].result
    rates = found["ladder"]
    rows = [
        {"what": TITLES[name], "dead": over_seeds(group, name, "dead"), "breaks": over_seeds(group, name, "breaks")}
        for name in SLOPES
    ]
    drawn = [
        {"rate": rate, "slope": TITLES[name], "share": over_seeds(group, name, "broken", i).mean}
        for name in SLOPES
        for i, rate in enumerate(rates)
    ]
    return [
        Table(
            f"Dead units, and training that breaks ({images_of(found['data'])})",
            [
                Column("what", "Activation", align="left"),
                Column("dead", f"Dead units at rate {found['rate']:g}", format=".1%"),
                Column("breaks", f"Rates that break it, of {len(rates)}", format=".0%"),
            ],
            rows,
            foot=[
                "Dead: no training image gives the unit a gradient. Broken: the loss is no number, or ten times what "
                f"it was at first. Rates: {', '.join(f'{rate:g}' for rate in rates)}."
            ],
            name="leaky-relu",
        ),
        lines(
            "At which rates training breaks",
            drawn,
            x="rate",
            y="share",
            series="slope",
            log_x=True,
            y_format=".0%",
            x_title="learning rate",
            y_title="share of the seeds in which it broke",
            name="leaky-breaks",
            caption="Where ReLU's units die they send neither values nor gradients on, and the loss stays finite at "
            "that of guessing: it does not break, but it does not learn either.",
        ),
    ]


ENTRY = Claim(
    name="leaky-relu",
    statement="Leaky ReLU cures dead units, but its two slopes can make training less stable.",
    sheet=True,
    experiment="A perceptron is trained with ReLU and with leaky ReLU of two slopes, from the same first weights: once "
    "at a large learning rate, to count dead units, then at rates that double, to see where training breaks.",
    because="Below zero the leaky unit keeps a slope, so a gradient always comes through. For the same reason nothing "
    "ever falls silent: at a rate where ReLU's units die and stop the growth, leaky ones go on growing.",
    measure=measure,
    sizes={
        "tiny": {"images": 300, "hidden": 32, "epochs": 4, "rate": 0.2, "ladder": [0.2, 0.4, 0.8]},
        "small": {"images": 1000, "hidden": 64, "epochs": 10, "rate": 0.1, "ladder": [0.025, 0.05, 0.1, 0.2, 0.4]},
        "large": {
            "images": 5000,
            "hidden": 128,
            "epochs": 10,
            "rate": 0.1,
            "ladder": [0.0125, 0.025, 0.05, 0.1, 0.2, 0.4],
        },
    },
    findings=findings,
    told=told,
    rule=rule,
    combines="it must cure at both slopes, and break at more rates with one of them at least.",
)
