"""SimpleConvNet learns MNIST: how well, and how long does an epoch take in each form that it can be computed in?

    scalar     the loops of the equations, number by number: by the Python interpreter, or the same compiled
    vector     NumPy's arrays; the convolution a product with columns of C·K·K numbers, or one a channel, of K·K
    fast       each operation in kernels of its own;     plan: a whole step recorded, fused and replayed
    PyTorch    as it stands (eager), or translated by torch.compile

    underhood run scalar-vs-vector
    underhood run mnist-mlp --set form=vector          # the form is a setting of every training

A trial with `images` times that many of an epoch's images, batch by batch, after a warm-up, and its epoch is

    T = N · Σtᵢ / Σbᵢ  ± N/b · t(0.975, k − 1) · s/√k          N training images, k batches of b that took tᵢ

measured whole where `images` is N, extrapolated where it is less. A trial without trains for all its epochs and is
tested. In plain Python one image takes seconds, so that a few stand for all, in batches of one; its weights are updated
by arrays, as in the vector form.

Source: A. Chernodub, "Homework for the deep learning class" (2019), section 4, task 3.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from math import exp, log
from time import perf_counter
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from underhood.figures import Figure, bars
from underhood.lab import Group, Results, Scale, Study, Summary
from underhood.report.document import Document, Listed, Section
from underhood.report.facts import duration
from underhood.settings import SettingError
from underhood.studies.learning.results import (
    accuracy,
    called,
    diverged,
    estimate,
    listed,
    loss_and_error,
    of_seeds,
    percent,
)
from underhood.tables import Column, Table, number
from underhood.training.learner import NetworkLearner
from underhood.training.loop import train
from underhood.training.pipeline import read, shuffled
from underhood.training.settings import TrainingSettings
from underhood.trials import Context, Event, Metric, Result

GOAL = 0.985  # of the test images, the sheet's
WARM = 3  # batches before the clock: caches, a plan's recording, a compiler's work
SCALAR = "scalar, plain Python"
WAYS = {
    "definition": "scalar, compiled",
    "vector-by-channel": "vector, columns of K·K",
    "vector": "vector, columns of C·K·K",
    "fast": "fast",
    "plan": "the plan",
}


class Settings(TrainingSettings):
    """Training settings, of which `images` of an epoch are timed instead; `interpreted`: without the compiler."""

    images: int | None = Field(default=None, ge=1)
    interpreted: bool = False

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.interpreted and (self.form != "definition" or self.images is None):
            raise SettingError("interpreted", "goes with form = definition and a few images; an epoch takes days")
        if self.images is not None and self.images < self.batch_size:
            raise SettingError("images", f"{self.images} is less than a batch of {self.batch_size}")
        return self

    def trainings(self) -> Sequence[TrainingSettings] | None:
        """A part of an epoch is none."""
        return super().trainings() if self.images is None else None


def trial(settings: Settings, seed: int, context: Context) -> Iterator[Event]:
    """Train and test, or time a part of an epoch."""
    if settings.images is None:
        yield from train(settings, seed, context)
    else:
        yield from timed(settings, seed, context)


def timed(settings: Settings, seed: int, context: Context) -> Iterator[Event]:
    """Steps of training on the first images of an epoch's order; the clock runs while a batch is made and learnt."""
    parts = read(settings.data, context.data, seed, settings.dtype)
    learner = NetworkLearner(settings, seed, parts)
    order, size = shuffled(len(parts.train), seed, 0), settings.batch_size
    train_images, there = parts.train.in_epoch(seed, 0), max(1, len(order) // size)
    batches = max(1, min(settings.images or 0, len(order)) // size)
    warm = 0 if settings.interpreted else WARM
    times: list[float] = []
    losses: list[float] = []
    measured = 0
    with interpreter() if settings.interpreted else nullcontext():
        for i in range(warm + batches):
            if context.stopping():
                return  # it is short: the next run begins anew
            began = perf_counter()
            learner.prepare(i, 1.0, False)
            x, t = train_images.batch(order[i % there * size : (i % there + 1) * size])
            loss, _ = learner.step(x, t)
            took = perf_counter() - began
            losses.append(loss)
            if i >= warm:
                times.append(took)
                measured += len(t)
                yield Metric(i + 1, {"seconds": took, "train_loss": loss})
    whole = len(order) / (measured / batches)
    spread = Summary.of(times)
    yield Result(
        {
            "epoch_seconds": whole * spread.mean,
            "spread": None if spread.high is None else whole * (spread.high - spread.mean),
            "measured": measured,
            "of": len(order),
            "first_loss": losses[0],
            "diverged": not bool(np.isfinite(losses).all()),
            "steps": len(losses),
        }
    )


@contextmanager
def interpreter() -> Iterator[None]:
    """Inside, what Numba would compile is run by the Python interpreter, line by line."""
    from numba.core import registry

    compiled_function: Any = registry.CPUDispatcher
    compiled_function.__call__ = lambda self, *given: self.py_func(*given)
    try:
        yield
    finally:
        del compiled_function.__call__


# ---- what is said of it


def report(results: Results) -> Document:
    """The accuracy beside the sheet's, the time of an epoch in every form, and scalar against vector."""
    settings = [group.label for group in results.groups]
    results = called(results, way)
    chosen = {group.label: words for group, words in zip(results.groups, settings, strict=True)}
    trained = [group for group in results.groups if group.settings["images"] is None]
    clocked = [group for group in results.groups if group.settings["images"] is not None]
    sections = [Section("The time of an epoch", [_times(clocked, chosen), FAIR, *_drawn(clocked)])] if clocked else []
    if trained:
        sections.append(Section("What is learnt", [_learnt(trained, chosen), *_curves(trained)]))
    return Document(
        title=ENTRY.title,
        question=ENTRY.question,
        answer="\n\n".join([*_accuracy(trained), *_epochs(clocked), *_against(clocked)]),
        sections=[*sections, Section("Assumed", [ASSUMED])],
        listed=[*_listed(trained), *(_clock(group) for group in clocked)],
    )


FAIR = (
    "Every form does the same steps on the same images from the same weights, as the first loss shows; with a batch of "
    "one image, as in plain Python, it is that image's. Times are fair only where nothing else computes. All compute "
    "with as many threads as the setting says, one by default."
)
ASSUMED = (
    "The sheet gives batches of 64, a rate of 0.01, momentum 0.5, 10 to 20 epochs and more than 98.5 %; it gives no "
    "times. Assumed: pixels less the training set's mean over its deviation, PyTorch's initial weights. The one "
    "convolution of SimpleConvNet has one input channel, so its columns hold the same 25 numbers in both vector forms, "
    "and these differ in how they go about it alone."
)


def way(group: Group) -> str:
    """How a group computes, and that it trains where it does."""
    s = group.settings
    if s["backend"] == "torch":
        said = "PyTorch, compiled" if s["compile"] else "PyTorch, eager"
    else:
        said = SCALAR if s["interpreted"] else WAYS[s["form"]]
    return said if s["images"] is not None else f"{s['epochs']} epochs by {said}"


def _accuracy(trained: list[Group]) -> Iterator[str]:
    for group in trained:
        found, epochs = accuracy(group), group.settings["epochs"]
        if found is None:
            yield f"{group.label}: no seed has a test accuracy.{diverged(group)}"
            continue
        over = sum(value > GOAL for value in found.values)
        many = f"{over or 'none'} of {found.n} seeds" if found.n > 1 else f"{'yes' if over else 'no'}, of one seed"
        yield (
            f"After {epochs} epoch{'s' * (epochs != 1)} **{estimate(found)}** of the test images are read right; more "
            f"than the sheet's {percent(GOAL, 1)}: **{many}**.{diverged(group)}"
        )


def _epochs(clocked: list[Group]) -> Iterator[str]:
    """The times, the longest first."""
    known = sorted(((s.mean, g) for g in clocked if (s := seconds(g)) is not None), key=lambda pair: -pair[0])
    if known:
        times = [f"**{duration(mean)}** ({g.label}{_part(g)})" for mean, g in known]
        images = {number(of.mean) for _, group in known if (of := group.summary("of")) is not None}
        many = f" of {images.pop()} images" if len(images) == 1 else ""
        yield f"An epoch{many} takes {', '.join(times)}."
    lost = [group.label for group in clocked if seconds(group) is None]
    if lost:
        yield f"No time was measured: {'; '.join(lost)}."


def seconds(group: Group) -> Summary | None:
    """The time of an epoch over the seeds."""
    return group.summary("epoch_seconds")


def _part(group: Group) -> str:
    """From how many images the time is extrapolated; nothing where all were timed."""
    measured, of = (group.summary(name) for name in ("measured", "of"))
    if measured is None or of is None or measured.mean >= of.mean:
        return ""
    return f", extrapolated from {measured.mean:,.0f} image{'s' * (measured.mean != 1)}"


def _against(clocked: list[Group]) -> Iterator[str]:
    """The compiled scalar form against each vector form, and the vector form against what is quicker, seed by seed."""
    by_name = {group.label: group for group in clocked}
    pairs = [(SCALAR, WAYS["definition"])]
    pairs += [(WAYS["definition"], WAYS[form]) for form in ("vector-by-channel", "vector")]
    pairs += [(WAYS["vector"], WAYS["plan"]), ("PyTorch, eager", WAYS["plan"]), ("PyTorch, compiled", WAYS["plan"])]
    said = [_ratio(by_name[a], by_name[b]) for a, b in pairs if a in by_name and b in by_name]
    if found := list(filter(None, said)):
        yield "Seed by seed: " + "; ".join(found) + "."


def _ratio(slow: Group, quick: Group) -> str:
    """How many times the one takes of the other's time, and whether that is told from 1."""
    theirs = {trial.seed: trial.result.get("epoch_seconds") for trial in quick.counted}
    pairs = [(trial.result.get("epoch_seconds"), theirs.get(trial.seed)) for trial in slow.counted]
    ratios = [log(a / b) for a, b in pairs if a and b]
    if not ratios:
        return ""
    found = Summary.of(ratios)
    said = f"{slow.label} takes **{number(exp(found.mean), '.3g')}** times as long as {quick.label}"
    if found.low is None or found.high is None:
        return f"{said} (one seed)"
    interval = f"[{number(exp(found.low), '.3g')}, {number(exp(found.high), '.3g')}]"
    return f"{said} {interval}" + (", **not told apart**" if found.low <= 0 <= found.high else "")


def _listed(trained: list[Group]) -> Iterator[Listed]:
    for group in trained:
        yield listed(f"test accuracy, {group.label}", group, accuracy(group), f"over {percent(GOAL, 1)}")


def _clock(group: Group) -> Listed:
    took = sum(trial.seconds for trial in group.trials)
    what = f"seconds of an epoch, {group.label}"
    return Listed(what, seconds(group), format=".3g", seconds=took, note=_part(group).removeprefix(", "))


# ---- tables and figures


def _times(clocked: list[Group], chosen: Mapping[str, str]) -> Table:
    means = [found.mean for group in clocked if (found := seconds(group)) is not None]
    rows = []
    for group in clocked:
        found, spread, measured, first = (
            group.summary(name) for name in ("epoch_seconds", "spread", "measured", "first_loss")
        )
        rows.append(
            {
                "way": group.label,
                "seconds": found,
                "spread": None if spread is None else spread.mean,
                "measured": None if measured is None else measured.mean,
                "extrapolated": None if measured is None else bool(_part(group)),
                "times": None if found is None else found.mean / min(means),
                "batch": group.settings["batch_size"],
                "first": first,
                "settings": chosen[group.label],
            }
        )
    columns = [
        Column("way", "Form", align="left"),
        Column("seconds", "Seconds of an epoch", format=",.4g"),
        Column("spread", "± by its batches", format=",.2g", help="95 % interval over the batches of a trial, mean"),
        Column("measured", "Images timed", format=",.0f"),
        Column("extrapolated", "Extrapolated"),
        Column("times", "Times the quickest", format=",.2f"),
        Column("batch", "Batch"),
        Column("first", "First loss", format=".6f"),
        Column("settings", "Settings", align="left"),
    ]
    return Table("An epoch of training in every form", columns, rows, name="times")


def _drawn(clocked: list[Group]) -> Iterator[Figure]:
    rows, counts = [], []
    for group in clocked:
        if (found := seconds(group)) is not None:
            low, high = (found.mean if end is None else max(end, found.mean / 10) for end in (found.low, found.high))
            rows.append({"way": group.label, "seconds": found.mean, "low": low, "high": high})
            counts.append(found.n)
    if not rows:
        return
    yield bars(
        "Seconds of an epoch", rows, x="way", y="seconds", band=("low", "high"), log_y=True, y_title="seconds",
        y_format=",.3r", name="seconds", caption=f"{of_seeds(counts)} Each mark is ten times the one before.",
    )  # fmt: skip


def _learnt(trained: list[Group], chosen: Mapping[str, str]) -> Table:
    rows = [
        {
            "way": group.label,
            "accuracy": accuracy(group),
            "sheet": GOAL,
            "loss": group.summary("train_loss"),
            "seconds": group.summary("seconds"),
            "epoch": _mean_epoch(group),
            "settings": chosen[group.label],
        }
        for group in trained
    ]
    columns = [
        Column("way", "Training", align="left"),
        Column("accuracy", "Test accuracy", format=".2%"),
        Column("sheet", "The sheet's, more than", format=".1%"),
        Column("loss", "Training loss", format=".4f", help="mean over the last epoch"),
        Column("seconds", "Training time", "s", ",.1f"),
        Column("epoch", "An epoch of it", "s", ",.2f", help="the first, in which plans are recorded, is in it"),
        Column("settings", "Settings", align="left"),
    ]
    return Table("Trained and tested", columns, rows, name="trained")


def _mean_epoch(group: Group) -> Summary | None:
    found = [trial.result["seconds"] / trial.result["epochs"] for trial in group.counted if "seconds" in trial.result]
    return Summary.of(found) if found else None


def _curves(trained: list[Group]) -> list[Any]:
    return loss_and_error(Results(tuple(trained)), "test", "Test: nothing was chosen by it.")


def _grids(few: int, some: int, many: int, most: int, compiler: bool = True) -> list[dict[str, list[Any]]]:
    """A grid a form, with as many images as it can do in some seconds; `compiler`: PyTorch's too. Then the training."""
    ours: dict[str, list[Any]] = {"backend": ["underhood"], "interpreted": [False]}
    theirs: dict[str, list[Any]] = {"backend": ["torch"], "form": ["plan"]}
    return [
        {"form": ["definition"], "interpreted": [True], "batch_size": [1], "images": [few]},
        {**ours, "form": ["definition"], "images": [some]},
        {**ours, "form": ["vector-by-channel", "vector"], "images": [many]},
        {**ours, "form": ["fast", "plan"], "images": [most]},
        {**theirs, "compile": [False, True] if compiler else [False], "images": [most]},
        {**ours, "form": ["plan"], "images": [None]},
    ]


ENTRY = Study(
    name="scalar-vs-vector",
    title="SimpleConvNet, scalar and vector",
    question="How well does SimpleConvNet read MNIST, and how long does an epoch take in scalar and in vector form?",
    theme="By hand",
    source="Chernodub 2019, section 4",
    settings=Settings,
    trial=trial,
    base={
        "network": "simple-conv-net",
        "data.name": "mnist",
        "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.5},
        "batch_size": 64,
        "epochs": 20,
        "test_curve": True,
    },
    axes=_grids(4, 1280, 6400, 60_000),
    scales={
        "smoke": Scale(
            "256 digits, 2 batches of each form",
            seeds=1,
            set={"data.train": 256, "data.test": 100, "epochs": 2},
            axes=_grids(1, 64, 128, 128, compiler=False),
            time="20 s",
        ),
        "quick": Scale(
            "parts of an epoch, 8 epochs of training, 2 seeds",
            seeds=2,
            set={"epochs": 8},
            axes=_grids(2, 320, 1280, 6400),
            time="5 min",
        ),
        "full": Scale("20 epochs, 3 seeds", seeds=3, time="20 min"),
    },
    report=report,
    timed=True,
    compares=("form", "interpreted", "images", "batch_size", "backend", "compile", "epochs"),
)
