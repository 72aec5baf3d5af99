r"""Claim 1: BatchNorm's outputs have exactly zero mean.

    y = γ (x − mean x) / √(var x + ε) + β        so, in exact arithmetic, mean y = β for every channel

Three means are taken, channel by channel, of the outputs of one BatchNorm in a small trained network: with the
trained γ and β, with β put back to 0, and in evaluation mode, where running statistics stand for the batch's.

Source: Ioffe & Szegedy 2015.
"""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from underhood.figures import bars
from underhood.lab import Group
from underhood.report.document import Block, Equation
from underhood.studies.claims.claim import Claim, Count, Positive, images_of, over_seeds
from underhood.studies.claims.experiment import Experiment
from underhood.studies.claims.verdicts import Finding, Word
from underhood.tables import Column, Table
from underhood.trials import Event, Result

CHANNELS = 8
CASES = {
    "trained": "training mode, trained γ and β",
    "plain": "training mode, β put to 0",
    "evaluation": "evaluation mode, β put to 0",
}


def measure(experiment: Experiment, *, images: Count, epochs: Count, lr: Positive) -> Iterator[Event]:
    """Train a network with one BatchNorm, then take the means of its outputs on a batch of test images."""
    network = partial(_network, shape=experiment.images("cifar10").shape)
    settings = experiment.settings("cifar10", images, 256, optimizer={"lr": lr}, epochs=epochs)
    training = experiment.training(settings, network).finish()
    back, net = training.learner.back, training.learner.net
    test = training.parts.test
    norm = net[1]
    with back.no_grad():
        net.train()
        x = net[0](back.tensor(test.batch(np.arange(len(test)))[0]))
        beta = np.array(back.array(norm.bias), np.float64)
        means = {"trained": _means(back.array(norm(x)))}
        weights = {name: np.array(back.array(value)) for name, value in norm.state_dict().items()}
        weights["bias"] = np.zeros_like(weights["bias"])
        norm.load_state_dict({name: back.tensor(value) for name, value in weights.items()})
        norm.eval()
        means["evaluation"] = _means(back.array(norm(x)))
        norm.train()
        means["plain"] = _means(back.array(norm(x)))
    yield Result(
        {
            "data": settings.data.name,
            "beta": beta.tolist(),
            "means": {case: value.tolist() for case, value in means.items()},
            **{case: float(np.abs(value).max()) for case, value in means.items()},
            "off_beta": float(np.abs(means["trained"] - beta).max()),
        }
    )


def _network(nn: Any, shape: tuple[int, ...], classes: int) -> Any:
    channels, height, width = shape
    return nn.Sequential(
        nn.Conv2d(channels, CHANNELS, 3, padding=1),
        nn.BatchNorm2d(CHANNELS),
        nn.ReLU(),
        nn.MaxPool2d(4),
        nn.Flatten(),
        nn.Linear(CHANNELS * (height // 4) * (width // 4), classes),
    )


def _means(y: Any) -> "np.ndarray[Any, Any]":
    """The mean of every channel, summed without rounding: what is left is BatchNorm's own."""
    channels = np.moveaxis(np.asarray(y, np.float64), 1, 0).reshape(y.shape[1], -1)
    return np.array([math.fsum(values) / len(values) for values in channels])


def findings(group: Group) -> list[Finding]:
    return [
        Finding(f"largest |channel mean|, {said}", over_seeds(group, case), "equal", 0.0)
        for case, said in CASES.items()
    ]


def because(group: Group, word: Word) -> str:
    largest = {case: over_seeds(group, case).mean for case in CASES}
    off = max(trial.result["off_beta"] for trial in group.counted)
    return (
        f"The largest mean of a channel is {largest['trained']:.2g} with the learned shift β, and each is its β to "
        f"within {off:.1g}. With β put to 0 it is {largest['plain']:.1g}, float32's rounding; in evaluation "
        f"mode, where running statistics are subtracted that are not this batch's, {largest['evaluation']:.2g}."
    )


def shown(group: Group) -> list[Block]:
    found = group.counted[0].result
    rows = [
        {"channel": str(i), "beta": beta, **{case: found["means"][case][i] for case in CASES}}
        for i, beta in enumerate(found["beta"])
    ]
    off = max(trial.result["off_beta"] for trial in group.counted)
    return [
        Equation(
            r"y = \gamma\,\frac{x - \mathrm{mean}(x)}{\sqrt{\mathrm{var}(x) + \varepsilon}} + \beta"
            r"\quad\Rightarrow\quad \mathrm{mean}(y) = \beta",
            "Over the batch and all positions of a channel; in exact arithmetic.",
        ),
        Table(
            f"Means of the {CHANNELS} channels, 256 test images ({images_of(found['data'])}), seed 0",
            [
                Column("channel", "Channel", align="left"),
                Column("beta", "Trained β", format=".4f"),
                Column("trained", "Mean of y", format=".4f"),
                Column("plain", "With β = 0", format=".1e"),
                Column("evaluation", "β = 0, evaluation", format=".1e"),
            ],
            rows,
            foot=[f"The mean with the trained β is β to within {off:.1e}, over all seeds."],
            name="batch-norm-means",
        ),
        bars(
            "How far from zero",
            [{"case": said, "mean": over_seeds(group, case).mean} for case, said in CASES.items()],
            x="case",
            y="mean",
            log_y=True,
            y_format=".1e",
            x_title="",
            y_title="largest |channel mean|",
            caption="Rounding alone leaves the middle bar; note the logarithmic axis.",
            name="batch-norm-distance",
        ),
    ]


ENTRY = Claim(
    name="batch-norm-mean",
    topic="BatchNorm's mean",
    statement="BatchNorm's outputs have exactly zero mean.",
    sheet=False,
    experiment="A convolution with BatchNorm behind it is trained for a few epochs. Then test images go through it in "
    "float32, and the mean of every channel of BatchNorm's output is taken without further rounding.",
    because=because,
    measure=measure,
    sizes={
        "tiny": {"images": 500, "epochs": 1, "lr": 0.05},
        "small": {"images": 1000, "epochs": 2, "lr": 0.05},
        "large": {"images": 10_000, "epochs": 5, "lr": 0.05},
    },
    findings=findings,
    shown=shown,
)
