"""What becomes of pixels before a network eats them, in numbers that a file can hold.

    x[c] = (pixel[c] / white − mean[c]) / std[c] = pixel[c] · scale[c] − shift[c]

    scale = 1 / (white · std)   shift = mean / std   (C, 1, 1), computed in float64, then rounded to `dtype`

A training trial makes its batches by these constants, and keeps mean, std and white with its weights, so that
pictures which come later are treated alike, to the last bit.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Preprocessing:
    """`shape` is one image's (C, H, W); `white` the pixel that stands for 1; `dtype` what the network computes in."""

    shape: tuple[int, int, int]
    white: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    dtype: str = "float32"

    def constants(self, white: float | None = None) -> tuple[Array, Array]:
        """Scale and shift (C, 1, 1); of pixels whose white is another one, where it is given."""
        mean, std = (np.asarray(values, np.float64)[:, None, None] for values in (self.mean, self.std))
        return (1 / ((self.white if white is None else white) * std)).astype(self.dtype), (mean / std).astype(
            self.dtype
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "shape": list(self.shape),
            "white": self.white,
            "mean": list(self.mean),
            "std": list(self.std),
            "dtype": self.dtype,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Preprocessing":
        channels, height, width = stored["shape"]
        mean, std = tuple(stored["mean"]), tuple(stored["std"])
        return cls((channels, height, width), stored["white"], mean, std, stored["dtype"])
