"""What a page of this folder leaves at its bottom, and what reading a set gives.

    DataSet   the set as known: its names, shapes, published figures, and how to find its two parts
    Part      one half (train or test) as it lies on disk: files, and a reader that yields it chunk by chunk
    Arrays    the set as loaded: two `Images`, the statistics to normalise by, a fingerprint of the content

A page's readers yield chunks so that a set is converted without ever lying in memory as a whole.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underhood.data.rows import Rows
from underhood.errors import BadInput

Pixels = NDArray[np.uint8]  # (N, C, H, W)
Labels = NDArray[np.int64]  # (N,)
Chunk = tuple[Pixels, Labels]


@dataclass(frozen=True)
class Part:
    """One half of a set. `files` and `stamp` are its identity: when they are unchanged, so is the content."""

    name: str
    files: tuple[Path, ...]
    classes: tuple[str, ...]
    chunks: Callable[[], Iterator[Chunk]]
    stamp: str = ""

    @property
    def place(self) -> str:
        """The file, or the folder that holds the files; of a set that comes with a library, its version."""
        return os.path.commonpath([file.absolute() for file in self.files]) if self.files else self.stamp

    def read(self) -> Iterator[Chunk]:
        """The chunks. Raises BadInput that names the file when one cannot be read or holds something wrong."""
        try:
            yield from self.chunks()
        except OSError as error:
            raise BadInput(f"{error.filename or self.place}: cannot be read ({error.strerror}).") from error


@dataclass(frozen=True)
class Remote:
    """Where a set is fetched from: `files` below the address `base`, with their published MD5 sums or "".

    They go into `folder` below the data folder, the first of the set's own. An `archive` is unpacked: its folder
    of that name holds the files of the set's `checksums`.
    """

    base: str
    files: Mapping[str, str]
    folder: str = "."
    archive: str = ""


@dataclass(frozen=True)
class DataSet:
    """One set of images. `shape` is one image's (C, H, W); `train` and `test` count the official images.

    `mean` and `std` are published: of the training pixels, channel by channel, divided by `white`, the pixel
    value that stands for 1. `parts` finds the set below a folder. `checksums` are the MD5 sums of the official
    files by file name; `content` is what `verify.content` gives for the two official parts, in whatever order.
    `remote` is where `get` fetches it from, None for a set that comes with a library.
    """

    name: str
    summary: str
    source: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    train: int
    test: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    parts: Callable[[Path], tuple[Part, Part]]
    content: tuple[str, str]
    checksums: Mapping[str, str] = field(default_factory=dict)
    white: int = 255
    remote: Remote | None = None


@dataclass(frozen=True)
class Images:
    """One part, loaded: `images` is uint8 (N, C, H, W), mapped from a file when large; `labels` int64 (N,)."""

    images: Pixels
    labels: Labels
    classes: tuple[str, ...]
    stored: Rows | None = None  # the file that `images` is mapped from

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[np.integer[Any]] | slice) -> Pixels:
        """Copy some images out, `rows` in any order. Memory holds these and no more of a mapped set (rows.py)."""
        if self.stored is None:
            return np.array(self.images[rows])
        return self.stored.read(np.arange(len(self))[rows])


@dataclass(frozen=True)
class Arrays:
    """A set, loaded. A pixel x of channel c is normalised as (x / white − mean[c]) / std[c]."""

    name: str
    train: Images
    test: Images
    mean: tuple[float, ...]
    std: tuple[float, ...]
    white: int
    fingerprint: str

    @property
    def classes(self) -> tuple[str, ...]:
        return self.train.classes

    @property
    def shape(self) -> tuple[int, int, int]:
        """One image's (C, H, W)."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width


def checked(file: Path, images: Pixels, labels: NDArray[Any], classes: tuple[str, ...]) -> Chunk:
    """The chunk, if there is a label for each image and a class for each label; `file` is named if not."""
    if len(images) != len(labels):
        raise BadInput(f"{file}: {len(labels):,} labels for {len(images):,} images.")
    wrong = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    if wrong.size:
        row = int(wrong[0])
        raise BadInput(
            f"{file}: label {labels[row]} (image {row}, counted from 0) is out of range: "
            f"{len(classes)} classes are labelled 0 to {len(classes) - 1}."
        )
    return images, labels.astype(np.int64)
