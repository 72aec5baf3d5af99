r"""Does a batch that holds every image several times, each cut in its own way, train sooner or better?

    w ← w − η · 1/(M·B) Σ_{i ∈ batch} Σ_{m = 1…M} ∂/∂w E(T_{i,m}(xᵢ), yᵢ)

    underhood run batch-augmentation                        # a small ResNet, M = 1, 2, 4
    underhood run batch-augmentation --scale full           # the sheet's: ResNet-44, 100 epochs, M up to 32
    underhood run batch-augmentation --scale full --set network.width=8 --set epochs=15 --set goal=0.7 \
        --set at_goal=go-on --grid data.repeats=1,2,4       # its middle: narrow, short, timed to 70 %

An epoch makes as many steps whatever M is, and each of them costs M times as much. The first training is the sheet's
part 2, with the augmentation of He et al. (crop with padding 4, flip) and M = 1; the others cut a square out of every
instance as well. M = 1 with cutout is there to tell what cutout does from what M does. Accuracy is that of validation
images, which are never augmented; the test images are read once, at the end.

Sources: a course homework on batch augmentation, NYU 2022; Hoffer et al. 2020, "Augment your batch: improving
generalization through instance repetition", section 4.1; DeVries & Taylor 2017 (cutout); He et al. 2016, section 4.2.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from underhood.figures import Figure, lines
from underhood.lab import Group, Results, Scale, StoredTrial, Study, Summary
from underhood.report.document import Document, Equation, Listed, Section
from underhood.report.facts import duration
from underhood.studies.learning import laboratory
from underhood.studies.learning.recipe import entry, network_and_recipe
from underhood.studies.learning.results import (
    Moment,
    Value,
    against_epochs,
    an_epoch,
    called,
    difference,
    estimate,
    listed,
    over_seeds,
    percent,
    ratio,
    scaled,
    soonest,
)
from underhood.tables import Column, Table
from underhood.training.loop import train
from underhood.training.selection import at_least
from underhood.training.settings import ScheduleSettings, TrainingSettings

SHEET_S_GOAL, SHEET_S_EPOCHS = 0.94, 100
DROPS = (0.5, 0.75)  # of the epochs, as in He et al.: after 32,000 and 48,000 of 64,000 steps


class Drops(ScheduleSettings):
    """A schedule whose drops follow the epochs where they are left out."""

    follow: ClassVar[frozenset[str]] = frozenset({"at"})

    name: str = "multi-step"


class BatchAugmentationSettings(TrainingSettings):
    """Training settings whose learning rate drops at a half and at three quarters of the epochs, unless it is told."""

    schedule: Drops = Field(default_factory=Drops)

    @model_validator(mode="before")
    @classmethod
    def _drops_follow_the_epochs(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        schedule = given.get("schedule", {})
        schedule = {"name": schedule} if isinstance(schedule, str) else schedule
        epochs = given.get("epochs", cls.model_fields["epochs"].default)
        if not isinstance(schedule, Mapping) or not isinstance(epochs, int | float):
            return given  # the fields' own checks say what is wrong
        if schedule.get("name", "multi-step") == "multi-step":
            schedule = {"at": [part * epochs for part in DROPS]} | dict(schedule)
        return {**given, "schedule": schedule}


# ---- what a group is


def repeats(group: Group) -> int:
    """M."""
    return int(group.settings["data"]["repeats"])


def cuts(group: Group) -> bool:
    """Whether its images are cut."""
    return any(step["name"] == "cutout" for step in group.settings["data"]["augmentation"])


def name(group: Group) -> str:
    """`M = 4, cutout`, or `M = 1, no cutout`."""
    return f"M = {repeats(group)}, {'cutout' if cuts(group) else 'no cutout'}"


def goal(group: Group) -> float:
    """The accuracy that is timed: the settings', or the sheet's where they name none."""
    return float(group.settings["goal"]) or SHEET_S_GOAL


def reached(group: Group, trial: StoredTrial) -> Moment | None:
    """When a trial first had the group's goal."""
    return soonest(trial, "validation_error", lambda error: at_least(error, goal(group)))


def to_goal(group: Group, what: Literal["epoch", "seconds"]) -> Value:
    """After how many epochs or seconds a trial first had the group's goal."""

    def of(trial: StoredTrial) -> float | None:
        found = reached(group, trial)
        return None if found is None else float(getattr(found, what))

    return of


def _epochs(group: Group) -> Summary | None:
    return over_seeds(group, to_goal(group, "epoch"))


def _seconds(group: Group) -> Summary | None:
    return over_seeds(group, to_goal(group, "seconds"))


