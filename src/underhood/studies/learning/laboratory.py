"""What the studies of one laboratory on CIFAR-10 share: its recipe, built up step by step, and its figures beside ours.

    RECIPE → DECAYED → AUGMENTED → NORMALISED → SWISH

Each step keeps the ones before it, but that from SWISH on the rate does not decay. The laboratory's "accuracy" is the
best validation accuracy over the epochs, 1 less the lowest validation error, so that is what stands beside its figures;
the test images are asked once, at the end.

Source: homework "CEE 690/ECE 590", Duke University, 2021, labs 1 and 2.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from underhood.lab import Group, Results, Study, Summary
from underhood.report.document import Block, Document, Listed, Section
from underhood.studies.learning.results import (
    capital,
    difference,
    diverged,
    estimate,
    listed,
    loss_and_error,
    percent,
    scaled,
    told_from,
)
from underhood.tables import Column, Table

SOURCE = "CEE 690/ECE 590, Duke University 2021"
SGD: dict[str, Any] = {"name": "sgd", "lr": 0.01, "momentum": 0.9}
RECIPE: dict[str, Any] = {
    "network.name": "simple-nn",
    "data.name": "cifar10",
    "data.validation": 5000,
    "optimizer": SGD | {"weight_decay": 1e-4},
    "batch_size": 128,
    "epochs": 30,
}
DECAY: dict[str, Any] = {"name": "decay", "factor": 0.9, "period": 5}
AUGMENTATION: list[dict[str, Any]] = [{"name": "crop", "padding": 4}, {"name": "flip"}]
DECAYED = RECIPE | {"schedule": DECAY}
AUGMENTED = DECAYED | {"data.augmentation": AUGMENTATION}
NORMALISED = AUGMENTED | {"network.batch_norm": True}
SWISH = {key: value for key, value in NORMALISED.items() if key != "schedule"} | {"network.activation": "Swish"}
SMOKE: dict[str, Any] = {  # the smallest scale, the same for all studies but for its axes
    "summary": "256 images, 2 epochs",
    "seeds": 1,
    "set": {"epochs": 2, "data.train": 256, "data.validation": 64, "data.test": 100, "batch_size": 32},
}

Taken = tuple[Any, tuple[str, ...], str]  # what is assumed, in which settings it stands, how another value is said
HERE: Sequence[Taken] = (
    (128, ("batch_size",), "batches of {:,}"),
    (45_000, ("data", "train"), "{:,} training images"),
    (5000, ("data", "validation"), "{:,} validation images"),
)
ASSUMED = (
    "Assumed, because the sheet does not say: SGD with momentum 0.9, batches of 128, 45,000 training and 5,000 "
    "validation images, an L2 penalty of 1e-4 by the optimiser's weight decay unless it is what varies. From the "
    "sheet: the network, the rate of 0.01 and 30 epochs unless said otherwise."
)
LIKE_WITH_LIKE = (
    "The sheet gives the best validation accuracy over the epochs, of one seed; ours is that over the seeds. It is "
    "chosen by the images that it is measured on, so it flatters a little; the test accuracy, of the last weights, "
    "does not."
)
CROP = (
    "Where images are cropped, ours may part from the sheet's for that alone, to either side. The sheet names "
    "`pad_if_needed` and no padding: torchvision pads by it only what is smaller than the crop, so that a crop of "
    "32×32 leaves these images as they are, and the sheet's figures would be those of the flip alone. Ours moves them "
    "by up to the padding. `--set data.augmentation=flip` leaves the crop out, and `underhood run augmentation` has "
    "both."
)
CURVES = "Training: an epoch's batches as they came, augmented if asked."


@dataclass(frozen=True)
class Sheet:
    """A figure of the sheet: a best validation accuracy and the epochs that it took."""

    accuracy: float
    epochs: int = 30


Theirs = Callable[[Group], Sheet | None]  # the sheet's figure for a group's settings, where it has one


def best(group: Group) -> Summary | None:
    """The best validation accuracy over the seeds that count."""
    return group.summary("best_validation_accuracy")


def points(group: Group, reference: Group) -> Summary | None:
    """How many points more the group reads right at its best epoch, seed by seed."""
    return scaled(difference(group, reference, "best_validation_accuracy"), 100)


def report(
    study: Study,
    results: Results,
    sheet: Theirs,
    answer: str,
    sections: Sequence[Section] = (),
    assumed: Sequence[Block] = (),
) -> Document:
    """A step's report: the answer, ours beside the sheet's, `sections` of its own, the curves, what is assumed."""
    steps = [step for g in results.groups for step in g.settings.get("data", {}).get("augmentation", [])]
    cropped = any(step["name"] == "crop" for step in steps)
    return Document(
        title=study.title,
        question=study.question,
        answer=answer,
        sections=[
            Section("Beside the sheet", [table(results, sheet), LIKE_WITH_LIKE, *[CROP] * cropped]),
            *sections,
            Section("While it learns", [*loss_and_error(results, "validation", CURVES)]),
            Section("Assumed", [ASSUMED, *otherwise(results, HERE), *assumed]),
        ],
        headline={f"best validation accuracy, {g.label} (%)": scaled(best(g), 100) for g in results.groups},
        listed=[_listed(results, group, sheet(group)) for group in results.groups],
    )


def otherwise(results: Results, taken: Sequence[Taken]) -> list[str]:
    """What trainings have in place of what is taken to hold, as a sentence; nothing where all keep to it."""
    said: dict[str, None] = {}
    for usual, keys, words in taken:
        values = [reduce(lambda at, key: at.get(key) or {}, keys, group.settings) or usual for group in results.groups]
        said |= dict.fromkeys(words.format(value) for value in values if value != usual)
    return [f"In this run otherwise: {', '.join(said)}."] if said else []


def _listed(results: Results, group: Group, theirs: Sheet | None) -> Listed:
    """The group's row in the list of results; the sheet's figure with its epochs where ours are others."""
    epochs = group.settings["epochs"]
    apart = f" ({theirs.epochs} epochs)" if theirs is not None and theirs.epochs != epochs else ""
    note = lost(group).replace("**", "") if best(group) is None else diverged(group).strip()
    what = "best validation accuracy" + f", {group.label}" * bool(results.varying)
    return listed(what, group, best(group), percent(theirs.accuracy) + apart if theirs else "", note)


# ---- in words


def stepwise(results: Results, sheet: Theirs, before: Callable[[Group], bool]) -> str:
    """Every group's accuracy beside the sheet's, then what each brings over the group that stands `before` it."""
    said = [f"{capital(g.label)}: {beside_the_sheet(g, sheet(g))}." for g in results.groups]
    references = [group for group in results.groups if before(group)]
    if len(references) == 1:
        said += [compared(group.label, group, references[0]) for group in results.groups if not before(group)]
    elif len(results.groups) > 1:
        said.append("What the step is compared with was not run, or in several ways, so no difference is taken.")
    return " ".join(said)


def along(results: Results, sheet: Theirs, what: str) -> str:
    """The answer over an axis: where the accuracy is highest, what cannot be told from it, what is surely lower."""
    found = {group.label: summary.mean for group in results.groups if (summary := best(group)) is not None}
    said = [f"{capital(g.label)}: {lost(g)}." for g in results.groups if best(g) is None]
    if not found:
        return " ".join(said)
    highest = max(found, key=lambda label: found[label])
    top = results[highest]
    said.insert(0, f"Highest with **{highest}**: {beside_the_sheet(top, sheet(top))}.")
    others = [group for group in results.groups if group.label != highest]
    said += filter(None, [told_from(top, others, points, "lower", ".2f", " points")])
    if len(found) == 1:
        said.append(f"No other {what} has a number, so none can be called better.")
    return " ".join(said)


def beside_the_sheet(group: Group, sheet: Sheet | None) -> str:
    """`**67.1 ± 0.5 %** (the sheet: 67.42 %, inside that interval)`; of no number, why there is none."""
    found, epochs = best(group), group.settings["epochs"]
    if found is None:
        return lost(group)
    said = f"**{estimate(found)}**"
    if sheet is None:
        return said
    theirs = percent(sheet.accuracy)
    if epochs != sheet.epochs:
        return f"{said} after {epochs} epochs (the sheet's {theirs} took {sheet.epochs}, so the two are not compared)"
    return f"{said} (the sheet: {theirs}, {_apart(found, sheet.accuracy)})"


def _apart(found: Summary, sheet: float) -> str:
    points = f"ours is {100 * (found.mean - sheet):+.2f} points from it"
    if found.low is None or found.high is None:
        return f"{points}, of one seed"
    return "inside that interval" if found.low <= sheet <= found.high else f"outside that interval: {points}"


def lost(group: Group) -> str:
    """Why a group has no number: where its trials diverged, and what was measured before."""
    gone = [trial for trial in group.trials if trial.diverged]
    if not gone:
        return "no trial finished"
    steps = [int(trial.result["steps"]) for trial in gone]
    at = f"at step {min(steps)}" if len(set(steps)) == 1 else f"at steps {min(steps)} to {max(steps)}"
    seen = [1 - error for trial in gone for error in trial.metric("validation_error").values()]
    before = f"its best evaluation before was {percent(max(seen))}" if seen else "before its first evaluation"
    many = "" if len(gone) == 1 else f" with all of {len(gone)} seeds"
    return f"**diverged**{many} {at}, {before}"


def compared(what: str, group: Group, reference: Group) -> str:
    """What a step brings, in points, and whether that is more than the seeds' luck."""
    found = points(group, reference)
    if found is None:
        return f"No seed finished both with {what} and without it, so there is no difference to take."
    said = f"{capital(what)} brings {found.mean:+.2f} points"
    if found.low is None and abs(found.mean) < 1e-9:
        return f"{capital(what)} leaves the best validation accuracy as it is, with one pair of seeds."
    if found.low is None or found.high is None:
        return f"{said}; one seed cannot say whether that is luck."
    verdict = "it **helps**" if found.low > 0 else "it **harms**" if found.high < 0 else "**that may be luck**"
    return f"{said} [{found.low:+.2f}, {found.high:+.2f}] over {found.n} pairs of seeds: {verdict}."


