"""The speed net against the clock: how much of CIFAR-10 it reads right after so many seconds on a processor.

    underhood run speed-net --tune                                          # two epochs
    underhood run speed-net --scale full --tune                             # the whole recipe
    underhood run speed-net --set network.widths=[64,256,256]               # a wider net
    underhood run speed-net --backend underhood --set channels_last=false   # on the engine

The recipe, and why: label smoothing 0.2 and a triangle of the learning rate, for few epochs; alternating flips, so
that an epoch shows what the last one did not; moved by up to 2 pixels, mirrored at the border; an average of the
weights over the last 100 steps or so, which is what is tested; and both the image and its mirror image are asked.

Source: our own network (networks/speed_net.py); the recipe after Page 2018 and Jordan 2024.
"""

from typing import Any

from underhood.figures import Figure, lines
from underhood.lab.results import Group, Results, StoredTrial
from underhood.lab.study import Scale, Study
from underhood.report.document import Document, Section
from underhood.report.facts import duration
from underhood.studies.learning.results import estimate, percent, results_table
from underhood.tables import Column, Table
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings

GOAL = 0.06  # of the test images wrong
TITLE = "The speed net on CIFAR-10"
QUESTION = "How much of CIFAR-10 does a small network read right, after how long on a processor?"
RECIPE: dict[str, Any] = {
    "network": "speed-net",
    "data.name": "cifar10",
    "data.augmentation": [{"name": "crop", "padding": 2, "mode": "reflect"}, {"name": "flip", "alternating": True}],
    "optimizer": {"name": "sgd", "lr": 0.7, "momentum": 0.85, "nesterov": True, "weight_decay": 1e-3},
    "schedule": {"name": "one-cycle", "curve": "line", "start": 0.2, "peak": 0.2, "end": 0.05},
    "averaging": {"name": "ema", "decay": 0.99},
    "label_smoothing": 0.2,
    "test_flips": "logits",
    "test_curve": True,
    "batch_size": 512,
    "backend": "torch",
    "channels_last": True,
    "threads": 2,
}


def report(results: Results) -> Document:
    """The accuracy against the seconds, and when the goal was reached."""
    return Document(
        title=TITLE,
        question=QUESTION,
        answer=_answer(results),
        sections=[
            Section("Against the clock", [_against_the_clock(results), _epochs(results)]),
            Section("In the end", [results_table("After the last epoch", results, FINALLY)]),
        ],
    )


FINALLY = ["test_error", "test_loss", "parameters", "seconds"]


def _answer(results: Results) -> str:
    said = []
    for group in results.groups:
        error, seconds = group.summary("test_error"), group.summary("seconds")
        if error is None or seconds is None:
            continue
        times = [found for trial in group.counted if (found := _reached(trial)) is not None]
        which = f" with {group.label}" if results.varying else ""
        reached = f"{percent(1 - GOAL, 0)} was reached by {len(times)} of {error.n}"
        said.append(
            f"After {duration(seconds.mean)} of training{which}, **{estimate(error)}** of the test images are misread, "
            f"over {error.n} seed{'s' * (error.n != 1)}; {reached}"
            + (f", after {duration(sum(times) / len(times))}." if times else ".")
        )
    return " ".join(said) or "No trial finished with weights that could be tested."


def _reached(trial: StoredTrial) -> float | None:
    """The seconds of training after which the goal was first met."""
    seconds, errors = trial.metric("seconds"), trial.metric("test_error")
    return next((seconds[step] for step, error in errors.items() if error <= GOAL and step in seconds), None)


def _against_the_clock(results: Results) -> Figure:
    rows = [
        {"seconds": seconds[step], "accuracy": 1 - error, "trial": _called(results, group, trial)}
        for group in results.groups
        for trial in group.counted
        for seconds in [trial.metric("seconds")]
        for step, error in trial.metric("test_error").items()
        if step in seconds
    ]
    return lines(
        "Accuracy against time",
        rows,
        x="seconds",
        y="accuracy",
        series="trial",
        x_title="seconds of training",
        y_title="test images read right",
        y_format=".0%",
        name="clock",
        caption="Seconds of training alone, without evaluation. Drawn on test images because the question is when "
        "they are read right; nothing was chosen by it.",
    )


def _called(results: Results, group: Group, trial: StoredTrial) -> str:
    return ", ".join(([group.label] if results.varying else []) + [f"seed {trial.seed}"])


def _epochs(results: Results) -> Table:
    """Every epoch of every trial."""
    rows = [
        {
            "trial": _called(results, group, trial),
            "epoch": line["epoch"],
            "seconds": line["seconds"],
            "rate": line["images_per_second"],
            "loss": line["epoch_loss"],
            "accuracy": 1 - line["test_error"] if "test_error" in line else None,
        }
        for group in results.groups
        for trial in group.counted
        for line in trial.metrics
        if "epoch_loss" in line
    ]
    columns = [
        Column("trial", "Trial", align="left"),
        Column("epoch", "Epoch", format=".0f"),
        Column("seconds", "Seconds so far", format=",.0f"),
        Column("rate", "Images a second", format=",.0f"),
        Column("loss", "Training loss", format=".3f", help="with smoothed labels, on augmented images"),
        Column("accuracy", "Test images read right", format=".2%"),
    ]
    return Table("Epoch by epoch", columns, rows, name="epochs")


ENTRY = Study(
    name="speed-net",
    title=TITLE,
    question=QUESTION,
    theme="Training",
    source="our own; Page 2018; Jordan 2024",
    settings=TrainingSettings,
    trial=train,
    base=RECIPE,
    scales={
        "smoke": Scale(
            "256 images, 1 epoch, a thin net",
            seeds=1,
            time="10 s",
            set={"epochs": 1, "data.train": 256, "data.test": 100, "batch_size": 64, "network.widths": [8, 12, 16]},
        ),
        "quick": Scale("all of CIFAR-10, 2 epochs, 1 seed", seeds=1, set={"epochs": 2}, time="5 min on two cores"),
        "full": Scale("all of CIFAR-10, 16 epochs, 3 seeds", seeds=3, set={"epochs": 16}, time="2 h on two cores"),
    },
    report=report,
    data=lambda settings: settings.data.name,
)