# ---- the report


def report(results: Results) -> Document:
    """Epochs and time to the goal for every M, the curves against both, and what was reached at the end."""
    results = called(results, name)
    return Document(
        title=TITLE,
        question=QUESTION,
        answer="\n\n".join(filter(None, [_goals(results), *_answer(results)])),
        sections=[
            Section("Epochs and time to the goal", [_table(results), TIMES]),
            Section("Validation error", [_against_epochs(results), _against_time(results)]),
            Section("A batch of instances", [EQUATION, WHY]),
            network_and_recipe(results, REASONS),
            Section("Assumed", [ASSUMED, *laboratory.otherwise(results, TAKEN)]),
        ],
        headline={f"best validation accuracy, {g.label} (%)": scaled(laboratory.best(g), 100) for g in results.groups},
        listed=[_listed(group) for group in results.groups],
    )


TIMES = (
    "Seconds of training alone, without evaluation, and of one trial at a time unless it says otherwise below; an "
    "epoch's are the median, for the first one records the step and may compile kernels. The goal is looked for after "
    "every epoch, on the validation images as they are."
)
EQUATION = Equation(
    r"w \leftarrow w - \eta \cdot \frac{1}{M B} \sum_{i=1}^{B} \sum_{m=1}^{M} "
    r"\frac{\partial}{\partial w} E\bigl(T_{i,m}(x_i), y_i\bigr)",
    "$B$: images drawn; $M$: instances of each; $T_{i,m}$: the augmentation as it was drawn for instance $m$ of image "
    "$i$; $E$: the cross-entropy. A batch holds $M \\cdot B$ instances, an epoch still makes $N/B$ steps.",
)
WHY = (
    "Instances of one image are more alike than images are, so M times the instances do not do for the gradient's "
    "scatter what M times the images would. But a step sees an image in several disguises at once, and the part of "
    "the gradient that comes of the disguise is averaged out. The rate and all else stay as they are for M = 1, as in "
    "the paper. The price is M times the computation a step; on a device that small batches leave idle it is less."
)
ASSUMED = (
    "Assumed, because the sheet does not say: SGD with a rate of 0.1, momentum 0.9 and an L2 penalty of 1e-4 by the "
    "optimiser's weight decay, as He et al. have them; the rate divided by 10 at a half and at three quarters of the "
    "epochs, as theirs is of 64,000 steps; 45,000 training and 5,000 validation images; a square of 16 pixels, which "
    "DeVries and Taylor chose for CIFAR-10. From the sheet: ResNet-44, B = 64, crop with padding 4 and flip, 94 %, no "
    "more than 100 epochs."
)
TAKEN: Sequence[laboratory.Taken] = (  # beside what the answer begins with
    (0.1, ("optimizer", "lr"), "a rate of {:g}"),
    (45_000, ("data", "train"), "{:,} training images"),
    (5000, ("data", "validation"), "{:,} validation images"),
    (64, ("batch_size",), "B = {:,}"),
)
REASONS = {
    "data": "the sheet's is CIFAR-10; the split is assumed",
    "data.augmentation": "the sheet: He et al., and cutout, unless set otherwise",
    "batch_size": "the sheet's is 64, before it is repeated",
    "epochs": "the sheet's are at most 100",
    "optimizer": "assumed, after He et al., unless set otherwise",
    "schedule": "assumed, after He et al., unless set otherwise",
}


def _listed(group: Group) -> Listed:
    epochs, seconds = _epochs(group), _seconds(group)
    when = "not reached"
    if epochs is not None and seconds is not None:
        when = f"after {_counted(epochs.mean)}, {duration(seconds.mean)}"
    note = f"{percent(goal(group), 0)} {when}"
    aim = f"{percent(SHEET_S_GOAL, 0)} aimed at in {SHEET_S_EPOCHS} epochs"
    return listed(f"best validation accuracy, {group.label}", group, laboratory.best(group), aim, note)


def _goals(results: Results) -> str:
    """Where this is not the sheet's protocol, in what it differs."""
    said = []
    goals = sorted({goal(group) for group in results.groups})
    if goals != [SHEET_S_GOAL]:
        said.append(f"timed to {' and '.join(percent(each, 0) for each in goals)}, not {percent(SHEET_S_GOAL, 0)}")
    networks = dict.fromkeys(entry(group.settings["network"]) for group in results.groups)
    if list(networks) != ["resnet44"]:
        said.append(f"{' and '.join(networks)} in place of ResNet-44")
    data = dict.fromkeys(group.settings["data"]["name"] for group in results.groups)
    if list(data) != ["cifar10"]:
        said.append(f"{' and '.join(data)} in place of CIFAR-10")
    epochs = sorted({group.settings["epochs"] for group in results.groups})
    if epochs != [SHEET_S_EPOCHS]:
        said.append(f"{' and '.join(map(str, epochs))} epochs at most, not {SHEET_S_EPOCHS}")
    images = sorted({group.settings["data"]["train"] for group in results.groups} - {None})
    if images:
        said.append(f"{' and '.join(f'{each:,}' for each in images)} training images, not all")
    return f"Not the sheet's experiment, but one like it: {'; '.join(said)}." if said else ""


