"""Hiding pixels: squares over an image, and what a network could still find out of what they hide.

    masks = square_masks(drawn_centres(rng, 8, holes=1, height=32, width=32), 16, 32, 32)      (8, 32, 32)
    hidden = cutout(x, masks)

Source: DeVries & Taylor 2017, section 3. Where the side is odd, the authors' code hides one pixel less.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from underhood.data.augmentation.cutout import covered

Array = NDArray[Any]
Rows = NDArray[np.int64]

SWEEPS = 400  # of the guess: the slowest wave in a hole of 16 pixels is then down to 0.1 %, at a border to 1 %


def edges(centres: Array, size: int, length: int) -> tuple[Rows, Rows]:
    """First and behind the last pixel that squares at `centres` hide along a side of `length` pixels."""
    mask = covered(np.asarray(centres)[..., None], size, length)
    first = mask.argmax(-1)
    return first, first + mask.sum(-1)


def square_masks(centres: Array, size: int, height: int, width: int) -> NDArray[np.bool_]:
    """True where hidden: (N, H, W) from centres (N, holes, 2) as (row, column)."""
    masks = np.zeros((len(centres), height, width), bool)
    for hole in range(centres.shape[1]):
        rows = covered(centres[:, hole, 0, None], size, height)
        columns = covered(centres[:, hole, 1, None], size, width)
        masks |= rows[:, :, None] & columns[:, None, :]
    return masks


def drawn_centres(rng: np.random.Generator, count: int, holes: int, height: int, width: int) -> Rows:
    """Centres (count, holes, 2): every pixel of the image with the same chance."""
    return rng.integers(0, [height, width], (count, holes, 2))


def cutout(x: Array, masks: NDArray[np.bool_]) -> Array:
    """x (N, C, H, W) with zeros in all channels where masks (N, H, W) are true."""
    return np.where(masks[:, None], x.dtype.type(0), x)


def over_centres(size: int, length: int) -> NDArray[np.bool_]:
    """Which positions along a side a square hides, for each position of its centre: (length, length)."""
    return covered(np.arange(length, dtype=np.int32)[:, None], size, length)


def expected_fraction(size: int, length: int) -> float:
    """The mean fraction of a side that one square hides, over all positions of its centre."""
    return float(over_centres(size, length).mean())


def hidden_probability(size: int, holes: int, height: int, width: int) -> Array:
    """With which probability each pixel is hidden, (H, W): one minus that of being missed by every square."""
    rows, columns = (over_centres(size, length).mean(0) for length in (height, width))
    return 1 - (1 - np.outer(rows, columns)) ** holes


def whole_probability(size: int, height: int, width: int) -> float:
    """With which probability one square lies within the image."""
    rows, columns = ((over_centres(size, length).sum(1) == size).mean() for length in (height, width))
    return float(rows * columns)


def blind_probability(size: int, depth: int, height: int, width: int) -> float:
    """`blind` exactly, over all centres of one square: rows and columns are hidden independently of each other."""

    def along(length: int) -> float:
        seen = np.pad(over_centres(size, length), ((0, 0), (depth, depth)), constant_values=True)
        return float(np.lib.stride_tricks.sliding_window_view(seen, 2 * depth + 1, axis=1).all(-1).mean())

    return along(height) * along(width)


def unexplained(x: Array, masks: NDArray[np.bool_]) -> float:
    """The squared error of guessing hidden pixels from their surroundings, as a fraction of guessing the mean, 0.

    The guess is the smoothest one: every hidden pixel is the mean of its four neighbours (Laplace's equation,
    solved by sweeps). 0: the neighbours tell all there was; 1: no more than the mean colour does.
    """
    hidden = np.broadcast_to(masks[:, None], x.shape)
    guess = np.where(hidden, 0.0, x)
    for _ in range(SWEEPS):
        padded = np.pad(guess, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
        around = padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1] + padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:]
        guess = np.where(hidden, around / 4, x)
    return float(((guess - x)[hidden] ** 2).sum() / (x[hidden] ** 2).sum())


def blind(masks: NDArray[np.bool_], depth: int) -> float:
    """The fraction of units after `depth` 3×3 convolutions (padding 1) that see hidden pixels alone."""
    hidden = np.pad(masks, ((0, 0), (depth, depth), (depth, depth)), constant_values=True)
    for _ in range(depth):
        hidden = hidden[:, :-2] & hidden[:, 1:-1] & hidden[:, 2:]
        hidden = hidden[:, :, :-2] & hidden[:, :, 1:-1] & hidden[:, :, 2:]
    return float(hidden.mean())


def blind_by_chance(fraction: float, depth: int, height: int, width: int) -> float:
    """The same when every pixel goes by a coin of its own: `share` to the number of pixels in the unit's window."""
    rows, columns = (
        np.minimum(np.arange(n) + depth, n - 1) - np.maximum(np.arange(n) - depth, 0) + 1 for n in (height, width)
    )
    return float((fraction ** np.outer(rows, columns)).mean())
