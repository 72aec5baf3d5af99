"""CIFAR-100 under a memory ceiling: what can be learnt where there is little memory?

    underhood run cifar100-edge                                         # 1 GB and 512 MB, 2 epochs of half the images
    underhood run cifar100-edge --scale full                            # 10 epochs, 3 seeds
    underhood run cifar100-edge --set memory_limit=512MB                # one ceiling alone
    underhood run cifar100-edge --set memory_limit=512MB --backend underhood --set channels_last=false

A board for the edge has 4 GB for everything, of which a training may have 1 GB; 512 MB is the harder setting. The
ceiling is on the whole process, libraries and all, and it is enforced while it trains: memory beyond it is refused, or
the trial is ended. Images stay on disk, mapped. What takes memory otherwise is the batch: a smaller one, and a thinner
network, go with the lower ceiling; evaluation, which keeps no activations, sees few images at once.

Sheet: B = 4, after 10 epochs a training loss of 4.38 and 22.1 % of the test images, after 50 of 3.95 and 38.0 %.

Source: the homework "Have fun on CIFAR-100", question 5 of its sheet; the network is networks/speed_net.py, the recipe
after Page 2018, "How to train your ResNet".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from underhood.lab import Group, Results, Scale, Study, Summary
from underhood.report.document import Document, Section
from underhood.sizes import megabytes, parse_size
from underhood.studies.learning.mistakes import misread
from underhood.studies.learning.recipe import curves, network_and_recipe
from underhood.studies.learning.results import accuracy, diverged, estimate, listed, percent, renamed, scaled
from underhood.tables import Column, Table
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings

TITLE = "CIFAR-100 under a memory ceiling"
QUESTION = "How much of CIFAR-100 does a network learn to read in 10 epochs, in a process of 1 GB, or of 512 MB?"
AIM = 0.60  # of the test images, at 1 GB
NO_CEILING = "no ceiling"


@dataclass(frozen=True)
class Row:
    """A row of the sheet's table of results."""

    batch: int
    epochs: int
    loss: float
    accuracy: float


SHEET = (Row(4, 10, 4.38, 0.221), Row(4, 50, 3.95, 0.380))

THEIRS = "; ".join(f"{percent(row.accuracy, 1)} ({row.epochs} epochs)" for row in SHEET)

RECIPE: dict[str, Any] = {
    "data": {
        "name": "cifar100",
        "validation": 2500,
        "augmentation": [{"name": "crop", "padding": 2, "mode": "reflect"}, {"name": "flip", "alternating": True}],
    },
    "optimizer": {"name": "sgd", "momentum": 0.85, "nesterov": True, "weight_decay": 1e-3},
    "schedule": {"name": "one-cycle", "curve": "line", "start": 0.2, "peak": 0.2, "end": 0.05},
    "averaging": {"name": "ema", "decay": 0.99},
    "test_flips": "logits",
    "evaluation_batch": 100,
    "backend": "torch",
    "channels_last": True,
    "threads": 2,
}
WIDE: dict[str, Any] = {"name": "speed-net"}
THIN: dict[str, Any] = {"name": "speed-net", "widths": [32, 64, 128]}
CEILINGS: list[dict[str, list[Any]]] = [
    {"memory_limit": ["1GB"], "network": [WIDE], "batch_size": [256], "optimizer.lr": [0.4]},
    {"memory_limit": ["512MB"], "network": [THIN], "batch_size": [32], "optimizer.lr": [0.1]},
]
REASONS = {
    "data": "the sheet: CIFAR-100; held out to draw curves by",
    "data.augmentation": "chosen, after Jordan 2024, unless set otherwise",
    "batch_size": "chosen so that it fits; free in the sheet",
    "epochs": "free in the sheet, which has 10 and 50",
    "optimizer": "chosen, after Page 2018, unless set otherwise",
    "schedule": "chosen, after Page 2018, unless set otherwise",
    "averaging": "chosen, unless set otherwise",
    "test_flips": "chosen, after Page 2018, unless set otherwise",
}


def report(results: Results) -> Document:
    """Accuracy and memory of every ceiling in the sheet's own table."""
    results = renamed(results, lambda group: group.settings.get("memory_limit") or NO_CEILING)
    return Document(
        title=TITLE,
        question=QUESTION,
        answer="\n\n".join(_answer(results)),
        sections=[
            Section("In the sheet's table", [_in_the_sheet_s_table(results), LOSSES]),
            Section("Memory", [_memory(results), CEILING]),
            curves(results, caption="Validation: with the average of the weights where there is one."),
            misread(results),
            network_and_recipe(results, REASONS),
        ],
        headline={f"test accuracy, {g.label} (%)": scaled(accuracy(g), 100) for g in results.groups},
        listed=[listed(f"test accuracy, {g.label}", g, accuracy(g), THEIRS) for g in results.groups],
    )


LOSSES = (
    "Training losses are means over the last epoch, of images as they came; ours are cropped and mirrored at random, "
    "and with smoothed labels, where that is set, a loss is higher for that alone. The sheet names neither its "
    "network nor its seeds. Nothing was chosen by the test images."
)
CEILING = (
    "The peak is the largest resident set of the trial's process: weights, activations, images that were read, Python "
    "and the libraries. How each ceiling was held, and whether anything was swapped, stands under how it was run."
)


