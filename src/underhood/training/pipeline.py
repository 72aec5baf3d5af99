"""From a data set on disk to the batches that a network eats.

    x = (pixel / white − mean) / std,  channel by channel          x: (B, C, H, W), float

or x = pixel / white, in [0, 1], where the settings say "unit".

The order of an epoch is one permutation from the stream (seed, "shuffling", epoch).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from underhood import data
from underhood.data.registry import Arrays, Images
from underhood.data.streams import stream
from underhood.training.settings import DataSettings

Array = np.ndarray
EVALUATION_BATCH = 1000  # images at once where no gradient is wanted; it changes no number worth reading


@dataclass(frozen=True)
class Part:
    """The images of one purpose: some rows of a part of the set, normalised as they are read."""

    images: Images
    rows: Array
    scale: Array  # (C, 1, 1)
    shift: Array  # (C, 1, 1)

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, which: Array) -> tuple[Array, Array]:
        """Images (B, C, H, W) and labels (B,) of the given positions within this part."""
        rows = self.rows[which]
        x = self.images.take(rows).astype(self.scale.dtype)
        x *= self.scale
        x -= self.shift
        return x, self.images.labels[rows]

    def in_order(self) -> Iterator[tuple[Array, Array]]:
        """The whole part in large batches, for evaluation."""
        for start in range(0, len(self), EVALUATION_BATCH):
            yield self.batch(np.arange(start, min(start + EVALUATION_BATCH, len(self))))


@dataclass(frozen=True)
class Parts:
    """What a training trial reads."""

    train: Part
    validation: Part
    test: Part
    classes: tuple[str, ...]
    fingerprint: str


def read(settings: DataSettings, root: Path | None, seed: int, dtype: Any) -> Parts:
    """The parts that the settings ask for; the split and the subsets follow the seed."""
    arrays = data.load(settings.name, root)
    training, validation = data.split(len(arrays.train), settings.validation, seed)
    scale, shift = _scaling(arrays, settings.scaling, dtype)

    def part(images: Images, rows: Array) -> Part:
        return Part(images, rows, scale, shift)

    return Parts(
        part(arrays.train, _some(training, settings.train, seed, "train")),
        part(arrays.train, validation),
        part(arrays.test, _some(np.arange(len(arrays.test)), settings.test, seed, "test")),
        arrays.classes,
        arrays.fingerprint,
    )


def shuffled(n: int, seed: int, epoch: int) -> Array:
    """The order of one epoch."""
    return stream("shuffling", seed, epoch).permutation(n)


def _some(rows: Array, count: int | None, seed: int, name: str) -> Array:
    if count is None or count >= len(rows):
        return rows
    return np.sort(stream("split", seed, name=name).permutation(rows)[:count])


def _scaling(arrays: Arrays, scaling: str, dtype: Any) -> tuple[Array, Array]:
    """Factor and offset of each channel, (C, 1, 1): x = pixel · factor − offset."""
    mean, std = (np.asarray(values, np.float64)[:, None, None] for values in (arrays.mean, arrays.std))
    if scaling == "unit":
        mean, std = np.zeros_like(mean), np.ones_like(std)
    return (1 / (arrays.white * std)).astype(dtype), (mean / std).astype(dtype)
