"""Some images of a large file, read by their numbers, so that memory holds these and no more.

A mapped file is read by touching it, and each touch makes the system map a whole neighbourhood (64 kB on Linux): a
few batches taken at random, and the whole set counts as resident. Giving the pages back after each batch mends that,
at four times the price of reading. So batches are read into an array of their own, each run of neighbours by one
call; what the system keeps in its cache is shared by all processes and belongs to none.

Batches of 128 random CIFAR-10 images, EPYC 7003, Linux, cached: mapped 0.2 ms, read 0.3 ms, mapped and given back
1.1 ms.
"""

import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from underhood.errors import MissingPiece


class Rows:
    """The rows of a mapped array, read from the file it is mapped from."""

    def __init__(self, mapped: np.memmap[Any, np.dtype[np.uint8]]) -> None:
        self.path, self.start = Path(str(mapped.filename)), mapped.offset
        self.shape, self.size = mapped.shape[1:], mapped[:1].nbytes
        self.file = os.open(self.path, os.O_RDONLY)
        weakref.finalize(self, os.close, self.file)

    def read(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """A copy of these rows, which are from 0 on and within the array."""
        out = np.empty((len(rows), *self.shape), np.uint8)
        if not out.size:
            return out
        into = out.reshape(-1).data
        firsts = np.flatnonzero(np.diff(rows, prepend=-2) != 1)  # of runs of neighbours
        ends = np.append(firsts[1:], len(rows)) * self.size
        offsets = self.start + rows[firsts].astype(np.int64) * self.size
        for first, end, offset in zip((firsts * self.size).tolist(), ends.tolist(), offsets.tolist(), strict=True):
            self._fill(into[first:end], offset)
        return out

    def _fill(self, into: memoryview, offset: int) -> None:
        while len(into):
            count = os.preadv(self.file, [into], offset)
            if not count:
                raise MissingPiece(f"{self.path}: was cut short while it was read; remove it, and it is made again.")
            into, offset = into[count:], offset + count


def readable(array: NDArray[np.uint8]) -> Rows | None:
    """The rows of an array if it is mapped from a file and this system can read so (all but Windows), else None."""
    if isinstance(array, np.memmap) and array.size and array.flags.c_contiguous and hasattr(os, "preadv"):
        return Rows(array)
    return None
