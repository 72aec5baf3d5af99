"""Translate: the image moves by whole pixels; its border decides what comes in behind it.

    z[i, j] = x[i − dy, j − dx]      dy, dx ∈ {−t, …, t}, all alike

    zero   1234 → 0123       what comes in is blank
    edge   1234 → 1123       the border's pixel goes on
    wrap   1234 → 4123       what leaves on one side comes in on the other: no pixel is lost

With zeros it is `crop` with padding t seen the other way round; for mirrored borders take that.

Source: Simard, Steinkraus & Platt 2003, "Best practices for convolutional neural networks", section 2.
PyTorch: torchvision's RandomAffine(0, translate=(t/W, t/H)). Differs: whole pixels, so nothing is interpolated.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from underhood.data.augmentation.base import Draw, Drawn, one_of, whole
from underhood.data.augmentation.view import Positions, View


@dataclass(frozen=True)
class Translate:
    """`by` is the farthest move in pixels, `mode` "zero", "edge" or "wrap"."""

    by: int = 4
    mode: str = "zero"

    name: ClassVar[str] = "translate"
    summary: ClassVar[str] = "move by whole pixels; zeros, the edge or the other side comes in"
    source: ClassVar[str] = "Simard et al. 2003"

    def __post_init__(self) -> None:
        whole("by", self.by, 0)
        one_of("mode", self.mode, ("zero", "edge", "wrap"))

    def fits(self, height: int, width: int) -> None:
        """Any image can be moved."""

    def draw(self, of: Draw) -> Drawn:
        """(n, 2): pixels down and to the right."""
        return of.rng().integers(-self.by, self.by + 1, (of.images, 2)).astype(np.int32)

    def apply(self, view: View, drawn: Drawn) -> View:
        return view.moved(self._from(drawn[:, :1], view.height), self._from(drawn[:, 1:], view.width))

    def _from(self, moves: Drawn, length: int) -> Positions:
        positions = np.arange(length) - moves
        if self.mode == "wrap":
            positions %= length
        return positions.clip(0, length - 1) if self.mode == "edge" else positions
