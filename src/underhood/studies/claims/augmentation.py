"""Claim 3: augmentation helps every CNN.

The same network from the same initial weights, in the same order of images, with and without augmentation, in four
situations. "Every" is asked of all four: one in which augmentation surely hurts refutes it. A situation in which the
networks have not learnt their training images much better than by guessing says nothing and is left out.

Source: homework "CEE 690/ECE 590", Duke University, 2021, problem 1.3: small networks that underfit may be hurt.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from underhood.figures import bars
from underhood.lab import Group, Summary
from underhood.report.document import Block
from underhood.studies.claims.claim import Claim, Count, computed, images_of, over_seeds, spelled
from underhood.studies.claims.experiment import Experiment
from underhood.studies.claims.small_cnn import small_cnn
from underhood.studies.claims.verdicts import Finding, Word
from underhood.tables import Column, Table
from underhood.trials import Event, Metric, Result

LEARNT = 0.75  # of the error of guessing, above which a network has not learnt


@dataclass(frozen=True)
class Case:
    """Images, what is done to them, and how wide the network is."""

    data: str
    mirrored: bool
    shifted: bool
    width: int
    hidden: int
    lr: float

    @property
    def change(self) -> str:
        return " and ".join(["mirrored"] * self.mirrored + ["shifted"] * self.shifted)

    def augmentation(self, side: int) -> list[dict[str, Any]]:
        """A mirror by a coin; a shift by up to a sixteenth of the side, where zeros, the mean, come in."""
        steps: list[dict[str, Any]] = [{"name": "flip"}] * self.mirrored
        return steps + [{"name": "crop", "padding": max(1, side // 16)}] * self.shifted


CASES = {
    "objects": Case("cifar10", True, True, 16, 64, 0.01),
    "shifted": Case("mnist", False, True, 8, 64, 0.01),
    "mirrored": Case("mnist", True, False, 8, 64, 0.01),
    "tiny": Case("cifar10", True, True, 2, 8, 0.01),
}
COLUMNS = ("without", "with", "train_without", "train_with")


def measure(experiment: Experiment, *, images: Count, test: Count, epochs: Count) -> Iterator[Event]:
    """Errors on test images with and without, and on the training images as they are."""
    found: dict[str, Any] = {"cases": {}}
    known: dict[Any, dict[str, Any]] = {}  # two cases share what is trained without
    for i, (name, case) in enumerate(CASES.items()):
        shape = experiment.images(case.data).shape
        cases = {"without": [], "with": case.augmentation(shape[1])}
        result: dict[str, Any] = {"epochs": epochs}
        for j, (how, augmentation) in enumerate(cases.items()):
            key = (case.data, case.width, case.hidden, str(augmentation))
            if key not in known:
                known[key] = _trained(experiment, case, shape, augmentation, images, test, epochs)
            one = known[key]
            result |= {
                "data": one["data"],
                "guessing": one["guessing"],
                how: one["error"],
                f"train_{how}": one["train"],
            }
            yield Metric(2 * i + j, {f"error_{name}_{how}": one["error"]})
        found["cases"][name] = result
    yield Result(found)


def _trained(
    experiment: Experiment,
    case: Case,
    shape: tuple[int, ...],
    augmentation: list[dict[str, Any]],
    images: int,
    test: int,
    epochs: int,
) -> dict[str, Any]:
    """Errors on test images and on the training images as they are, of one network."""
    data, optimizer = {"augmentation": augmentation}, {"lr": case.lr}
    settings = experiment.settings(case.data, images, test, data=data, optimizer=optimizer, epochs=epochs)
    network = partial(small_cnn, shape=shape, width=case.width, hidden=case.hidden)
    training = experiment.training(settings, network).finish()
    return {
        "data": settings.data.name,
        "guessing": 1 - 1 / len(training.parts.classes),
        "error": training.error(),
        "train": training.asked()[1],
    }


def gain(group: Group, name: str) -> Summary:
    """How many errors augmentation saves, as a fraction of the test images; pairs of one seed."""
    return computed(group, lambda found: found["cases"][name]["without"] - found["cases"][name]["with"])


def learnt(group: Group, name: str) -> bool:
    """Whether both networks know their training images much better than by guessing, in the mean."""
    bound = LEARNT * group.counted[0].result["cases"][name]["guessing"]
    return all(over_seeds(group, "cases", name, f"train_{how}").mean < bound for how in ("without", "with"))


def findings(group: Group) -> list[Finding]:
    return [
        Finding(
            f"errors saved: {_title(group, name)}", gain(group, name), "above", scale=100, format=".1f", unit=" points"
        )
        for name in CASES
        if learnt(group, name)
    ]


def because(group: Group, word: Word) -> str:
    gains = {name: gain(group, name).mean for name in CASES if learnt(group, name)}
    if not gains:
        return "No network has learnt enough to say."
    most, least = max(gains, key=lambda name: gains[name]), min(gains, key=lambda name: gains[name])
    said = f"In the mean augmentation saves {spelled(gains[most])} of errors in the best case ({_title(group, most)})"
    said += f" and {spelled(gains[least])} in the worst ({_title(group, least)})."
    if word == "refuted" and least == "mirrored":
        said += " A mirrored 2 is no digit any more: a change helps only where it keeps the class."
    if word == "refuted" and least == "tiny":
        said += " A network that cannot fit the images as they are does not need harder ones."
    return said


def caveat(group: Group) -> str:
    out = [_title(group, name) for name in CASES if not learnt(group, name)]
    return f"left out, for the networks have hardly learnt their training images: {'; '.join(out)}" if out else ""


def _title(group: Group, name: str) -> str:
    found, case = group.counted[0].result["cases"][name], CASES[name]
    return f"{images_of(found['data'])} {case.change}, {case.width} filters"


def shown(group: Group) -> list[Block]:
    def errors(name: str, how: str) -> Summary:
        return over_seeds(group, "cases", name, how)

    rows = [
        {"case": _title(group, name), **{how: errors(name, how) for how in COLUMNS}, "gain": gain(group, name)}
        for name in CASES
    ]
    drawn = [
        {
            "case": _title(group, name),
            "how": f"{how} augmentation",
            "error": errors(name, how).mean,
            "low": errors(name, how).low,
            "high": errors(name, how).high,
        }
        for name in CASES
        for how in ("without", "with")
    ]
    epochs = group.counted[0].result["cases"]["objects"]["epochs"]
    return [
        Table(
            f"Wrong answers with and without augmentation, after {epochs} epoch{'s' * (epochs != 1)}",
            [
                Column("case", "Images, change, width", align="left"),
                Column("without", "Test, without", format=".1%"),
                Column("with", "Test, with", format=".1%"),
                Column("gain", "Saved", format=".1%"),
                Column("train_without", "Training, without", format=".1%"),
                Column("train_with", "Training, with", format=".1%"),
            ],
            rows,
            foot=[
                "“Training”: the training images as they are, evaluated after training. Each seed is compared with "
                "itself, so the seeds' luck cancels in what is saved."
            ],
            name="augmentation",
        ),
        bars(
            "Errors on test images",
            drawn,
            x="case",
            y="error",
            series="how",
            band=("low", "high"),
            y_format=".0%",
            x_title="",
            y_title="wrong answers",
            name="augmentation-errors",
        ),
    ]


ENTRY = Claim(
    name="augmentation",
    topic="augmentation",
    statement="Augmentation helps every CNN.",
    sheet=False,
    experiment="Small CNNs learn from few images, from the same initial weights with and without augmentation: objects "
    "and digits, changes that keep the meaning (a shift) and one that does not (a mirrored digit), a network with room "
    "to overfit and one with two filters that underfits.",
    because=because,
    caveat=caveat,
    measure=measure,
    sizes={
        "tiny": {"images": 300, "test": 300, "epochs": 6},
        "small": {"images": 1500, "test": 2000, "epochs": 40},
        "large": {"images": 4000, "test": 10_000, "epochs": 60},
    },
    findings=findings,
    shown=shown,
)
