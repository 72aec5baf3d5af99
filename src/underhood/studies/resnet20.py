"""ResNet-20 on CIFAR-10: over 90 % of the validation images, and is it the schedule that keeps it below?

    underhood run resnet20                                        # both schedules, 4 epochs
    underhood run resnet20 --scale full --set schedule=one-cycle --set epochs=24 --set optimizer.lr=0.2
    underhood run resnet20 --scale full                           # the laboratory's 200 epochs, and one-cycle's

A laboratory's ResNet-20 stopped at 88.38 % of the validation images, after 200 epochs with the ResNet paper's settings
but its rate: 0.1, multiplied by 0.9 every 60 epochs, so still 0.0729 at the end. A step of that length bounces about
above the valley's floor. The question is held against the other extreme, from the same initial weights on the same
batches: a rate that ends at nothing.

    the laboratory's    η = 0.1 · 0.9^⌊u/P⌋             P = 60 of 200 epochs, and in proportion over fewer
    one-cycle           η up from 0.04 of its height over a fifth of the training, then down to 0 as a cosine

Everything else is the same in both: where the sheet says nothing, what the paper has. The best validation accuracy is
the highest of all epochs', on the images that it is the highest on; the test accuracy is of the last weights, once.

Sources: He, Zhang, Ren & Sun 2016, "Deep residual learning for image recognition", section 4.2; Smith & Topin 2018,
"Super-convergence".
"""

from typing import Any

from underhood.lab import Group, Results, Scale, Study
from underhood.report.document import Document, Section
from underhood.studies.learning.mistakes import misread
from underhood.studies.learning.recipe import curves, network_and_recipe
from underhood.studies.learning.results import (
    accuracy,
    difference,
    diverged,
    estimate,
    listed,
    percent,
    renamed,
    scaled,
)
from underhood.tables import Column, Table
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings

TITLE = "ResNet-20 on CIFAR-10, and the schedule of its rate"
QUESTION = "Does a ResNet-20 read over 90 % of the validation images right, and is it the schedule that keeps it below?"
GOAL = 0.90  # of the validation images, at the best epoch
SHEET_S, SHEET_EPOCHS, SHEET_PERIOD = 0.8838, 200, 60
QUICK = 4  # epochs of the quick scale: ten minutes
THEIRS = "the sheet's schedule"
BEST = "best_validation_error"


def sheet_s_schedule(epochs: int) -> dict[str, Any]:
    """The sheet's schedule over so many epochs: multiplied by 0.9 after 30 %, 60 % and 90 % of them."""
    return {"name": "decay", "factor": 0.9, "period": SHEET_PERIOD * epochs / SHEET_EPOCHS}


ONE_CYCLE: dict[str, Any] = {"name": "one-cycle", "peak": 0.2}
RECIPE: dict[str, Any] = {
    "network": "resnet20",
    "data": {"name": "cifar10", "validation": 5000, "augmentation": [{"name": "crop", "padding": 4}, {"name": "flip"}]},
    "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4},
    "batch_size": 128,
    "threads": 2,
}
REASONS = {
    "data": "the sheet: CIFAR-10 with a validation split; the paper: 5,000 of the training images",
    "data.augmentation": "the paper: crop from 4 pixels of zeros, mirror images, unless set otherwise",
    "batch_size": "the paper: 128, unless set otherwise",
    "optimizer": "the paper: SGD, 0.1, momentum 0.9, weight decay 1e-4, unless set otherwise",
    "schedule": "what is compared; the sheet: 0.1 times 0.9 every 60 of 200 epochs",
    "epochs": "the sheet: 200; fewer where time is short",
}


def report(results: Results) -> Document:
    """Best validation and test accuracy of each schedule, beside the sheet's, and the schedules' difference."""
    results = renamed(results, _called)
    return Document(
        title=TITLE,
        question=QUESTION,
        answer=_answer(results),
        sections=[
            Section("Beside the sheet", [_beside(results), BESIDE]),
            curves(results, caption="Validation: after each epoch, on images held out of the training set."),
            misread(results),
            network_and_recipe(results, REASONS),
        ],
        headline={f"best validation accuracy, {g.label} (%)": scaled(accuracy(g, BEST), 100) for g in results.groups},
        listed=[
            listed(f"best validation accuracy, {g.label}", g, accuracy(g, BEST), f"{percent(SHEET_S)} (200 epochs)")
            for g in results.groups
        ],
    )


BESIDE = (
    "The best validation accuracy is chosen by the images that it is measured on, so it flatters a little, the sheet's "
    "as well as ours; which images the sheet held out is not known. Nothing was chosen by the test images. The sheet "
    "gives no test accuracy, no number of seeds and no interval."
)


def _called(group: Group) -> str:
    """Its schedule's name."""
    return THEIRS if _is_the_sheet_s(group) else str(group.settings["schedule"]["name"])


def _is_the_sheet_s(group: Group) -> bool:
    """Whether the rate falls as the sheet's does, in proportion to the epochs."""
    schedule, epochs = group.settings["schedule"], group.settings["epochs"]
    wanted = sheet_s_schedule(epochs)
    own = {"factor": 0.9, "period": 5.0} | schedule
    return all(own.get(key) == value for key, value in wanted.items()) and not schedule.get("warmup")


def _answer(results: Results) -> str:
    said = [_reached(group) for group in results.groups]
    theirs = [group for group in results.groups if _is_the_sheet_s(group)]
    others = [group for group in results.groups if not _is_the_sheet_s(group)]
    if theirs and others:
        said += [_difference(group, theirs[0]) for group in others]
        said.append(_limits(theirs[0]))
    elif others:
        said.append(
            "The sheet's schedule was not run beside it, so this run does not say how much of the difference to "
            f"its {percent(SHEET_S)} is the schedule's."
        )
    return "\n\n".join(said)