def _answer(results: Results) -> Iterator[str]:
    """When each came to the goal; what M and cutout change, seed by seed; what was reached at the end."""
    yield "\n".join(f"- {_arrival(group)}" for group in results.groups)
    plain = [group for group in results.groups if repeats(group) == 1 and not cuts(group)]
    cut = [group for group in results.groups if repeats(group) == 1 and cuts(group)]
    others = [group for group in results.groups if repeats(group) > 1]
    if len(plain) == len(cut) == 1:
        yield f"What cutout does alone: {_compared(cut[0], plain[0])}"
    reference = (cut or plain)[0] if len(cut) == 1 or (not cut and len(plain) == 1) else None
    if reference is None and others:
        yield "M = 1 was not run, or in several ways, so what a larger M changes is not said."
    elif reference is not None and others:
        yield "What M does:\n" + "\n".join(f"- {_compared(group, reference)}" for group in others)
    if reference is not None and others:
        yield _price(others, reference)


def _arrival(group: Group) -> str:
    """`**M = 2, cutout**: 70 % after 9.3 epochs and 12 min of training (3 of 3 seeds); best 72.1 ± 0.4 %, …`."""
    best, test = laboratory.best(group), group.summary("test_accuracy")
    if best is None:
        return f"**{group.label}**: {laboratory.lost(group)}."
    epochs, seconds = _epochs(group), _seconds(group)
    wanted, trained = percent(goal(group), 0), group.summary("epochs")
    if epochs is None or seconds is None:
        spent = group.summary("seconds")
        took = f" in {_counted(trained.mean)}, {duration(spent.mean)} of training" if trained and spent else ""
        said = f"{wanted} was not reached{took}"
    else:
        many = f"{epochs.n} of {len(group.trials)} seeds" if len(group.trials) > 1 else "one seed"
        said = f"**{wanted} after {_counted(epochs.mean)}** and {duration(seconds.mean)} of training ({many})"
    end = f"; best validation accuracy {estimate(best)}"
    end += "" if test is None else f", test accuracy at the end {estimate(test)}"
    return f"**{group.label}**: {said}{end}."


def _counted(epochs: float) -> str:
    return f"{epochs:.3g} epoch{'s' * (epochs != 1)}"


def _compared(group: Group, reference: Group) -> str:
    """How much sooner than the reference by epochs and by time, and how much better at its best."""
    sooner = difference(group, reference, to_goal(group, "epoch"))
    slower = ratio(group, reference, to_goal(group, "seconds"))
    if sooner is None or slower is None:
        said = f"no seed reached the goal both with {group.label} and with {reference.label}"
    elif sooner.low is None or sooner.high is None:
        said = f"epochs to the goal {sooner.mean:+.3g} and {slower.mean:.2f} times the time, of one pair of seeds"
    else:
        verdict = "sooner" if sooner.high < 0 else "later" if sooner.low > 0 else "not told from it"
        said = (
            f"epochs to the goal {sooner.mean:+.3g} [{sooner.low:+.3g}, {sooner.high:+.3g}] (**{verdict}**) and "
            f"{slower.mean:.2f} [{slower.low:.2f}, {slower.high:.2f}] times the time"
        )
    stopped = any(each.settings["at_goal"] == "stop" and _epochs(each) is not None for each in (group, reference))
    if stopped:
        return f"**{group.label}** against {reference.label}: {said}. What stops at the goal is not compared further."
    return f"**{group.label}** against {reference.label}: {said}. {laboratory.compared(group.label, group, reference)}"


def _price(others: list[Group], reference: Group) -> str:
    """What an epoch costs, as a multiple of the reference's."""
    said = [
        f"{found.mean:.2f} times as long with {group.label}"
        for group in others
        if (found := ratio(group, reference, an_epoch)) is not None
    ]
    return f"An epoch takes {', '.join(said)} as with {reference.label}." if said else ""


