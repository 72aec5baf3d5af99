"""Cutout: a square of zeros over a random position, so that no single part of an object is enough.

    z[i, j] = 0   where r₁ ≤ i < r₂ and c₁ ≤ j < c₂,   x elsewhere

    r₁ = max(0, y − ⌊S/2⌋),  r₂ = min(H, y − ⌊S/2⌋ + S);   c₁, c₂ the same from the column
    (y, x): the centre, any pixel of the image with equal chance

The square may cross the border, and does: whole squares alone help less, the authors found. Zero is the mean of the
training set as long as `normalise` does not come after. S = 16 is their choice for CIFAR-10, 8 for CIFAR-100.

Source: DeVries & Taylor 2017, "Improved regularization of convolutional neural networks with cutout", section 3,
and the authors' code. Differs: where S is odd, theirs hides S − 1 pixels, this page S.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from underhood.data.augmentation.base import Draw, Drawn, whole
from underhood.data.augmentation.view import Mask, View


@dataclass(frozen=True)
class Cutout:
    """`size` is the side of a square in pixels, `holes` the number of squares an image."""

    size: int = 16
    holes: int = 1

    name: ClassVar[str] = "cutout"
    summary: ClassVar[str] = "a square of zeros anywhere, across the border too"
    source: ClassVar[str] = "DeVries & Taylor 2017"

    def __post_init__(self) -> None:
        whole("size", self.size, 1)
        whole("holes", self.holes, 1)

    def fits(self, height: int, width: int) -> None:
        """A square may be larger than the image."""

    def draw(self, of: Draw) -> Drawn:
        """(n, 2·holes): row and column of each square's centre."""
        centres = of.rng().integers(0, [of.height, of.width], (of.images, self.holes, 2))
        return centres.reshape(of.images, -1).astype(np.int32)

    def apply(self, view: View, drawn: Drawn) -> View:
        for hole in range(self.holes):
            y, x = drawn[:, 2 * hole, None], drawn[:, 2 * hole + 1, None]
            view = view.blanked(covered(y, self.size, view.height), covered(x, self.size, view.width))
        return view


def covered(centres: Drawn, size: int, length: int) -> Mask:
    """Which of `length` positions along an axis squares with these centres cover; (…, 1) gives (…, length)."""
    first = centres - size // 2
    positions = np.arange(length)
    return (first <= positions) & (positions < first + size)