def _answer(results: Results) -> Iterator[str]:
    for group in results.groups:
        found = accuracy(group)
        if found is None:
            continue
        limit, epochs = group.settings.get("memory_limit"), group.settings["epochs"]
        under = f"Under {limit}" if limit else "Without a ceiling"
        called = "" if group.label in (limit, NO_CEILING) else f" ({group.label})"
        reached = [(percent(row.accuracy, 1), row.epochs, _how_many(found, row.accuracy)) for row in SHEET]
        beside = "; ".join(f"more than the sheet's {it} of {e} epochs: **{many}**" for it, e, many in reached)
        yield (
            f"{under}{called}, {epochs} epoch{'s' * (epochs != 1)} of batches of {group.settings['batch_size']}: "
            f"**{estimate(found)}** of the test images are read right, over {found.n} seed{'s' * (found.n != 1)}. "
            f"{beside[0].upper()}{beside[1:]}; more than the {percent(AIM, 0)} aimed at: {_how_many(found, AIM)}."
            f"{diverged(group)} {_held(group)}"
        )


def _how_many(found: Summary, goal: float) -> str:
    over = sum(value > goal for value in found.values)
    if found.n == 1:
        return "yes" if over else "no"
    return f"in every one of {found.n} seeds" if over == found.n else f"in {over or 'none'} of {found.n} seeds"


def _held(group: Group) -> str:
    """Whether the process kept below its ceiling, by what was measured."""
    peaks = group.summary("peak_memory")
    if peaks is None:
        return "Its peak memory was not measured."
    said = f"The process held {megabytes(max(peaks.values))} at most"
    predicted = group.summary("predicted_peak")
    if predicted is not None:
        said += f", where {megabytes(predicted.mean)} were predicted"
    limit = group.settings.get("memory_limit")
    if limit:
        within = max(peaks.values) <= parse_size(limit)
        said += f", which is {'within' if within else '**beyond**'} its ceiling"
    return f"{said}."


def _in_the_sheet_s_table(results: Results) -> Table:
    rows: list[dict[str, Any]] = [
        {"who": "the sheet", "batch": row.batch, "epochs": row.epochs, "loss": row.loss, "accuracy": row.accuracy}
        for row in SHEET
    ]
    rows += [
        {
            "who": f"ours, {group.label}",
            "batch": group.settings["batch_size"],
            "epochs": group.settings["epochs"],
            "loss": group.summary("train_loss"),
            "accuracy": accuracy(group),
            "seeds": len(group.counted),
            "seconds": group.summary("seconds"),
        }
        for group in results.groups
    ]
    columns = [
        Column("who", "", align="left"),
        Column("batch", "B"),
        Column("epochs", "E"),
        Column("loss", "Train loss", format=".2f"),
        Column("accuracy", "Test accuracy", format=".1%"),
        Column("seeds", "Seeds"),
        Column("seconds", "Training time", "s", ",.1f"),
    ]
    return Table("The sheet's table 3, with ours", columns, rows, name="beside")


def _memory(results: Results) -> Table:
    rows = []
    for group in results.groups:
        limit = group.settings.get("memory_limit")
        row: dict[str, Any] = {"who": group.label, "ceiling": parse_size(limit) / 1e6 if limit else None}
        row |= {key: scaled(group.summary(key), 1e-6) for key in ("predicted_peak", "peak_memory")}
        parameters = group.summary("parameters")
        row["parameters"] = None if parameters is None else parameters.mean
        rows.append(row)
    columns = [
        Column("who", "", align="left"),
        Column("parameters", "Parameters", format=",.0f"),
        Column("predicted_peak", "Predicted peak", "MB", ",.0f"),
        Column("peak_memory", "Measured peak", "MB", ",.0f"),
        Column("ceiling", "Ceiling", "MB", ",.0f"),
    ]
    return Table("Memory of the training process", columns, rows, name="memory")


ENTRY = Study(
    name="cifar100-edge",
    title=TITLE,
    question=QUESTION,
    theme="Training",
    source='the homework "Have fun on CIFAR-100"; Page 2018',
    settings=TrainingSettings,
    trial=train,
    base=RECIPE,
    axes=CEILINGS,
    compares=("memory_limit", "network", "batch_size", "optimizer.lr"),
    scales={
        "smoke": Scale(
            "256 images, 1 epoch, a thin net, roomy ceilings",
            seeds=1,
            time="15 s",
            set={
                "epochs": 1,
                "threads": 1,
                "network": {"name": "speed-net", "widths": [8, 12, 16]},
                "data.train": 256,
                "data.validation": 64,
                "data.test": 100,
            },
            axes=[
                {"memory_limit": ["8GB"], "batch_size": [64], "optimizer.lr": [0.15]},
                {"memory_limit": ["4GB"], "batch_size": [32], "optimizer.lr": [0.1]},
            ],
        ),
        "quick": Scale(
            "25,000 images of CIFAR-100, 1 GB and 512 MB, 2 epochs, 1 seed",
            seeds=1,
            set={"epochs": 2, "data.train": 25_000},
            time="5 min on two cores",
        ),
        "full": Scale(
            "all of CIFAR-100, 1 GB and 512 MB, 10 epochs, 3 seeds",
            seeds=3,
            set={"epochs": 10},
            time="1 h on two cores",
        ),
    },
    report=report,
)
