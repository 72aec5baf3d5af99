"""From a data set on disk to the batches that a network eats.

    x = (pixel / white − mean) / std,  channel by channel          x: (B, C, H, W), float

or x = pixel / white, in [0, 1], where the settings say "unit". Training images are augmented on the way
(data/augmentation), from the bytes of the batch straight to its floats; the set itself is never copied.

The order of an epoch is one permutation from the stream (seed, "shuffling", epoch).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from underhood import data
from underhood.data.augmentation import Chain, DrawnChain, Normalise, View, pixels_of
from underhood.data.registry import Arrays, Images
from underhood.data.streams import stream
from underhood.errors import BadInput
from underhood.training.preprocessing import Preprocessing
from underhood.training.settings import DataSettings

Array = np.ndarray
EVALUATION_BATCH = 1000  # images at once where no gradient is wanted and nobody says how many


@dataclass(frozen=True)
class Resident:
    """A part's bytes and constants on a device, where its batches are then made."""

    pixels: Any  # (rows of the part, C, H, W)
    scale: Any
    shift: Any
    put: Callable[[Array], Any]


@dataclass(frozen=True)
class Part:
    """The images of one purpose: some rows of a part of the set, normalised as they are read."""

    images: Images
    rows: Array
    scale: Array  # (C, 1, 1)
    shift: Array  # (C, 1, 1)
    chain: Chain = field(default_factory=Chain)
    drawn: DrawnChain | None = None
    resident: Resident | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shown(self) -> int:
        """How many images an epoch of training shows: each one as often as it is repeated in its batch."""
        return len(self) * self.chain.repeats

    def in_epoch(self, seed: int, epoch: int) -> "Part":
        """The part with the epoch's augmentation: drawn for every image of the set, whichever are used."""
        if not self.chain:
            return self
        return replace(self, drawn=self.chain.drawn(seed, epoch, len(self.images), *self.images.images.shape[2:]))

    def on(self, put: Callable[[Array], Any]) -> "Part":
        """The part kept whole on the device that `put` brings an array to: its batches are made there."""
        pixels, scale, shift = map(put, (self.images.take(self.rows), self.scale, self.shift))
        return replace(self, resident=Resident(pixels, scale, shift, put))

    def batch(self, which: Array) -> tuple[Any, Array]:
        """Images (M·B, C, H, W) and labels (M·B,) of the given positions within this part; M = 1 unless repeated."""
        rows = self.rows[which]
        view = self.drawn.view(rows) if self.drawn else View(len(rows), *self.images.images.shape[2:])
        labels = np.tile(self.images.labels[rows], self.chain.repeats if self.drawn else 1)
        if self.resident is None:
            return pixels_of(self.images.take(rows), view, self.scale, self.shift), labels
        there = self.resident
        return pixels_of(there.pixels[there.put(which)], view, there.scale, there.shift), labels

    def in_order(self, size: int = EVALUATION_BATCH) -> Iterator[tuple[Any, Array]]:
        """The whole part in large batches, for evaluation: as it is, never augmented."""
        plain = replace(self, drawn=None)
        for start in range(0, len(self), size):
            yield plain.batch(np.arange(start, min(start + size, len(self))))


@dataclass(frozen=True)
class Parts:
    """What a training trial reads."""

    train: Part
    validation: Part
    test: Part
    classes: tuple[str, ...]
    fingerprint: str
    preprocessing: Preprocessing


def read(settings: DataSettings, root: Path | None, seed: int, dtype: Any) -> Parts:
    """The parts that the settings ask for; the split and the subsets follow the seed.

    Raises BadInput when the set isn't there, or its images cannot be augmented as asked.
    """
    arrays = data.load(settings.name, root)
    if len(arrays.classes) < 2:
        raise BadInput(
            f"{settings.name}: holds one class alone ({', '.join(arrays.classes)}): nothing can be learnt of it"
        )
    training, validation = data.split(len(arrays.train), settings.validation, seed)
    chain = Chain(tuple(step.make() for step in settings.augmentation), settings.repeats)
    chain.fits(*arrays.shape[1:])
    preprocessing = _preprocessing(arrays, settings.scaling, chain, dtype)
    scale, shift = preprocessing.constants()

    def part(images: Images, rows: Array) -> Part:
        return Part(images, rows, scale, shift)

    return Parts(
        replace(part(arrays.train, _some(training, settings.train, seed, "train")), chain=chain),
        part(arrays.train, validation),
        part(arrays.test, _some(np.arange(len(arrays.test)), settings.test, seed, "test")),
        arrays.classes,
        arrays.fingerprint,
        preprocessing,
    )


def shuffled(n: int, seed: int, epoch: int) -> Array:
    """The order of one epoch."""
    return stream("shuffling", seed, epoch).permutation(n)


def _some(rows: Array, count: int | None, seed: int, name: str) -> Array:
    if count is None or count >= len(rows):
        return rows
    return np.sort(stream("split", seed, name=name).permutation(rows)[:count])


def _preprocessing(arrays: Arrays, scaling: str, chain: Chain, dtype: Any) -> Preprocessing:
    """What the settings make of a pixel of the set."""
    own = next((step for step in chain.steps if isinstance(step, Normalise)), Normalise())
    mean, std = _given(arrays, "mean", own.mean), _given(arrays, "std", own.std)
    if scaling == "unit":
        mean, std = (0.0,) * len(mean), (1.0,) * len(std)
    return Preprocessing(arrays.shape, arrays.white, mean, std, np.dtype(dtype).name)


def _given(arrays: Arrays, key: str, own: Any) -> tuple[float, ...]:
    """One number a channel: the settings' own, else the set's."""
    channels = arrays.shape[0]
    if own is not None and len(own) != channels:
        images = f"images of {arrays.name} have {channels} channel" + "s" * (channels != 1)
        raise BadInput(f"data.augmentation: normalise: {key} has {len(own)} numbers; {images}")
    return tuple(float(value) for value in (getattr(arrays, key) if own is None else own))
