"""What a training study's networks misread: the confusion matrix, each class, the worst mistakes with their pictures.

It reads what the trials left (training/answers.py). Counts are summed over the seeds of a setting; the pictures are of
its first seed. Trials that were stored before answers were kept have none, and that is said.
"""

from collections.abc import Sequence

import numpy as np

from underhood.figures import Figure
from underhood.figures.matrix import matrix
from underhood.figures.pictures import GAP, WIDEST, Picture, pictures
from underhood.figures.theme import LETTER
from underhood.lab import Group, Results
from underhood.report.document import Block, Section
from underhood.studies.learning.results import percent
from underhood.tables import Column, Table
from underhood.training.answers import Answers, by_class, most_confused

GROUPS = 3  # settings up to which each is shown; of more the tables of results have the numbers
SHOWN = 12  # classes up to which a matrix can be read
PAIRS = 12
WORST = 10

Array = np.ndarray


def misread(results: Results, title: str = "What is misread") -> Section:
    """A section on the first settings of a run."""
    blocks: list[Block] = []
    for group in results.groups[:GROUPS]:
        kept = [answers for trial in group.counted if (answers := trial.answers()) is not None]
        if not kept:
            continue
        of = f": {group.label}" if results.varying else ""
        blocks += [_confused(kept, of), _classes(kept, of), *_worst(group, of)]
    if not blocks:
        return Section(title, ["No trial left its answers to the test images; older ones did not keep them."])
    if len(results.groups) > GROUPS:
        blocks.append(f"Of the first {GROUPS} settings; a run of one setting shows it.")
    return Section(title, blocks)


def _confused(kept: Sequence[Answers], of: str) -> Block:
    """The matrix as a figure, each row as fractions of its class; of many classes the pairs most often confused."""
    counts, names = _summed(kept), kept[0].classes
    if len(names) > SHOWN:
        return _pairs(counts, names, len(kept), of)
    rows = counts.sum(1, keepdims=True)
    fractions = np.divide(counts, rows, out=np.zeros(counts.shape), where=rows > 0)
    return matrix(
        f"Taken for{of}",
        100 * fractions,
        names,
        names,
        low=0,
        high=100,
        format=".1f",
        name="confusion",
        caption="Percent of the test images of the row's class that were taken for the column's"
        + (f", over {len(kept)} seeds." if len(kept) > 1 else "."),
    )


def _summed(kept: Sequence[Answers]) -> Array:
    return np.sum([answers.confusion for answers in kept], axis=0)


def _pairs(counts: Array, names: Sequence[str], seeds: int, of: str) -> Table:
    rows = [
        {"truth": names[i], "prediction": names[j], "fraction": float(images / counts[i].sum())}
        for i, j, images in most_confused(counts, PAIRS)
    ]
    columns = [
        Column("truth", "Truth", align="left"),
        Column("prediction", "Taken for", align="left"),
        Column("fraction", "Of the class's images", format=".1%"),
    ]
    foot = [f"Over {seeds} seeds."] if seeds > 1 else []
    return Table(f"Most often confused{of}", columns, rows, foot, name="confused")


def _classes(kept: Sequence[Answers], of: str) -> Table:
    """A row a class, the hardest first; of many classes these alone."""
    counts, names = _summed(kept), kept[0].classes
    right = by_class(counts)
    rows = [
        {
            "class": names[c],
            "images": int(counts[c].sum()),
            "right": float(right[c]) if counts[c].any() else None,
        }
        for c in np.argsort(np.where(np.isnan(right), 2, right), kind="stable")[:SHOWN]
        if counts[c].any() or len(names) <= SHOWN
    ]
    columns = [
        Column("class", "Class", align="left"),
        Column("images", "Test images"),
        Column("right", "Read right", format=".2%"),
    ]
    seeds = f"; images are counted once for each of {len(kept)} seeds" if len(kept) > 1 else ""
    foot = [f"{_which(right)}{seeds}."]
    return Table(f"Class by class{of}", columns, rows, foot, name="by-class")


def _which(right: Array) -> str:
    """Which classes are listed; of many, those that have test images, and how many not listed are no easier."""
    if len(right) <= SHOWN:
        return "The hardest class first"
    known = np.sort(right[~np.isnan(right)])
    if len(known) <= SHOWN:
        return f"The {len(known)} classes that have test images, the hardest first"
    of = f"{len(right)} classes" if len(known) == len(right) else f"the {len(known)} classes that have test images"
    alike = int((known[SHOWN:] == known[SHOWN - 1]).sum())
    more = f", and {alike} more {'is' if alike == 1 else 'are'} as hard as the last of them" if alike else ""
    return f"The hardest {SHOWN} of {of}{more}"


def _worst(group: Group, of: str) -> list[Block]:
    """The misread images of the first seed to whose truth the network gave the least."""
    trial = next(trial for trial in group.counted if trial.answers() is not None)
    answers = trial.answers()
    assert answers is not None
    if not len(answers.worst):
        return [f"Seed {trial.seed} misread none of the test images."]
    return [_pictures(answers, trial.seed, of)]


def _pictures(answers: Answers, seed: int, of: str) -> Figure:
    shown = []
    for i, image in zip(answers.worst[:WORST], answers.images, strict=False):
        truth, said = answers.classes[answers.truth[i]], answers.classes[answers.prediction[i]]
        pixels = np.round(image * (255 / answers.white)).astype(np.uint8)
        shown.append(Picture(f"{truth}: {said}?", pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)))
    first = answers.worst[0]
    return pictures(
        f"The worst mistakes{of}",
        shown,
        columns=max(1, min(5, (WIDEST + GAP) // (round(LETTER * max(len(each.name) for each in shown)) + GAP))),
        largest=110,
        name="mistakes",
        caption=f"The truth, and what seed {seed} took it for: the misread test images with the highest loss. For the "
        f"first it gave {percent(float(answers.probability[first]), 1)} to its mistake.",
    )
