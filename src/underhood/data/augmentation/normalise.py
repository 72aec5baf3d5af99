"""Normalise: subtract the mean and divide by the standard deviation, channel by channel.

    z[c, i, j] = (x[c, i, j] / white − mean[c]) / std[c]      white: the pixel value that stands for 1

Every image is normalised, and first of all, so that the zeros of the pages that follow are the mean of the training
set. Named in a chain it comes where it is named, and what is blank before it is black: `["crop", "flip", "normalise"]`
is the usual order of a tutorial on PyTorch. It is the one step that validation and test images take too.

`mean` and `std` are the published ones of the training pixels if left out. The 0.2023, 0.1994, 0.2010 of many
programs for CIFAR-10 are means of the single images' deviations; who wants them writes
`{name = "normalise", std = [0.2023, 0.1994, 0.2010]}`.

PyTorch: torchvision's Normalize after ToTensor.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from underhood.data.augmentation.base import Draw
from underhood.data.augmentation.view import View
from underhood.settings import SettingError


@dataclass(frozen=True)
class Normalise:
    """`mean` and `std` are one number a channel, of pixels in [0, 1]."""

    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None

    name: ClassVar[str] = "normalise"
    summary: ClassVar[str] = "the position in the order where pixels become mean 0, deviation 1"
    source: ClassVar[str] = "LeCun et al. 1998, Efficient BackProp"

    def __post_init__(self) -> None:
        for key, values in (("mean", self.mean), ("std", self.std)):
            numbers = isinstance(values, Sequence) and values and all(isinstance(v, int | float) for v in values)
            if values is not None and not numbers:
                raise SettingError(key, f"a list of one number a channel, not {values!r}")
        if self.std is not None and min(self.std) <= 0:
            raise SettingError("std", f"above 0 in every channel, not {list(self.std)!r}")

    def fits(self, height: int, width: int) -> None:
        """Any image can be normalised."""

    def draw(self, of: Draw) -> None:
        """Nothing: all images are treated alike."""

    def apply(self, view: View, drawn: Any) -> View:
        return replace(view, normalised=True)
