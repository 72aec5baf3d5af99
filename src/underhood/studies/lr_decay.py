"""Does it help SimpleNN to let the learning rate decay?

    η = 0.01 · 0.9^⌊u/5⌋        u: epochs done

    underhood run lr-decay
    underhood run lr-decay --grid schedule.factor=0.9,0.5

The same training from the same initial weights on the same batches, once with the rate as it is and once multiplied by
0.9 every 5 epochs.

Source: homework "CEE 690/ECE 590", Duke University, 2021, lab 1 (h).
"""

from underhood.lab import Group, Results, Scale, Study
from underhood.report.document import Document
from underhood.studies.learning import laboratory
from underhood.studies.learning.results import called
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings

NAMES = {"constant": "no decay", "decay": "decay"}
SHEET = {"constant": laboratory.Sheet(0.6584), "decay": laboratory.Sheet(0.6742)}


def report(results: Results) -> Document:
    """Both accuracies beside the sheet's, their difference seed by seed, and the curves."""
    results = called(results, lambda group: NAMES.get(group.settings["schedule"]["name"], group.label))
    answer = " ".join([laboratory.stepwise(results, sheet, before=_is_constant), *_undecayed(results)])
    return laboratory.report(ENTRY, results, sheet, answer)


def sheet(group: Group) -> laboratory.Sheet | None:
    """The sheet's figure, where the group's schedule is the sheet's."""
    schedule = group.settings["schedule"]
    own = _is_constant(group) or (schedule.get("factor", 0.9), schedule.get("period", 5)) == (0.9, 5)
    return SHEET.get(schedule["name"]) if own else None


def _undecayed(results: Results) -> list[str]:
    """What a decay that comes after the last epoch means: the rate stayed as it was."""
    said = []
    for group in results.groups:
        schedule, epochs = group.settings["schedule"], group.settings["epochs"]
        if schedule["name"] == "decay" and epochs <= (period := schedule.get("period", 5)):
            many = f"{epochs} epoch" + "s" * (epochs != 1)
            said.append(f"The rate first decays after epoch {period}, so in {many} {group.label} is no other training.")
    return said


def _is_constant(group: Group) -> bool:
    return bool(group.settings["schedule"]["name"] == "constant")


ENTRY = Study(
    name="lr-decay",
    title="SimpleNN with a decaying learning rate",
    question="What does letting the learning rate decay change, compared with no decay?",
    theme="Training",
    source=laboratory.SOURCE,
    settings=TrainingSettings,
    trial=train,
    base=laboratory.RECIPE,
    axes={"schedule": ["constant", laboratory.DECAY]},
    scales={
        "smoke": Scale(time="10 s", **laboratory.SMOKE),
        "quick": Scale("10 epochs, 2 seeds", seeds=2, set={"epochs": 10}, time="2 min on two cores"),
        "full": Scale("30 epochs, 3 seeds", seeds=3, time="10 min on two cores"),
    },
    report=report,
    compares=("schedule",),
)
