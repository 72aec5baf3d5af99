"""Digits: 1,797 handwritten digits, 8×8 scans with values 0 to 16, small enough to come with scikit-learn.

The set has no test part of its own. One fifth is held out, always the same.

Source: Alpaydin & Kaynak 1998, "Optical recognition of handwritten digits", UCI machine learning repository.
"""

from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from underhood.data.registry import Chunk, DataSet, Part
from underhood.data.split import holdout

CLASSES = tuple("0123456789")
IMAGES = 1_797


def parts(root: Path) -> tuple[Part, Part]:
    """The two parts; `root` is not used, the scans lie within scikit-learn."""
    train, test = holdout(IMAGES)
    stamp = f"scikit-learn {version('scikit-learn')}"
    return (
        Part("train", (), CLASSES, partial(chunks, train), stamp),
        Part("test", (), CLASSES, partial(chunks, test), stamp),
    )


def chunks(rows: NDArray[np.int64]) -> Iterator[Chunk]:
    from sklearn.datasets import load_digits

    scans = load_digits()
    images = scans.images[rows].astype(np.uint8)[:, None]  # (N, 8, 8) float64 → (N, 1, 8, 8)
    yield images, scans.target[rows].astype(np.int64)


data_set = DataSet(
    name="digits",
    summary="handwritten digits, 8×8, grey, 0 to 16; needs no file",
    source="Alpaydin & Kaynak 1998, by way of scikit-learn",
    classes=CLASSES,
    shape=(1, 8, 8),
    train=1_438,
    test=359,
    mean=(0.3054,),
    std=(0.3760,),
    parts=parts,
    content=(
        "5ed77f1e2a07b09f3127ed9e34b6ce2d0ad009d737b691dbef5684804022de9a",
        "f929012f42d03365b371ff8b0e5b34466bafec35d24d751b3377c963a7f55259",
    ),
    white=16,
)
