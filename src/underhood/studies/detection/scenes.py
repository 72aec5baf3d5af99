"""Drawn scenes: discs, squares and triangles on a soft background, with the box of each. They need no file.

    pixels, boxes = scene(rng, height=96, width=128, count=3)        uint8 (H, W, 3), float (3, 4)

A box is (left, top, right, bottom) with the edges of the first and behind the last pixel: no "+1" on widths.
"""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Boxes = NDArray[np.float64]
TRIES = 50  # to find a position that is free


def scene(
    rng: np.random.Generator, height: int, width: int, count: int, smallest: float = 0.16, largest: float = 0.5
) -> tuple[Pixels, Boxes]:
    """One scene; objects' sides lie between two fractions of the picture's shorter side. Objects hardly overlap."""
    picture = _background(rng, height, width)
    boxes: list[tuple[float, float, float, float]] = []
    short = min(height, width)
    for _ in range(count * TRIES):
        if len(boxes) == count:
            break
        tall, wide = rng.uniform(smallest * short, largest * short, 2)
        if not 0.45 <= tall / wide <= 2.2:
            continue
        cx, cy = rng.uniform(wide / 2, width - wide / 2), rng.uniform(tall / 2, height - tall / 2)
        mask = _shape(int(rng.integers(3)), height, width, cx, cy, wide, tall)
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
        if any(_touching(box, other) for other in boxes):
            continue
        picture[mask] = _contrasting(rng, picture[mask].mean(0))
        boxes.append(box)
    picture += rng.normal(0, 0.02, picture.shape)
    return (255 * picture.clip(0, 1)).round().astype(np.uint8), np.array(boxes).reshape(-1, 4)


def _background(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float64]:
    """A slope from one colour to another."""
    y, x = np.mgrid[0:height, 0:width]
    along = (x / width * rng.uniform(-1, 1) + y / height * rng.uniform(-1, 1) + 1)[..., None] / 2
    return along * rng.uniform(0.2, 0.8, 3) + (1 - along) * rng.uniform(0.2, 0.8, 3)


def _shape(kind: int, height: int, width: int, cx: float, cy: float, wide: float, tall: float) -> NDArray[np.bool_]:
    """The pixels of an ellipse (0), a rectangle (1) or a triangle (2)."""
    y, x = np.mgrid[0:height, 0:width] + 0.5
    u, v = (x - cx) / (wide / 2), (y - cy) / (tall / 2)  # both in [-1, 1] inside the box
    if kind == 0:
        return u**2 + v**2 <= 1
    inside = (np.abs(u) <= 1) & (np.abs(v) <= 1)
    return inside if kind == 1 else inside & (np.abs(u) <= (v + 1) / 2)


def _contrasting(rng: np.random.Generator, around: NDArray[np.float64]) -> NDArray[np.float64]:
    """A colour that stands out from the one around it."""
    while True:
        colour = rng.uniform(0, 1, 3)
        if np.abs(colour - around).max() > 0.35:
            return colour


def _touching(a: tuple[float, ...], b: tuple[float, ...], gap: float = 3.0) -> bool:
    return a[0] < b[2] + gap and b[0] < a[2] + gap and a[1] < b[3] + gap and b[1] < a[3] + gap
