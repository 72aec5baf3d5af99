"""Pad and crop: the image is padded on all sides, and a window of its own size is cut out anywhere.

    z[i, j] = P(x)[i + u, j + v]      u, v ∈ {0, …, 2p}, all alike      P: p pixels more on each side

    zero      1234 → 00|1234|00       the object moves, and what it leaves is blank
    reflect   1234 → 32|1234|32       mirrored at the border's pixel, so there is no edge to learn

So an image moves by up to p pixels in each direction; u = v = p leaves it where it is.

Source: He, Zhang, Ren & Sun 2016, "Deep residual learning for image recognition", section 4.2 (zero, p = 4);
reflect as in Page's and Jordan's quick trainings on CIFAR-10. PyTorch: torchvision's RandomCrop(H, padding=p).
Differs: there, zeros are black because normalising comes last; here they are the mean unless `normalise` follows.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from underhood.data.augmentation.base import Draw, Drawn, one_of, whole
from underhood.data.augmentation.view import View
from underhood.errors import BadInput


@dataclass(frozen=True)
class Crop:
    """`padding` is in pixels on each side, `mode` "zero" or "reflect"."""

    padding: int = 4
    mode: str = "zero"

    name: ClassVar[str] = "crop"
    summary: ClassVar[str] = "pad on all sides, cut a window out anywhere"
    source: ClassVar[str] = "He et al. 2016"

    def __post_init__(self) -> None:
        whole("padding", self.padding, 0)
        one_of("mode", self.mode, ("zero", "reflect"))

    def fits(self, height: int, width: int) -> None:
        if self.mode == "reflect" and self.padding >= min(height, width):
            raise BadInput(
                f"data.augmentation: crop: {self.padding} pixels cannot be mirrored of images of {height}×{width}; "
                f"padding = {min(height, width) - 1} is the most"
            )

    def draw(self, of: Draw) -> Drawn:
        """(n, 2): how far down and right of the centre the window lies, −p to p."""
        windows = of.rng().integers(0, 2 * self.padding + 1, (of.images, 2))
        return (windows - self.padding).astype(np.int32)

    def apply(self, view: View, drawn: Drawn) -> View:
        rows = np.arange(view.height) + drawn[:, :1]
        columns = np.arange(view.width) + drawn[:, 1:]
        if self.mode == "reflect":
            rows, columns = _mirrored(rows, view.height), _mirrored(columns, view.width)
        return view.moved(rows, columns)


def _mirrored(positions: Any, length: int) -> Any:
    """−1 → 1, and beyond the last pixel L − 1: L → L − 2. Of NumPy's arrays and of PyTorch's tensors."""
    last = length - 1
    return last - abs(last - abs(positions))
