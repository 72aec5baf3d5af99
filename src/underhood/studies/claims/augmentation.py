"""Claim 3: augmentation helps every CNN.

The same network from the same first weights, in the same order of images, with and without augmentation, in four
situations. "Every" is asked of all four: one in which augmentation surely hurts refutes it.

Source: homework "CEE 690/ECE 590", Duke University, 2021, problem 1.3: small networks that underfit may be hurt.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from underhood.figures import bars
from underhood.lab import Group, Summary
from underhood.report.document import Block
from underhood.studies.claims.claim import Bench, Claim, Count, computed, images_of, over_seeds
from underhood.studies.claims.lessons import Augment, mirrored, mirrored_and_shifted, shifted, small_cnn
from underhood.studies.claims.verdicts import Finding
from underhood.tables import Column, Table
from underhood.trials import Event, Metric, Result


@dataclass(frozen=True)
class Case:
    """Images, what is done to them, and how wide the network is."""

    data: str
    augment: Augment
    change: str
    width: int
    hidden: int
    lr: float


CASES = {
    "objects": Case("cifar10", mirrored_and_shifted, "mirrored and shifted", 8, 64, 0.01),
    "shifted": Case("mnist", shifted, "shifted", 8, 64, 0.01),
    "mirrored": Case("mnist", mirrored, "mirrored", 8, 64, 0.01),
    "tiny": Case("cifar10", mirrored_and_shifted, "mirrored and shifted", 2, 8, 0.005),
}

COLUMNS = ("without", "with", "train_without", "train_with")


def measure(bench: Bench, *, images: Count, test: Count, long: Count, short: Count) -> Iterator[Event]:
    """Errors on fresh images with and without; `long` epochs where there is time to overfit, `short` for the tiny."""
    found: dict[str, Any] = {"cases": {}}
    for i, (name, case) in enumerate(CASES.items()):
        lesson = bench.lesson(case.data, images, test)
        learner = bench.learner()
        page = partial(small_cnn, lesson=lesson, width=case.width, hidden=case.hidden)
        epochs = short if name == "tiny" else long
        errors = {}
        for how, augment in (("without", None), ("with", case.augment)):
            net = learner.trained(learner.build(page), lesson, epochs=epochs, lr=case.lr, augment=augment)
            errors[how] = learner.error(net, lesson)
            errors[f"train_{how}"] = learner.asked(net, lesson.x, lesson.t)[1]
            yield Metric(2 * i + (how == "with"), {f"error_{name}_{how}": errors[how]})
        found["cases"][name] = {"data": lesson.name, "epochs": epochs, **errors}
    yield Result(found)


def gain(group: Group, name: str) -> Summary:
    """How many errors augmentation saves, as a share of the fresh images; pairs of one seed."""
    return computed(group, lambda found: found["cases"][name]["without"] - found["cases"][name]["with"])


def findings(group: Group) -> list[Finding]:
    return [
        Finding(
            f"errors saved: {_title(group, name)}", gain(group, name), "above", scale=100, format=".1f", unit=" points"
        )
        for name in CASES
    ]


def _title(group: Group, name: str) -> str:
    found, case = group.counted[0].result["cases"][name], CASES[name]
    epochs = f"{found['epochs']} epoch{'s' * (found['epochs'] != 1)}"
    return f"{images_of(found['data'])} {case.change}, {case.width} filters, {epochs}"


def told(group: Group) -> list[Block]:
    def errors(name: str, how: str) -> Summary:
        return over_seeds(group, "cases", name, how)

    rows = [{"case": _title(group, name), **{how: errors(name, how) for how in COLUMNS}} for name in CASES]
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
    return [
        Table(
            "Wrong answers with and without augmentation",
            [Column("case", "Images, change, width, length", align="left"),
             Column("without", "Fresh, without", format=".1%"), Column("with", "Fresh, with", format=".1%"),
             Column("train_without", "Learned, without", format=".1%"),
             Column("train_with", "Learned, with", format=".1%")],
            rows,
            foot=["“Learned”: the training images as they are, asked after training. The intervals here are wider than "
                  "those of the differences, in which each seed is compared with itself."],
            name="augmentation",
        ),
        bars("Errors on fresh images", drawn, x="case", y="error", series="how", band=("low", "high"),
             y_format=".0%", x_title="", y_title="wrong answers", name="augmentation-errors"),
    ]  # fmt: skip


ENTRY = Claim(
    name="augmentation",
    statement="Augmentation helps every CNN.",
    sheet=False,
    experiment="Small CNNs learn from few images, from the same first weights with and without augmentation: objects "
    "and digits, changes that keep the meaning (a shift) and one that does not (a mirrored digit), a network with room "
    "to overfit and one with two filters that underfits.",
    because="Augmentation adds examples. They help a network that would learn its few images by heart, where the "
    "change keeps the class; a mirrored 2 is no digit any more, and a network that cannot fit the images as they are "
    "does not need harder ones.",
    measure=measure,
    sizes={
        "tiny": {"images": 300, "test": 300, "long": 4, "short": 2},
        "small": {"images": 1500, "test": 1000, "long": 12, "short": 4},
        "large": {"images": 4000, "test": 10_000, "long": 25, "short": 5},
    },
    findings=findings,
    told=told,
)
