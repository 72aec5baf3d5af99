"""How much of a data set a network reads right: accuracy with its interval, loss, confusion, class by class.

    (p̂ + z²/2n ± z √(p̂(1 − p̂)/n + z²/4n²)) / (1 + z²/n),   z = 1.96        Wilson's 95 % interval of k of n, p̂ = k/n

It says how far the accuracy on all images of this kind may lie from that on these n. How much another seed would have
changed is another question, which a run of several seeds answers.

Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from underhood import data as data_sets
from underhood.data.registry import Arrays, Images
from underhood.errors import BadInput, nearest
from underhood.tables import Column, Table
from underhood.training.answers import Answers, most_confused
from underhood.training.network_file import NetworkFile
from underhood.training.pipeline import Part, read
from underhood.training.settings import DataSettings

Z = 1.959963984540054
SPLITS = ("test", "train", "validation")
SHOWN = 20  # classes up to which a confusion matrix can be read as a table

Array = np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """`loss` is the mean cross-entropy; `answers` holds what was said of every image."""

    data: str
    split: str
    loss: float
    answers: Answers
    notes: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        return len(self.answers)

    @property
    def correct(self) -> int:
        return self.answers.correct

    @property
    def accuracy(self) -> float:
        return self.correct / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy, over the images."""
        return wilson(self.correct, self.images)

    @property
    def confusion(self) -> Array:
        """(C, C): how many images of the row's class were taken for the column's."""
        return self.answers.confusion

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{100 * self.accuracy:.2f} % of {self.images:,} {self.split} images of {Path(self.data).name} read right "
            f"({self.correct:,}), 95 % interval {100 * low:.2f} to {100 * high:.2f} %; loss {self.loss:.4f}"
        )

    def tables(self) -> list[Table]:
        """Class by class, and what was taken for what: the whole matrix, or of many classes the largest of it."""
        return [by_class_table(self.answers), confusion_table(self.answers)]

    def to_json(self) -> dict[str, Any]:
        per_class = [None if np.isnan(value) else float(value) for value in self.answers.by_class]
        return {
            "data": self.data,
            "split": self.split,
            "images": self.images,
            "correct": self.correct,
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            "loss": self.loss,
            "classes": list(self.answers.classes),
            "accuracy_by_class": per_class,
            "confusion": self.confusion.tolist(),
            "notes": list(self.notes),
        }


def wilson(correct: int, images: int) -> tuple[float, float]:
    """The 95 % interval of a fraction."""
    p, shrink = correct / images, 1 + Z**2 / images
    middle = (p + Z**2 / (2 * images)) / shrink
    half = Z * (p * (1 - p) / images + Z**2 / (4 * images**2)) ** 0.5 / shrink
    return max(0.0, middle - half), min(1.0, middle + half)


def by_class_table(answers: Answers) -> Table:
    """A row a class: its images, how many were read right, and what most of the others were taken for."""
    matrix = answers.confusion
    rows = []
    for c, name in enumerate(answers.classes):
        others = np.where(np.arange(len(matrix)) == c, 0, matrix[c])
        wrong = f"{answers.classes[others.argmax()]} ({others.max()})" if others.max() else None
        accuracy = None if not matrix[c].sum() else float(answers.by_class[c])
        rows.append({"class": name, "images": int(matrix[c].sum()), "accuracy": accuracy, "wrong": wrong})
    columns = [
        Column("class", "Class", align="left"),
        Column("images", "Images"),
        Column("accuracy", "Read right", format=".2%"),
        Column("wrong", "Most often taken for", align="left", help="and how many images were"),
    ]
    return Table("Class by class", columns, rows, name="by-class")


