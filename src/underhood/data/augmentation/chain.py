"""A chain of augmentations: drawn once an epoch for every image, applied to whole batches.

    chain = Chain((Crop(4), Flip(), Cutout(16)))
    drawn = chain.drawn(seed=0, epoch=3, images=50_000, height=32, width=32)
    x = pixels_of(pixels[rows], drawn.view(rows), scale, shift)

Repeats: with M of them a batch holds M instances of each of its B images, each with a draw of its own, one whole
set of instances after the other: instance m of the batch's image b is row m·B + b.

Source: Hoffer et al. 2020, "Augment your batch: improving generalization through instance repetition" (repeats).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underhood.data.augmentation.base import Augmentation, Draw, Drawn
from underhood.data.augmentation.normalise import Normalise
from underhood.data.augmentation.view import View


@dataclass(frozen=True)
class Chain:
    """Augmentations in their order, and how many instances of each image a batch holds."""

    steps: tuple[Augmentation, ...] = ()
    repeats: int = 1

    def __bool__(self) -> bool:
        """Whether it changes anything."""
        return bool(self.steps) or self.repeats > 1

    @property
    def normalises_late(self) -> bool:
        """Whether `normalise` is named, so that what comes before it sees raw pixels."""
        return any(isinstance(step, Normalise) for step in self.steps)

    def fits(self, height: int, width: int) -> None:
        """Raise BadInput if a step cannot treat images of this size."""
        for step in self.steps:
            step.fits(height, width)

    def drawn(self, seed: int, epoch: int, images: int, height: int, width: int) -> "DrawnChain":
        """The draws of one epoch for a set of so many images."""
        tables = [
            [step.draw(Draw(seed, epoch, images, height, width, name, instance)) for step, name in self._named()]
            for instance in range(self.repeats)
        ]
        return DrawnChain(self, height, width, tables)

    def _named(self) -> Iterator[tuple[Augmentation, str]]:
        """The steps with their streams' names: "crop", and a second one "crop 2"."""
        seen: Counter[str] = Counter()
        for step in self.steps:
            seen[step.name] += 1
            yield step, step.name if seen[step.name] == 1 else f"{step.name} {seen[step.name]}"


@dataclass(frozen=True)
class DrawnChain:
    """A chain with what was drawn for an epoch: for each instance and step a row of numbers an image."""

    chain: Chain
    height: int
    width: int
    tables: list[list[Drawn | None]]

    def view(self, rows: NDArray[np.integer[Any]]) -> View:
        """The look of a batch of the images `rows`, counted in the whole set: M instances of each."""
        instances = len(self.tables)
        view = View(instances * len(rows), self.height, self.width, normalised=not self.chain.normalises_late)
        for step, *tables in zip(self.chain.steps, *self.tables, strict=True):
            drawn = None if tables[0] is None else np.concatenate([table[rows] for table in tables])
            view = step.apply(view, drawn)
        return view
