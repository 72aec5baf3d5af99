"""CIFAR-10's first training images as torchvision keeps them, or noise of the same shape where the set isn't there."""

import numpy as np

from underhood import data
from underhood.errors import BadInput

Array = np.ndarray


def pictures(count: int) -> tuple[Array, Array]:
    """Bytes (N, 32, 32, 3) and labels (N,)."""
    try:
        train = data.load("cifar10").train
    except BadInput:
        rng = np.random.default_rng(0)
        return rng.integers(0, 256, (count, 32, 32, 3), np.uint8), rng.integers(0, 10, count)
    pixels = np.ascontiguousarray(train.take(np.arange(count)).transpose(0, 2, 3, 1))
    return pixels, np.asarray(train.labels[:count])
