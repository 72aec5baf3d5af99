"""Memory of a program: its two kinds, and the allocator that hands it out.

    Contiguous   numbers as NumPy has them, in C order
    Padded       images, channels last, with a border of zeros as wide as the convolutions that read them want

A step is laid out in two passes that ask for the same memories in the same order. In the first nothing is allocated:
it only finds the **liveness** of each, which is the first and the last band (see kernel.py) that touches it. So the
second knows what need not be kept for the whole batch: images that one band alone uses are a single image a thread,
and images that are no longer read hand their memory on.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from underhood.engine import aligned
from underhood.engine.fast.kernel import Image
from underhood.engine.fast.vectors import lanes
from underhood.engine.forms import Array


class Memory:
    """A piece of memory, perhaps not yet allocated, and its liveness: the bands `first` to `last` touch it.

    `alone` says that one band does, image by image. What is `pinned` keeps its numbers after the step.
    """

    def __init__(self, shape: tuple[int, ...], dtype: Any, pinned: bool = False) -> None:
        self.shape, self.dtype, self.pinned = shape, np.dtype(dtype), pinned
        self.array: Any = None
        self.first, self.last, self.alone = -1, -1, True

    def touch(self, band: int, by_image: bool) -> None:
        """A band reads or writes it."""
        self.alone = self.alone and by_image and self.first in (-1, band)
        self.first = band if self.first == -1 else self.first
        self.last = band


class Contiguous(Memory):
    """Contiguous numbers."""

    def images(self, shape: tuple[int, ...]) -> tuple[Image, int]:
        """The numbers as (N, C, H, W) images, and the step to the next channel."""
        _, c, h, w = shape
        return Image(self, 0, 0, c * h * w, w, 1), h * w


class Padded(Memory):
    """Images (N, C, H, W), channels last, C filled up to whole vectors, `border` zeros around."""

    def __init__(self, shape: tuple[int, ...], dtype: Any, border: int, filled: bool = True) -> None:
        self.nchw = n, c, h, w = shape
        self.images, self.channels, self.height, self.width = n, c, h, w
        self.border = border
        self.depth = -(-c // lanes(np.dtype(dtype))) * lanes(np.dtype(dtype)) if filled else c
        self.row = (w + 2 * border) * self.depth
        self.size = (h + 2 * border) * self.row
        self.shared = False  # one image a thread
        super().__init__((n, h + 2 * border, w + 2 * border, self.depth), dtype)

    def image(self, y: int = 0, x: int = 0, step_y: int = 1, step_x: int = 1, channel: int = 0) -> Image:
        """The images seen from position (y, x) on, every step_y-th row and step_x-th column of them."""
        begin = (self.border + y) * self.row + (self.border + x) * self.depth + channel
        thread, image = (self.size, 0) if self.shared else (0, self.size)
        return Image(self, begin, thread, image, step_y * self.row, step_x * self.depth)

    def view(self) -> Array:
        """(N, C, H, W) of it, as NumPy sees it."""
        b, h, w = self.border, self.height, self.width
        inner = self.array.reshape(-1, h + 2 * b, w + 2 * b, self.depth)[:, b : b + h, b : b + w, : self.channels]
        return inner.transpose(0, 3, 1, 2)


class Allocator:
    """Hands out memory. `liveness` are the memories of the pass before, None in the first pass."""

    def __init__(self, dtype: Any, threads: int, liveness: Sequence[Memory] | None) -> None:
        self.dtype, self.threads, self.liveness = np.dtype(dtype), threads, liveness
        self.memories: list[Memory] = []
        self._free: dict[Any, list[tuple[int, Array]]] = {}  # by shape: the last band of the owner before, the array

    def contiguous(self, shape: tuple[int, ...], dtype: Any = None) -> Contiguous:
        """New contiguous memory, zeros at first."""
        made = Contiguous(shape, dtype or self.dtype)
        self.memories.append(made)
        if self.liveness is not None:
            made.array = aligned.zeros(shape, made.dtype)
        return made

    def held(self, array: Array) -> Contiguous:
        """Memory that is there already: a parameter's, a constant's."""
        memory = Contiguous(array.shape, array.dtype, pinned=True)
        memory.array = array
        return memory

    def padded(self, shape: tuple[int, ...], border: int = 0, filled: bool = True, pinned: bool = False) -> Padded:
        """New images; `pinned` are kept as they are for whoever reads them outside."""
        made = Padded(shape, self.dtype, border, filled)
        made.pinned = pinned
        self.memories.append(made)
        if self.liveness is not None:
            self._allocate(made, self.liveness[len(self.memories) - 1])
        return made

    def _allocate(self, memory: Padded, found: Memory) -> None:
        """Give images an array of their own, or one whose owner is no longer read; `found` has their liveness."""
        if memory.pinned or found.pinned:
            memory.array = aligned.zeros(memory.shape, memory.dtype)
            return
        memory.shared = found.alone
        shape = (self.threads, *memory.shape[1:]) if memory.shared else memory.shape
        free = self._free.setdefault((shape, memory.border), [])
        ended = next((each for each in free if each[0] < found.first), None)
        if ended is not None:
            free.remove(ended)
        memory.array = aligned.zeros(shape, memory.dtype) if ended is None else ended[1]
        free.append((found.last, memory.array))
