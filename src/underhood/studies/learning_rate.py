"""How does the learning rate affect SimpleNN's accuracy?

    w ← w − η v,    η constant: 1.0, 0.1, 0.05, 0.02, 0.01 for 30 epochs, 0.005 for 50, 0.002 for 70, 0.001 for 95

    underhood run learning-rate
    underhood run learning-rate --scale full --set optimizer.lr=0.002

With augmentation, BatchNorm and Swish, without decay, as the sheet says; a smaller rate is given more epochs, as there.
What diverges is reported as such, with the evaluations before.

Source: homework "CEE 690/ECE 590", Duke University, 2021, lab 2 (c), part 1.
"""

from typing import Any

from underhood.figures import Figure, points
from underhood.lab import Group, Results, Scale, Study, Summary
from underhood.report.document import Document, Section
from underhood.studies.learning import laboratory
from underhood.studies.learning.results import called, of_seeds
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings

SHEET = {
    1.0: 0.1040,
    0.1: 0.6974,
    0.05: 0.7048,
    0.02: 0.7182,
    0.01: 0.7184,
    0.005: 0.7212,
    0.002: 0.7270,
    0.001: 0.7258,
}
EPOCHS = {0.005: 50, 0.002: 70, 0.001: 95}  # the others have 30
LOST = "ours, before it diverged"
LOST_SAID = " Where every seed diverged the point is the best evaluation before."


def report(results: Results) -> Document:
    """The accuracy at every rate beside the sheet's, drawn against the rate, and the curves."""
    results = called(results, lambda group: f"a rate of {rate(group):g}")
    answer = laboratory.along(results, sheet, "rate") + "\n\n" + _large(results)
    against = Section("Against the rate", [_drawn(results), _budgets(results)])
    return laboratory.report(ENTRY, results, sheet, answer, [against])


def _budgets(results: Results) -> str:
    """Whether a smaller rate has more epochs, as on the sheet."""
    epochs = {group.settings["epochs"] for group in results.groups}
    if len(epochs) == 1:
        return "All rates have as many epochs here. The sheet gives a smaller rate more, and so does the full scale."
    return "A smaller rate was given more epochs, as on the sheet, so the comparison is of budgets as well as rates."


def rate(group: Group) -> float:
    """The group's learning rate."""
    return float(group.settings["optimizer"]["lr"])


def sheet(group: Group) -> laboratory.Sheet | None:
    """The sheet's figure at this rate."""
    found = SHEET.get(rate(group))
    return None if found is None else laboratory.Sheet(found, EPOCHS.get(rate(group), 30))


def _large(results: Results) -> str:
    """Whether a large rate is beneficial: the largest against the best."""
    found = {rate(group): group for group in results.groups if laboratory.best(group) is not None}
    lost = sorted(rate(group) for group in results.groups if laboratory.best(group) is None)
    said = f"No trial survives {', '.join(f'{each:g}' for each in lost)}. " if lost else ""
    if len(found) < 2:
        return said + "One rate alone says nothing of large and small."
    by_mean = sorted(found, key=lambda each: laboratory.best(found[each]).mean, reverse=True)  # type: ignore[union-attr]
    top, largest = by_mean[0], max(found)
    other = largest if top != largest else by_mean[1]
    apart = laboratory.points(found[top], found[other])
    if apart is not None and abs(apart.mean) < 1e-9:
        return said + f"{top:g} and {other:g} read as many images right as each other."
    sure = _sure(apart, other)
    if top != largest:
        return said + (
            f"A large rate is not beneficial by itself: of the rates that train, {top:g} reads most images right, not "
            f"{largest:g}{sure}."
        )
    if lost:
        return (
            said + f"Of the rates that train the largest, {largest:g}, is best{sure}; beyond it training breaks down."
        )
    return (
        f"The largest rate tried, {largest:g}, is the best here{sure}: a large rate is beneficial as far as this goes."
    )


def _sure(apart: Summary | None, other: float) -> str:
    """How the seeds limit what is said of a difference that should be above 0."""
    if apart is None or apart.low is None:
        return ", as far as one seed shows"
    return "" if apart.low > 0 else f" (the seeds do not tell it from {other:g})"


def _drawn(results: Results) -> Figure:
    rows: list[dict[str, Any]] = []
    said = of_seeds(summary.n for group in results.groups if (summary := laboratory.best(group)) is not None)
    for group in results.groups:
        summary = laboratory.best(group)
        if summary is not None:
            low, high = (summary.mean if end is None else end for end in (summary.low, summary.high))
            rows.append({"rate": rate(group), "accuracy": summary.mean, "low": low, "high": high, "whose": "ours"})
        elif seen := [1 - error for t in group.trials for error in t.metric("validation_error").values()]:
            rows.append(
                {"rate": rate(group), "accuracy": max(seen), "low": max(seen), "high": max(seen), "whose": LOST}
            )
        if (theirs := sheet(group)) is not None:
            at = theirs.accuracy
            rows.append({"rate": rate(group), "accuracy": at, "low": at, "high": at, "whose": "the sheet"})
    return points(
        "Best validation accuracy against the learning rate",
        rows, x="rate", y="accuracy", series="whose", band=("low", "high"), log_x=True,
        x_title="learning rate", y_title="best validation accuracy", y_format=".0%", name="rates",
        caption=f"Ours: {said[:1].lower()}{said[1:]}" + LOST_SAID * any(row["whose"] == LOST for row in rows),
    )  # fmt: skip


GRIDS: list[dict[str, list[Any]]] = [{"optimizer.lr": [each for each in SHEET if each not in EPOCHS]}]
GRIDS += [{"optimizer.lr": [each], "epochs": [epochs]} for each, epochs in EPOCHS.items()]
ENTRY = Study(
    name="learning-rate",
    title="SimpleNN at eight learning rates",
    question="How does the learning rate affect the accuracy, and is a large one usually beneficial?",
    theme="Training",
    source=laboratory.SOURCE,
    settings=TrainingSettings,
    trial=train,
    base=laboratory.SWISH,
    axes=GRIDS,
    scales={
        "smoke": Scale(axes=[{"optimizer.lr": [1.0, 0.01]}], time="10 s", **laboratory.SMOKE),
        "quick": Scale(
            "1, 0.1, 0.01, 0.001, each for 6 epochs, 2 seeds",
            seeds=2,
            set={"epochs": 6},
            axes={"optimizer.lr": [1.0, 0.1, 0.01, 0.001]},
            time="4 min on two cores",
        ),
        "full": Scale("30 to 95 epochs, 3 seeds", seeds=3, time="1 h on two cores"),
    },
    report=report,
    compares=("optimizer.lr", "epochs"),
    diverged=True,
)