def _table(results: Results) -> Table:
    rows = [
        {
            "setting": group.label,
            "batch": repeats(group) * group.settings["batch_size"],
            "epochs": group.summary("epochs"),
            "goal": goal(group),
            "seeds": f"{sum(reached(group, t) is not None for t in group.counted)} of {len(group.trials)}",
            "at": _epochs(group),
            "seconds": _seconds(group),
            "epoch": over_seeds(group, an_epoch),
            "best": laboratory.best(group),
            "test": group.summary("test_accuracy"),
        }
        for group in results.groups
    ]
    columns = [
        Column("setting", "Setting", align="left"),
        Column("batch", "Instances a step", format=",d", help="M·B"),
        Column("epochs", "Epochs trained", format=".3g"),
        Column("goal", "Goal", format=".0%"),
        Column("seeds", "Reached by"),
        Column("at", "at epoch", format=".3g"),
        Column("seconds", "after training", "s", ",.2f"),
        Column("epoch", "An epoch", "s", ",.2f"),
        Column("best", "Best validation accuracy", format=".2%"),
        Column("test", "Test accuracy", format=".2%", help="once, with the last weights"),
    ]
    foot = ["Epoch and time of the goal: the mean of the seeds that reached it."]
    return Table("To the goal and at the end", columns, rows, foot, name="goal")


def _against_epochs(results: Results) -> Figure:
    return against_epochs(
        "Validation error against epochs",
        results,
        {"validation_error": "" if results.varying else "validation"},
        y_title="validation error",
        fraction=True,
        name="epochs",
        caption="A curve ends where the first of its seeds stopped.",
    )


def _against_time(results: Results) -> Figure:
    rows = []
    for group in results.groups:
        errors, seconds = group.curve("validation_error"), group.curve("seconds")
        if errors is None or seconds is None:
            continue
        at = dict(zip(seconds.steps.tolist(), seconds.mean.tolist(), strict=True))
        rows += [{**row, "seconds": at[row["step"]]} for row in errors.rows(curve=group.label) if row["step"] in at]
    return lines(
        "Validation error against time",
        rows,
        x="seconds",
        y="mean",
        series="curve",
        band=("low", "high"),
        x_title="seconds of training",
        y_title="validation error",
        y_format=".1%",
        name="time",
        caption="The same evaluations at the mean time that their seeds had trained for.",
    )


TITLE = "Batch augmentation with cutout"
QUESTION = "Does a batch with M instances of each image come to 94 % in fewer epochs, or in less time?"
HE: list[dict[str, Any]] = [{"name": "crop", "padding": 4}, {"name": "flip"}]
CUT = [*HE, {"name": "cutout", "size": 16}]


def _grids(*repeated: int) -> list[dict[str, list[Any]]]:
    """The sheet's part 2, then cutout for every M."""
    return [
        {"data.augmentation": [HE], "data.repeats": [1]},
        {"data.augmentation": [CUT], "data.repeats": list(repeated)},
    ]


ENTRY = Study(
    name="batch-augmentation",
    title=TITLE,
    question=QUESTION,
    theme="Regularisation",
    source="course homework, NYU 2022; Hoffer et al. 2020",
    settings=BatchAugmentationSettings,
    trial=train,
    base={
        "network.name": "resnet44",
        "data.name": "cifar10",
        "data.validation": 5000,
        "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4},
        "batch_size": 64,
        "epochs": SHEET_S_EPOCHS,
        "goal": SHEET_S_GOAL,
    },
    axes=_grids(1, 2, 4, 8, 16, 32),
    scales={
        "smoke": Scale(
            "an 8-layer ResNet, 64 images, 2 epochs",
            seeds=1,
            set={
                "network.depth": 8,
                "network.width": 4,
                "data.train": 64,
                "data.validation": 40,
                "data.test": 40,
                "batch_size": 16,
                "epochs": 2,
                "goal": 0.1,
                "at_goal": "go-on",
            },
            axes=_grids(1, 2),
            time="15 s",
        ),
        "quick": Scale(
            "an 8-layer ResNet of width 8, 5,000 images, 8 epochs, M up to 4",
            seeds=1,
            set={
                "network.depth": 8,
                "network.width": 8,
                "data.train": 5000,
                "data.validation": 1000,
                "epochs": 8,
                "goal": 0.4,
                "at_goal": "go-on",
                "threads": 2,
            },
            axes=_grids(1, 2, 4),
            time="5 min on two cores",
        ),
        "full": Scale("ResNet-44, 100 epochs, M up to 32", seeds=1, time="300 h on two cores; a day on a GPU"),
    },
    report=report,
    compares=("data.augmentation", "data.repeats"),
    timed=True,
    diverged=True,
)