# ---- tables and figures


def table(results: Results, sheet: Theirs) -> Table:
    """A row a setting: the best validation accuracy beside the sheet's, its epoch, and the test accuracy."""
    known = [(group, sheet(group)) for group in results.groups]
    rows = [
        ({"setting": group.label} if results.varying else {})
        | {
            "epochs": group.settings["epochs"],
            "best": best(group),
            "sheet": None if theirs is None else theirs.accuracy,
            "theirs": None if theirs is None else theirs.epochs,
            "epoch": group.summary("best_epoch"),
            "test": group.summary("test_accuracy"),
            "train": group.summary("train_error"),
            "diverged": f"{sum(t.diverged for t in group.trials)} of {len(group.trials)}",
        }
        for group, theirs in known
    ]
    columns = [
        *([Column("setting", "Setting", align="left")] if results.varying else []),
        Column("epochs", "Epochs", format=",d"),
        Column("best", "Best validation accuracy", format=".2%"),
        Column("sheet", "The sheet's", format=".2%"),
        Column("theirs", "in epochs", format=",d"),
        Column("epoch", "Reached at epoch", format=".1f"),
        Column("test", "Test accuracy", format=".2%", help="once, with the last weights"),
        Column("train", "Training error", format=".2%", help="of the last epoch's batches"),
        Column("diverged", "Diverged"),
    ]
    return Table("Ours beside the sheet's", columns, rows, name="beside")
