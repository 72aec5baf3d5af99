"""Random erasing: a rectangle of random area and shape is blanked, in some of the images.

    z[i, j] = 0   where t ≤ i < t + h and l ≤ j < l + w,   x elsewhere          with probability p, else z = x

    h = ⌊√(a·H·W·r) + ½⌋,  w = ⌊√(a·H·W/r) + ½⌋          a ~ U(0.02, area): the fraction of the image that is erased
    log r ~ U(log 0.3, −log 0.3): tall as often as wide   (t, l): anywhere, the rectangle within the image

A rectangle that does not fit is drawn again, up to ten times; an image for which none fits stays whole. Zero is the
mean of the training set as long as `normalise` does not come after.

Source: Zhong, Zheng, Kang, Li & Yang 2020, "Random erasing data augmentation", algorithm 1, filled with the mean.
PyTorch: torchvision's RandomErasing, from which the ten tries and the even logarithm of r are (the paper's r is even
itself). Differs from cutout: the rectangle stays within the image, and its size is drawn.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from underhood.data.augmentation.base import Draw, Drawn
from underhood.data.augmentation.view import View
from underhood.settings import SettingError

LEAST, NARROWEST, TRIES = 0.02, 0.3, 10


@dataclass(frozen=True)
class Erase:
    """`p` is the probability that an image is erased in, `area` the largest fraction of it that is."""

    p: float = 0.5
    area: float = 0.4

    name: ClassVar[str] = "erase"
    summary: ClassVar[str] = "a rectangle of zeros of any size and shape, in some of the images"
    source: ClassVar[str] = "Zhong et al. 2020"

    def __post_init__(self) -> None:
        for key, value, least in (("p", self.p, 0.0), ("area", self.area, LEAST)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= 1:
                raise SettingError(key, f"a number from {least:g} to 1, not {value!r}")

    def fits(self, height: int, width: int) -> None:
        """Any image can be erased in."""

    def draw(self, of: Draw) -> Drawn:
        """(n, 4): top, left, height and width of the rectangle, all 0 where nothing is erased."""
        rng = of.rng()
        erased = rng.random(of.images) < self.p
        a, r, top, left = np.moveaxis(rng.random((of.images, TRIES, 4)), -1, 0)
        a = (LEAST + (self.area - LEAST) * a) * of.height * of.width
        r = NARROWEST ** (1 - 2 * r)
        h, w = np.floor(np.sqrt(a * r) + 0.5), np.floor(np.sqrt(a / r) + 0.5)
        fits = (h <= of.height) & (w <= of.width) & (h > 0) & (w > 0)
        rectangles = np.stack([top * (of.height - h + 1), left * (of.width - w + 1), h, w], -1)
        first = rectangles[np.arange(of.images), fits.argmax(1)]
        return np.where((erased & fits.any(1))[:, None], np.floor(first), 0).astype(np.int32)

    def apply(self, view: View, drawn: Drawn) -> View:
        top, left, h, w = (drawn[:, i, None] for i in range(4))
        rows, columns = np.arange(view.height), np.arange(view.width)
        return view.blanked((top <= rows) & (rows < top + h), (left <= columns) & (columns < left + w))