def confusion_table(answers: Answers) -> Table:
    """Rows are the truth, columns what the image was taken for; of many classes the pairs most often confused."""
    matrix, names = answers.confusion, answers.classes
    if len(names) > SHOWN:
        return pairs_table(answers)
    columns = [Column("truth", "Truth", align="left"), *(Column(f"c{j}", name) for j, name in enumerate(names))]
    rows = [{"truth": name, **{f"c{j}": int(matrix[i, j]) for j in range(len(names))}} for i, name in enumerate(names)]
    return Table("Taken for", columns, rows, name="confusion")


def pairs_table(answers: Answers, most: int = 15) -> Table:
    """The pairs of truth and prediction that were confused most often."""
    names, found = answers.classes, most_confused(answers.confusion, most)
    rows = [{"truth": names[i], "prediction": names[j], "images": count} for i, j, count in found]
    columns = [
        Column("truth", "Truth", align="left"),
        Column("prediction", "Taken for", align="left"),
        Column("images", "Images"),
    ]
    return Table("Most often confused", columns, rows, name="confused")


# ---- what is asked


@dataclass(frozen=True)
class Questions:
    """Some images with their classes, as a network takes them."""

    data: str
    part: Part
    white: float
    notes: tuple[str, ...] = field(default_factory=tuple)


def questions(file: NetworkFile, data: str | None, split: str, root: Path | str | None) -> Questions:
    """The images of a split: of the network's own set those that its trial had, of another all of them."""
    if split not in SPLITS:
        raise BadInput(f'split: unknown "{split}"; {nearest(split, list(SPLITS))}')
    if data is None or data == file.data["name"]:
        return _own(file, split, root)
    if split == "validation":
        raise BadInput(
            "split: validation images are held out of a trial's own data; of another set there is test or train"
        )
    arrays = data_sets.load(data, root)
    of: Images = arrays.test if split == "test" else arrays.train
    of, notes = _fitting(file, arrays, of)
    part = Part(of, np.arange(len(of)), *file.preprocessing.constants(arrays.white))
    return Questions(data, part, arrays.white, notes)


def _own(file: NetworkFile, split: str, root: Path | str | None) -> Questions:
    settings = DataSettings.model_validate(file.settings["data"])
    parts = read(settings, Path(root) if root else None, file.seed, file.preprocessing.dtype)
    part: Part = getattr(parts, split)
    if not len(part):
        raise BadInput(f"split: no {split} images were held out in this training (data.validation)")
    notes = []
    if parts.fingerprint != file.data["fingerprint"]:
        notes.append(f"{settings.name} is not what it was when the network learnt from it: its images or labels differ")
    white = parts.preprocessing.white
    if parts.preprocessing.shape != file.preprocessing.shape or parts.classes != file.classes:
        raise BadInput(f"{settings.name}: has other images or classes than when the network learnt from it")
    scale, shift = file.preprocessing.constants(white)
    return Questions(settings.name, replace(part, scale=scale, shift=shift), white, tuple(notes))


def _fitting(file: NetworkFile, arrays: Arrays, of: Images) -> tuple[Images, tuple[str, ...]]:
    """The other set's images with labels that mean what the network's do, and what has to be said of that."""
    shape, own = arrays.shape, file.preprocessing.shape
    if shape != own:
        raise BadInput(
            f"{arrays.name}: its images are {_size(shape)}, the network takes {_size(own)} (channels, height, width)"
        )
    theirs, ours = arrays.classes, file.classes
    if len(theirs) != len(ours):
        raise BadInput(f"{arrays.name}: has {len(theirs)} classes, the network knows {len(ours)} ({_some(ours)})")
    if theirs == ours:
        return of, ()
    if sorted(theirs) == sorted(ours) and len(set(ours)) == len(ours):
        ours_by_theirs = np.array([ours.index(name) for name in theirs])
        renumbered = replace(of, labels=ours_by_theirs[of.labels])
        return renumbered, (f"{arrays.name} has the same classes in another order; they were matched by name",)
    said = f"calls its classes otherwise ({_some(theirs)}); they were matched in their order, to {_some(ours)}"
    return of, (f"{arrays.name} {said}",)


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
