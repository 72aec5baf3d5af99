"""Parts of the training images hidden, where there are few images: does the network misread fewer new ones?

    underhood run erasing                                             # 1,000 digits of MNIST, 20 epochs, 5 seeds
    underhood run erasing --set data.train=10000
    underhood run erasing --set data.name=cifar10 --set network=simple-nn

Three trainings a seed, from the same initial weights on the same images in the same order: as they are, with cutout
(a square of 8 pixels anywhere), with random erasing (a rectangle of any size and shape, in half of the images). So
differences are taken seed by seed, and the interval of their mean says whether they are more than the seeds' luck.

Sources: DeVries & Taylor 2017 (cutout); Zhong, Zheng, Kang, Li & Yang 2020 (random erasing).
"""

from dataclasses import replace

from underhood.lab import Group, Results, Scale, Study, Summary
from underhood.report.document import Document, Section
from underhood.studies.learning.results import against_epochs, difference, estimate, results_table
from underhood.tables import Column, Table
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings

TITLE = "Hiding parts of the training images"
QUESTION = "Does a network that learns from few images misread fewer new ones when parts of those few are hidden?"
PLAIN = "as they are"


def report(results: Results) -> Document:
    """Errors of every way of hiding, their differences from none seed by seed, and the curves."""
    results = Results(tuple(replace(group, label=_way(group)) for group in results.groups))
    ways = {group.label: group for group in results.groups}
    plain = ways.get(PLAIN)
    apart = {
        way: found
        for way, group in ways.items()
        if plain and way != PLAIN and (found := difference(group, plain, "test_error"))
    }
    sections = [
        Section(
            "The errors",
            [
                results_table("After the last epoch", results, ["test_error", "test_loss", "train_error"], "Images"),
                *([_differences(apart)] if apart else []),
                "The test images were used once, with the last weights, and nothing was chosen by them.",
            ],
        ),
        Section(
            "While it learns",
            [
                against_epochs(
                    "Training error",
                    results,
                    {"train_error": ""},
                    y_title="wrong answers",
                    fraction=True,
                    name="training-error",
                    caption="Of each epoch's batches as they came, hidden parts and all: more hidden is harder.",
                )
            ],
        ),
    ]
    return Document(TITLE, QUESTION, _answer(ways, apart), sections)


def _way(group: Group) -> str:
    """How the group's images are hidden."""
    return ", ".join(step["name"] for step in group.settings["data"]["augmentation"]) or PLAIN


def _differences(apart: dict[str, Summary]) -> Table:
    columns = [
        Column("way", "Images", align="left"),
        Column("difference", "Test error less that of plain images", "points", "+.2f"),
        Column("low", "95 % interval from", "points", "+.2f"),
        Column("high", "to", "points", "+.2f"),
        Column("n", "Pairs of seeds"),
    ]
    rows = [
        {"way": way, "n": found.n}
        | {
            key: None if value is None else 100 * value
            for key, value in (("difference", found.mean), ("low", found.low), ("high", found.high))
        }
        for way, found in apart.items()
    ]
    return Table("Differences, seed by seed", columns, rows, name="differences")


def _answer(ways: dict[str, Group], apart: dict[str, Summary]) -> str:
    errors = [f"{estimate(s)} ({way})" for way, group in ways.items() if (s := group.summary("test_error"))]
    said = [f"Test images misread: {', '.join(errors)}."]
    for way, found in apart.items():
        points = f"**{way}** changes the error by {100 * found.mean:+.2f} points"
        if found.low is None or found.high is None:
            said.append(f"{points}; one seed cannot say whether that is luck.")
            continue
        interval = f"[{100 * found.low:+.2f}, {100 * found.high:+.2f}] over {found.n} pairs of seeds"
        verdict = "it helps" if found.high < 0 else "it harms" if found.low > 0 else "that may be luck"
        said.append(f"{points} {interval}: {verdict}.")
    if not apart:
        said.append("It takes a seed that finished with plain images and with hidden ones to compare them.")
    return " ".join(said)


ENTRY = Study(
    name="erasing",
    title=TITLE,
    question=QUESTION,
    theme="Regularisation",
    source="DeVries & Taylor 2017; Zhong et al. 2020",
    settings=TrainingSettings,
    trial=train,
    base={
        "network": "listing1",
        "data": {"name": "mnist", "train": 1000},
        "optimizer": {"name": "sgd", "lr": 0.02, "momentum": 0.9},
        "batch_size": 32,
        "epochs": 20,
    },
    axes={"data.augmentation": [[], [{"name": "cutout", "size": 8}], [{"name": "erase"}]]},
    scales={
        "smoke": Scale(
            "500 scans of 8×8, an MLP, 3 epochs, 1 seed",
            seeds=1,
            time="5 s",
            set={
                "network": {"name": "mlp", "hidden": [32]},
                "data": {"name": "digits", "train": 500},
                "optimizer": {"name": "sgd", "lr": 0.1},
                "epochs": 3,
            },
            axes={"data.augmentation": [[], [{"name": "cutout", "size": 2}], [{"name": "erase"}]]},
        ),
        "quick": Scale("1,000 digits of MNIST, 20 epochs, 5 seeds", seeds=5, time="1 min"),
        "full": Scale("1,000 digits of MNIST, 60 epochs, 20 seeds", seeds=20, set={"epochs": 60}, time="10 min"),
    },
    report=report,
    compares=("data.augmentation",),
)
