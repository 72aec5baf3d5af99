"""The same training on the engine and on PyTorch: the same accuracy? And how long does each take?

    underhood run two-back-ends                                                  # 3 epochs, 3 seeds
    underhood run two-back-ends --scale full                                     # 30 epochs, 5 seeds
    underhood run two-back-ends --set network=resnet20 --set epochs=1 --seeds 2

A seed gives both the same initial weights, the same batches in the same order and the same augmentation, drawn in
NumPy. What differs is rounding, and training magnifies it: the weights part within an epoch, so what must agree is
the accuracy, within the interval of the seeds. Differences are taken seed by seed.

Source: SimpleNN of the CIFAR-10 laboratory, its learning rate and its 30 epochs.
"""

from collections.abc import Iterator
from math import exp, log
from typing import Any

from underhood.lab.results import Group, Results
from underhood.lab.study import Scale, Study
from underhood.lab.summary import Summary
from underhood.report.document import Document, Listed, Section
from underhood.studies.learning.results import accuracy, against_epochs, listed, results_table
from underhood.tables import Column, Table
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings

TITLE = "One training on two back ends"
QUESTION = "Do the engine and PyTorch train to the same accuracy, and how long does each take?"
Pairs = list[tuple[dict[str, Any], dict[str, Any]]]
VAGUE = 100  # an interval of a ratio whose ends are more than that many times apart tells nobody anything
REPORTED = ["test_error", "test_loss", "seconds"]


def report(results: Results) -> Document:
    """Errors and times side by side, with their differences and ratios over pairs of seeds."""
    return Document(
        title=TITLE,
        question=QUESTION,
        answer=_answer(results),
        sections=[
            Section(
                "Side by side",
                [
                    results_table("After the last epoch", results, REPORTED, "Back end"),
                    *(_pairs(pairs) for pairs in [_paired(results)] if pairs),
                ],
            ),
            Section(
                "Curves",
                [
                    against_epochs(
                        "Loss",
                        results,
                        {"epoch_loss": "training"},
                        y_title="cross-entropy",
                        name="loss",
                        caption="An epoch's batches as they came.",
                    )
                ],
            ),
        ],
        listed=[*_listed(results)],
    )


def _listed(results: Results) -> Iterator[Listed]:
    for group in results.groups:
        yield listed(f"test accuracy, {group.label}", group, accuracy(group))
        yield listed(f"seconds of training, {group.label}", group, group.summary("seconds"), format=",.1f")


def _answer(results: Results) -> str:
    pairs = _paired(results)
    if not pairs:
        return "It takes a seed that finished on both back ends to say."
    apart = Summary.of([b["test_error"] - a["test_error"] for a, b in pairs])
    speed = f"PyTorch takes {_ratio(pairs)}"
    if apart.low is None or apart.high is None:
        return f"PyTorch's test error is {100 * apart.mean:+.2f} points from the engine's, of one seed; {speed}."
    agree = apart.low <= 0 <= apart.high
    verdict = "they **agree** within it" if agree else "they do **not agree** within it"
    points = f"{100 * apart.mean:+.2f} [{100 * apart.low:+.2f}, {100 * apart.high:+.2f}]"
    return (
        f"PyTorch's test error is {points} points from the engine's, with the 95 % interval over {apart.n} pairs of "
        f"seeds: {verdict}. {speed}."
    )


def _ratio(pairs: Pairs) -> str:
    """The ratio of the times: its logarithm's mean and interval, or what was seen where that reaches anywhere."""
    found = Summary.of([log(b["seconds"] / a["seconds"]) for a, b in pairs])
    said = f"**{exp(found.mean):.2f}** times the engine's time"
    if found.low is None or found.high is None:
        return said
    if found.high - found.low > log(VAGUE):
        least, most = exp(min(found.values)), exp(max(found.values))
        return f"{said}, but {least:.2f} to {most:.2f} times over {found.n} pairs: too few, or too unlike, to say"
    return f"**{exp(found.mean):.2f} [{exp(found.low):.2f}, {exp(found.high):.2f}]** times the engine's time"


def _paired(results: Results) -> Pairs:
    """The results of each seed that finished on both: the engine's, PyTorch's."""
    ours, theirs = ({t.seed: t.result for t in _of(results, name)} for name in ("underhood", "torch"))
    return [(ours[seed], theirs[seed]) for seed in sorted(ours.keys() & theirs.keys())]


def _of(results: Results, backend: str) -> Any:
    groups: list[Group] = [group for group in results.groups if group.settings["backend"] == backend]
    return groups[0].counted if len(groups) == 1 else ()


def _pairs(pairs: Pairs) -> Table:
    rows = [
        {
            "pair": i,
            "first": b["initial_loss"] - a["initial_loss"],
            "ours": a["test_error"],
            "theirs": b["test_error"],
            "apart": 100 * (b["test_error"] - a["test_error"]),
            "seconds": a["seconds"],
            "their_seconds": b["seconds"],
            "ratio": b["seconds"] / a["seconds"],
        }
        for i, (a, b) in enumerate(pairs, start=1)
    ]
    columns = [
        Column("pair", "Pair"),
        Column("first", "First loss apart", format=".1e"),
        Column("ours", "Test error, engine", format=".2%"),
        Column("theirs", "Test error, PyTorch", format=".2%"),
        Column("apart", "Apart", "points", "+.2f"),
        Column("seconds", "Training, engine", "s", ",.2f"),
        Column("their_seconds", "Training, PyTorch", "s", ",.2f"),
        Column("ratio", "PyTorch / engine", format=".2f"),
    ]
    foot = ["Times are fair only where nothing else computes."]
    return Table("Seed by seed", columns, rows, foot, name="pairs")


ENTRY = Study(
    name="two-back-ends",
    title=TITLE,
    question=QUESTION,
    theme="Training",
    source="our own; SimpleNN of the CIFAR-10 laboratory",
    settings=TrainingSettings,
    trial=train,
    base={
        "network": "simple-nn",
        "data.name": "cifar10",
        "data.validation": 5000,
        "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 1e-4},
        "batch_size": 128,
    },
    axes={"backend": ["underhood", "torch"]},
    compares=("backend",),
    timed=True,
    scales={
        "smoke": Scale(
            "digits, an MLP, 2 epochs, 2 seeds",
            seeds=2,
            time="15 s",
            set={"network": {"name": "mlp", "hidden": [16]}, "data": {"name": "digits", "validation": 0}, "epochs": 2},
        ),
        "quick": Scale("SimpleNN on CIFAR-10, 3 epochs, 3 seeds", seeds=3, set={"epochs": 3}, time="5 min"),
        "full": Scale("SimpleNN on CIFAR-10, 30 epochs, 5 seeds", seeds=5, set={"epochs": 30}, time="2 h"),
    },
    report=report,
)