def _reached(group: Group) -> str:
    best, test = accuracy(group, BEST), accuracy(group)
    epochs = group.settings["epochs"]
    if best is None:
        return f"With {group.label} nothing was held out, so there is no validation accuracy."
    over = sum(value > GOAL for value in best.values)
    many = f"in {over} of {best.n} seeds" if best.n > 1 else "with the one seed that was run"
    verdict = f"**above {percent(GOAL, 0)}** {many}" if over else f"**not above {percent(GOAL, 0)}**, {many}"
    tested = (
        ""
        if test is None
        else f", and {estimate(test)} of the test images with the {group.settings['weights']} weights"
    )
    sheet = 100 * (best.mean - SHEET_S)
    return (
        f"With {group.label}, over {epochs} epochs: **{estimate(best)}** of the validation images at the best epoch"
        f"{tested}. That is {verdict}; {sheet:+.2f} points from the sheet's {percent(SHEET_S)}.{diverged(group)}"
    )


def _difference(group: Group, theirs: Group) -> str:
    """How much more the other schedule reads right, seed by seed."""
    apart = scaled(difference(theirs, group, BEST), 100)  # of errors: what the other has fewer
    if apart is None:
        return f"No seed finished with both {group.label} and {theirs.label}, so there is no difference to take."
    said = f"From {theirs.label} to {group.label}, all else equal: {apart.mean:+.2f} points of validation accuracy"
    if apart.low is None or apart.high is None:
        return f"{said}; one seed cannot say whether that is luck."
    verdict = (
        "the schedule makes the difference"
        if apart.low > 0
        else "the sheet's schedule is the better one here"
        if apart.high < 0
        else "that may be luck"
    )
    return f"{said} [{apart.low:+.2f}, {apart.high:+.2f}] over {apart.n} pairs of seeds: {verdict}."


def _limits(theirs: Group) -> str:
    """What a run of so many epochs can tell of the sheet's."""
    epochs = theirs.settings["epochs"]
    if epochs == SHEET_EPOCHS:
        return "These are the sheet's own 200 epochs, so its schedule is judged as it was used."
    period = SHEET_PERIOD * epochs / SHEET_EPOCHS
    return (
        f"The sheet's schedule is compressed in proportion: a step down every {period:g} of {epochs} epochs instead of "
        f"every {SHEET_PERIOD} of {SHEET_EPOCHS}. This tells which schedule brings more in {epochs} epochs; it cannot "
        f"tell where the sheet's {SHEET_EPOCHS} would have ended, which were not run here: `--scale full` runs them."
    )


def _beside(results: Results) -> Table:
    columns = [
        Column("what", "", align="left"),
        Column("epochs", "Epochs", format=",d"),
        Column("last", "Rate of the last epoch", help="mean over the seeds, as the optimiser had it"),
        Column("best", "Best validation accuracy", format=".2%"),
        Column("test", "Test accuracy", format=".2%"),
        Column("train", "Training error", format=".2%", help="of the last epoch's batches"),
        Column("seeds", "Seeds"),
        Column("seconds", "Training time", "s", ",.1f"),
    ]
    rows: list[dict[str, Any]] = [
        {"what": "the sheet", "epochs": SHEET_EPOCHS, "last": 0.1 * 0.9**3, "best": SHEET_S},
    ]
    for group in results.groups:
        rates = [rate for t in group.counted if (rate := _last_rate(t)) is not None]
        rows.append(
            {
                "what": group.label,
                "epochs": group.settings["epochs"],
                "last": sum(rates) / len(rates) if rates else None,
                "best": accuracy(group, BEST),
                "test": accuracy(group),
                "train": group.summary("train_error"),
                "seeds": len(group.counted),
                "seconds": group.summary("seconds"),
            }
        )
    return Table("Ours beside the sheet's", columns, rows, name="beside")


def _last_rate(trial: Any) -> float | None:
    rates = list(trial.metric("learning_rate").values())
    return float(rates[-1]) if rates else None


ENTRY = Study(
    name="resnet20",
    title=TITLE,
    question=QUESTION,
    theme="Training",
    source="He et al. 2016, section 4.2; CEE 690/ECE 590, Duke University 2021",
    settings=TrainingSettings,
    trial=train,
    base=RECIPE,
    axes={"schedule": [sheet_s_schedule(QUICK), ONE_CYCLE]},
    scales={
        "smoke": Scale(
            "256 images, 2 epochs, a ResNet-8, both schedules",
            seeds=1,
            time="15 s",
            set={
                "epochs": 2,
                "threads": 1,
                "batch_size": 32,
                "network": {"name": "resnet20", "depth": 8, "width": 8},
                "data.train": 256,
                "data.validation": 64,
                "data.test": 100,
            },
            axes={"schedule": [sheet_s_schedule(2), ONE_CYCLE]},
        ),
        "quick": Scale(
            "4 epochs with each schedule, 1 seed", seeds=1, set={"epochs": QUICK}, time="10 min on two cores"
        ),
        "full": Scale(
            "the sheet's 200 epochs with each schedule, 1 seed",
            seeds=1,
            set={"epochs": SHEET_EPOCHS},
            axes={"schedule": [sheet_s_schedule(SHEET_EPOCHS), ONE_CYCLE]},
            time="7 h on two cores",
        ),
    },
    report=report,
    compares=("schedule",),
)
