"""What a page of this folder is: settings, a draw for every image of an epoch, and what that does to a view.

    class Flip:  p = 0.5                                   the settings
        draw(of)  → (n, 1): flipped or not                 of = (seed, epoch, instance): row i for image i
        apply(view, drawn) → view                           drawn: (B, 1), the rows of the batch's images

What is drawn for image i depends on the seed, the epoch and i alone: not on the batch it comes in, its position
there, or how large batches are. Each page of a chain has a stream of its own, so that naming another page moves
no other's draws; each of M instances has its own, so that the first is what M = 1 would have shown.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from underhood.data.augmentation.view import View
from underhood.data.streams import stream
from underhood.settings import SettingError

Drawn = NDArray[np.int32]  # (n, k): k numbers an image


@dataclass(frozen=True)
class Draw:
    """What is drawn for: `images` images of `height`×`width` in one epoch, by one page of a chain."""

    seed: int
    epoch: int
    images: int
    height: int
    width: int
    name: str  # the page's, and which of its name it is in the chain
    instance: int = 0

    def rng(self) -> np.random.Generator:
        """Numbers for this epoch and instance."""
        return stream("augmentation", self.seed, self.epoch, self._name("instance", self.instance))

    def lasting(self) -> np.random.Generator:
        """Numbers that are the same in every epoch and for every instance."""
        return stream("augmentation", self.seed, name=f"{self.name}, lasting")

    def _name(self, what: str, number: int) -> str:
        return f"{self.name}, {what} {number}" if number else self.name


class Augmentation(Protocol):
    """One page, with its settings."""

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]

    def fits(self, height: int, width: int) -> None:
        """Raise BadInput if images of this size cannot be augmented so."""

    def draw(self, of: Draw) -> Drawn | None:
        """The numbers for every image, or None if there is nothing to draw."""

    def apply(self, view: View, drawn: Any) -> View:
        """The view after this page; `drawn` has a row for each image of the view."""


def whole(key: str, value: Any, least: int) -> None:
    """Raise SettingError if `value` is not a whole number from `least` on."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise SettingError(key, f"a whole number from {least} on, not {value!r}")


def one_of(key: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise SettingError if `value` is none of the words."""
    if value not in choices:
        raise SettingError(key, f"{' or '.join(choices)}, not {value!r}")
