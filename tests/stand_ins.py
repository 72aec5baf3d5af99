"""MNIST, CIFAR-10 and CIFAR-100 where there are none: noise over a pattern of each class, in the sets' own files.

They are smaller than the real ones, so that they are written in a second; no test may ask what is learnt from them.
"""

import os
import struct
from pathlib import Path

import numpy as np

REAL = os.environ.get("UNDERHOOD_DATA")  # before any test has set it


def write(folder: Path) -> None:
    """All three, below a folder."""
    mnist, cifar10, cifar100 = (folder / name for name in ("MNIST/raw", "cifar-10-batches-bin", "cifar-100-binary"))
    for each in (mnist, cifar10, cifar100):
        each.mkdir(parents=True)
    for part, size, seed in (("train", 4000, 1), ("t10k", 1000, 2)):
        images, labels = _pictures(size, 10, (1, 28, 28), seed)
        (mnist / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">4I", 0x0803, size, 28, 28) + images.tobytes())
        (mnist / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x0801, size) + labels.tobytes())
    for number, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        images, labels = _pictures(1000, 10, (3, 32, 32), number)
        (cifar10 / f"{name}.bin").write_bytes(np.column_stack([labels, images.reshape(1000, -1)]).tobytes())
    for name, size in (("train", 4000), ("test", 1000)):
        images, labels = _pictures(size, 100, (3, 32, 32), size)
        (cifar100 / f"{name}.bin").write_bytes(
            np.column_stack([labels // 5, labels, images.reshape(size, -1)]).tobytes()
        )


def _pictures(size: int, classes: int, shape: tuple[int, int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (size, C, H, W) and labels, both of bytes; every class is there."""
    rng = np.random.default_rng(seed)
    patterns = np.random.default_rng(0).integers(0, 128, (classes, *shape), np.uint8)
    labels = rng.permutation(np.arange(size, dtype=np.uint8) % classes)
    return patterns[labels] + rng.integers(0, 128, (size, *shape), np.uint8), labels
