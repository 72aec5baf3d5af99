"""What a network said of every test image, kept with the trial: test.npz, which NumPy opens.

    rows            (n,)     the images' positions in the set's test part
    truth           (n,)     their classes
    prediction      (n,)     what it took them for
    probability     (n,)     that it gave its prediction
    loss            (n,)     −log of the probability that it gave the truth
    classes         (C,)     the classes' names
    worst           (k,)     positions in the arrays above of the misread images with the highest loss, worst first
    images          (k, C, H, W)  their pixels, as the set has them; `white` is the pixel that stands for 1

Confusion matrix and accuracy by class follow from it.
"""

import zipfile
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from underhood.errors import BadInput

FILE = "test.npz"
WORST = 25  # misread images that are kept as pictures

Array = np.ndarray


@dataclass(frozen=True)
class Answers:
    """Every test image with the answer to it."""

    rows: Array
    truth: Array
    prediction: Array
    probability: Array
    loss: Array
    classes: tuple[str, ...]
    worst: Array
    images: Array
    white: float

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def correct(self) -> int:
        """How many were read right."""
        return int((self.prediction == self.truth).sum())

    @cached_property
    def confusion(self) -> Array:
        """(C, C): how many images of the row's class were taken for the column's."""
        return confusion(self.truth, self.prediction, len(self.classes))

    @property
    def by_class(self) -> Array:
        """(C,): the fraction of each class's images that was read right; NaN for a class without images."""
        return by_class(self.confusion)

    def save(self, path: Path) -> None:
        arrays = {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
        with path.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    @classmethod
    def read(cls, path: Path) -> "Answers":
        try:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            classes, white = tuple(map(str, arrays.pop("classes"))), float(arrays.pop("white"))
            return cls(**arrays, classes=classes, white=white)
        except (OSError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise BadInput(f"{path}: not the answers of a test, or damaged ({error})") from error


def confusion(truth: Array, prediction: Array, classes: int) -> Array:
    """(C, C): how many images of the row's class were taken for the column's."""
    return np.bincount(truth * classes + prediction, minlength=classes**2).reshape(classes, classes)


def by_class(matrix: Array) -> Array:
    """(C,): the fraction of each row on the diagonal; NaN where the row is empty."""
    counts = matrix.sum(1)
    return np.divide(matrix.diagonal(), counts, out=np.full(len(matrix), np.nan), where=counts > 0)


def most_confused(matrix: Array, most: int) -> list[tuple[int, int, int]]:
    """(truth, prediction, images) of at most `most` pairs off the diagonal, the most frequent first."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    return [(*divmod(int(k), len(wrong)), int(wrong.flat[k])) for k in order if wrong.flat[k]]


class Tally:
    """Collects what was said batch by batch."""

    def __init__(self) -> None:
        self.truth: list[Array] = []
        self.prediction: list[Array] = []
        self.probability: list[Array] = []
        self.loss: list[Array] = []

    def add(self, logits: Array, t: Array) -> None:
        """logits (B, C), t (B,)"""
        logs = log_softmax(logits)
        said, images = logits.argmax(1), np.arange(len(t))
        self.truth.append(np.asarray(t))
        self.prediction.append(said)
        self.probability.append(np.exp(logs[images, said]))
        self.loss.append(-logs[images, t])

    def answers(self, part: Any, classes: tuple[str, ...], white: float) -> Answers:
        """All of it; `part` (pipeline.py) is what was shown, whole and in its order."""
        truth, prediction = (np.concatenate(each).astype(np.int32) for each in (self.truth, self.prediction))
        loss = np.concatenate(self.loss).astype(np.float32)
        probability = np.concatenate(self.probability).astype(np.float32)
        wrong = np.flatnonzero(prediction != truth)
        worst = wrong[np.argsort(-loss[wrong], kind="stable")][:WORST]
        rows = np.asarray(part.rows, np.int64)
        pixels = np.asarray(part.images.take(rows[worst]))
        return Answers(rows, truth, prediction, probability, loss, classes, worst, pixels, white)


def log_softmax(logits: Array) -> Array:
    """In float64, row by row."""
    z = logits.astype(np.float64)
    z = z - z.max(1, keepdims=True)
    return z - np.log(np.exp(z).sum(1, keepdims=True))
