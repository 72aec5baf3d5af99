"""What does BatchNorm after each convolution change in SimpleNN's training, and does it allow a larger rate?

    underhood run batch-norm
    underhood run batch-norm --scale full --set optimizer.lr=0.3

Two pairs of trainings, each with BatchNorm and without: the augmented, decaying training at a rate of 0.01, and that at
0.1 without decay. The sheet shows the second with BatchNorm alone; that it needs BatchNorm shows only beside the one
without. "Allows a larger rate" is read as: at 0.1 the network without BatchNorm loses more to its own training at 0.01
than the one with BatchNorm does.

Source: homework "CEE 690/ECE 590", Duke University, 2021, lab 2 (b), parts 1 and 2; Ioffe & Szegedy 2015.
"""

from typing import Any

from underhood.lab import Group, Results, Scale, Study, Summary
from underhood.report.document import Document, Section
from underhood.studies.learning import laboratory
from underhood.studies.learning.results import called
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings

SMALL, LARGE = 0.01, 0.1
EPOCHS = 35
SHEET = {
    (SMALL, True): laboratory.Sheet(0.7182, EPOCHS),
    (SMALL, False): laboratory.Sheet(0.7006),
    (LARGE, True): laboratory.Sheet(0.6950),
}


def report(results: Results) -> Document:
    """The four accuracies beside the sheet's, what BatchNorm brings at each rate, and whether it allows the larger."""
    results = called(results, _called)
    said = [f"{g.label}: {laboratory.beside_the_sheet(g, sheet(g))}." for g in results.groups]
    known = {(_rate(group), _normalised(group)): group for group in results.groups}
    said += [
        laboratory.compared(f"BatchNorm at a rate of {rate:g}", known[rate, True], known[rate, False])
        for rate in sorted({rate for rate, _ in known})
        if (rate, True) in known and (rate, False) in known
    ]
    answer = " ".join(said) + "\n\n" + _larger(known)
    return laboratory.report(ENTRY, results, sheet, answer, [Section("Why it might", [WHY])], assumed=[ITS_OWN])


WHY = (
    "A step of gradient descent changes what every later layer is given. BatchNorm takes mean and scale of that change "
    "out again: a convolution's weights twice as large give the same output behind it, and a gradient half as "
    "large. So a step that is too long makes the weights grow and the next ones shorter, instead of the activations "
    "growing from layer to layer until the loss is infinite."
)
ITS_OWN = (
    "The sheet trains with BatchNorm at 0.01 for 35 epochs and otherwise for 30, and says that all are best within 30; "
    "here, at full scale, both trainings at 0.01 have 35 and both at 0.1 have 30. Its figure without BatchNorm at 0.01 "
    "is that of its augmented training."
)


def _rate(group: Group) -> float:
    return float(group.settings["optimizer"]["lr"])


def _normalised(group: Group) -> bool:
    return bool(group.settings["network"].get("batch_norm", False))


def _called(group: Group) -> str:
    return f"{'With' if _normalised(group) else 'Without'} BatchNorm, rate {_rate(group):g}"


def sheet(group: Group) -> laboratory.Sheet | None:
    """The sheet's figure, with the schedule that it was found with."""
    decays = group.settings["schedule"]["name"] == "decay"
    return SHEET.get((_rate(group), _normalised(group))) if decays == (_rate(group) == SMALL) else None


def _larger(known: dict[tuple[float, bool], Group]) -> str:
    """Whether BatchNorm allows the larger rate: the change from small to large with it, less that without it."""
    if any(key not in known for key in ((SMALL, True), (SMALL, False), (LARGE, True), (LARGE, False))):
        return f"Whether BatchNorm allows a larger rate takes both rates, {SMALL:g} and {LARGE:g}, with and without it."
    dead = [all(t.diverged for t in known[LARGE, on].trials) for on in (True, False)]
    if dead == [False, True]:
        return f"**BatchNorm allows the larger rate**: without it no seed survives {LARGE:g}."
    if dead[0]:
        return f"**It does not**: with BatchNorm, too, no seed survives {LARGE:g}."
    keys = ((SMALL, False), (LARGE, False), (SMALL, True), (LARGE, True))
    by_seed = [{t.seed: float(t.result["best_validation_accuracy"]) for t in known[key].counted} for key in keys]
    seeds = [seed for seed in by_seed[0] if all(seed in each for each in by_seed)]
    if not seeds:
        return "No seed finished in all four, so whether BatchNorm allows a larger rate is not decided."
    found = Summary.of([100 * ((d[s] - c[s]) - (b[s] - a[s])) for s in seeds for a, b, c, d in [by_seed]])
    said = (
        f"The change in accuracy from a rate of {SMALL:g} to {LARGE:g}, with BatchNorm less without it, is "
        f"{found.mean:+.2f} points"
    )
    if found.low is None or found.high is None:
        return f"{said}; one seed cannot decide whether that is luck."
    interval = f"[{found.low:+.2f}, {found.high:+.2f}] over {found.n} seeds"
    if found.low > 0:
        return f"{said} {interval}: **BatchNorm allows the larger rate**."
    if found.high < 0:
        return f"{said} {interval}: **it does not**, the larger rate costs more with BatchNorm."
    return f"{said} {interval}: **not decided**."


def _grids(small: int, large: int) -> list[dict[str, list[Any]]]:
    """Both pairs, with so many epochs at each rate."""
    networks = [{"name": "simple-nn", "batch_norm": on} for on in (False, True)]
    return [
        {"network": networks, "optimizer.lr": [SMALL], "epochs": [small]},
        {"network": networks, "optimizer.lr": [LARGE], "epochs": [large], "schedule": ["constant"]},
    ]


ENTRY = Study(
    name="batch-norm",
    title="SimpleNN with BatchNorm",
    question="What does BatchNorm after each convolution change, and does it allow a larger learning rate?",
    theme="Training",
    source=laboratory.SOURCE,
    settings=TrainingSettings,
    trial=train,
    base={key: value for key, value in laboratory.AUGMENTED.items() if key != "network.name"},
    axes=_grids(EPOCHS, 30),
    scales={
        "smoke": Scale(axes=_grids(2, 2), time="10 s", **laboratory.SMOKE),
        "quick": Scale("8 epochs, 2 seeds", seeds=2, axes=_grids(8, 8), time="4 min on two cores"),
        "full": Scale("35 and 30 epochs, 3 seeds", seeds=3, time="30 min on two cores"),
    },
    report=report,
    compares=("network", "optimizer.lr", "schedule", "epochs"),
    diverged=True,
)
