"""SimpleNN learns CIFAR-10: where does its loss begin, how far does it come, and does it over-fit?

    E₀ ≈ −log(1/10) = ln 10 ≈ 2.303        a network that knows nothing gives every class one tenth

    underhood run simple-nn
    underhood run simple-nn --device cuda --backend torch

Pixels are brought to [0, 1], then normalised by each channel's mean and deviation, so that all inputs are of one scale
and the same rate suits all weights. Before the first step and during the training the device is asked what it does, so
that one sees where the network trains.

Over-fitting is called what the validation loss shows: it rises from its lowest by more than it scatters between the
seeds, while the training loss goes on falling.

Source: homework "CEE 690/ECE 590", Duke University, 2021, lab 1 (b) to (g).
"""

from collections.abc import Iterator
from math import log
from time import sleep
from typing import Any

from underhood.data import DATA_SETS
from underhood.lab import Group, Results, Scale, Study, Summary
from underhood.report.document import Document, Section
from underhood.studies.learning import laboratory
from underhood.studies.learning.device import Sample
from underhood.studies.learning.results import percent
from underhood.tables import Column, Table
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings
from underhood.trials import Context, Event, Metric, Result

SHEET, SHEET_S_FIRST_LOSS = laboratory.Sheet(0.6584), 2.3086
IDLE = 0.5  # seconds of doing nothing, to see what nothing takes


def trial(settings: TrainingSettings, seed: int, context: Context) -> Iterator[Event]:
    """Train, and look at the device before and during it."""
    idle = Sample.now(settings.device)
    sleep(IDLE)
    begun = Sample.now(settings.device)
    usage: dict[str, Any] = {"idle": idle.until(begun)}
    for event in train(settings, seed, context):
        if isinstance(event, Metric) and event.step:
            usage["training"] = begun.until(Sample.now(settings.device))
        yield Result({**event.values, "usage": usage}) if isinstance(event, Result) else event


def report(results: Results) -> Document:
    """The initial loss beside ln 10, the accuracy beside the sheet's, over-fitting, and the device."""
    said = []
    for group in results.groups:
        which = f"{group.label}: " if results.varying else ""
        said.append(f"{which}{_initial(group)} {_reached(group)} {overfitting(group)}")
    sections = [Section("The device", [_device(results), DEVICE])]
    return laboratory.report(ENTRY, results, sheet, "\n\n".join(said), sections)


DEVICE = (
    "Where the network trains shows by what changes from idle to training: this process's use of a core, or the GPU's "
    "utilisation, power and memory, and this process on the GPU's list. –: the system does not tell. What is said of "
    "training is the mean since the first step."
)


def sheet(group: Group) -> laboratory.Sheet:
    """The sheet's figure."""
    return SHEET


def _initial(group: Group) -> str:
    found = group.summary("initial_loss")
    if found is None:
        return "No loss was measured before the first step."
    data_set = DATA_SETS.get(group.settings["data"]["name"])
    if data_set is None:
        return f"Before any step the loss is **{found.mean:.4f}**."
    classes = len(data_set.classes)
    return (
        f"Before any step the loss is **{found.mean:.4f}**, beside ln {classes} = {log(classes):.4f} of a network that "
        f"guesses among {classes} classes (the sheet: {SHEET_S_FIRST_LOSS})."
    )


def _reached(group: Group) -> str:
    epochs = group.settings["epochs"]
    return f"The best validation accuracy over {epochs} epochs is {laboratory.beside_the_sheet(group, sheet(group))}."


def overfitting(group: Group) -> str:
    """Whether the network over-fits: where the validation loss is lowest, and what both losses do from there."""
    validation, training = group.curve("validation_loss"), group.curve("epoch_loss")
    if validation is None or training is None or len(validation.steps) < 2:
        return "Two evaluations are needed to speak of over-fitting."
    lowest = int(validation.mean.argmin())
    rises = [_rise(trial.metric("validation_loss"), validation.steps[lowest]) for trial in group.counted]
    rise = Summary.of(rises)
    gap = _gap(group)
    epoch = lowest + 1
    if lowest == len(validation.steps) - 1:
        return f"The validation loss is still falling at the last epoch, so it does not over-fit yet{gap}."
    falls = training.mean[-1] < training.mean[min(lowest, len(training.mean) - 1)]
    said = (
        f"The validation loss is lowest at epoch {epoch} and then changes by {rise.mean:+.3f}, while the training loss "
    )
    said += "goes on falling" if falls else "does not fall either"
    if not falls:
        return f"{said}: that is no over-fitting{gap}."
    if rise.low is None:
        return f"{said}: **over-fitting**, as far as one seed shows{gap}." if rise.mean > 0 else f"{said}{gap}."
    return f"{said}: {'**over-fitting**' if rise.low > 0 else 'not more than the seeds scatter'}{gap}."


def _rise(losses: dict[int, float], since: int) -> float:
    return losses[max(losses)] - losses[since]


def _gap(group: Group) -> str:
    train_error, validation = group.summary("train_error"), group.summary("validation_error")
    if train_error is None or validation is None:
        return ""
    apart = f"{percent(train_error.mean, 1)} of the training and {percent(validation.mean, 1)} of the validation images"
    return f"; at the end {apart} are misread"


def _device(results: Results) -> Table:
    rows = [
        ({"setting": group.label} if results.varying else {}) | {"when": when} | _cells(usage)
        for group in results.groups
        for stored in group.counted[:1]
        for when, usage in stored.result.get("usage", {}).items()
    ]
    columns = [
        *([Column("setting", "Setting", align="left")] if results.varying else []),
        Column("when", "When", align="left"),
        Column("machine", "All cores busy", format=".0%"),
        Column("process", "This process, of one core", format=".0%"),
        Column("resident", "Its memory", "MiB", ",.0f"),
        Column("watts", "Power", "W", ".1f"),
        Column("gpu", "GPU busy", format=".0%"),
        Column("gpu_memory", "GPU memory", "MiB", ",.0f"),
        Column("listed", "On the GPU's list"),
    ]
    return Table("The device, idle and while training", columns, rows, foot=["The first seed's trial."], name="device")


def _cells(usage: dict[str, Any]) -> dict[str, Any]:
    gpu = usage["gpu"] or {"watts": usage["watts"], "busy": None, "memory": None, "listed": None}
    return {
        "machine": usage["machine"],
        "process": usage["process"],
        "resident": usage["resident"] / 2**20,
        "watts": gpu["watts"],
        "gpu": gpu["busy"],
        "gpu_memory": None if gpu["memory"] is None else gpu["memory"] / 2**20,
        "listed": gpu["listed"],
    }


ENTRY = Study(
    name="simple-nn",
    title="SimpleNN learns CIFAR-10",
    question="What is the loss before any step, how far does SimpleNN come, and what is wrong with the training?",
    theme="Training",
    source=laboratory.SOURCE,
    settings=TrainingSettings,
    trial=trial,
    base=laboratory.RECIPE,
    scales={
        "smoke": Scale(time="10 s", **laboratory.SMOKE),
        "quick": Scale("15 epochs, 2 seeds", seeds=2, set={"epochs": 15}, time="2 min on two cores"),
        "full": Scale("30 epochs, 3 seeds", seeds=3, time="6 min on two cores"),
    },
    report=report,
)
