"""The layout of a step: which values lie contiguous, which as padded images, and how they get from one to the other.

A value is made in one of the two ways, by the stage that computes it, and moved to the other when a stage asks for it
so; it is moved once.
"""

from underhood.engine.fast.images import copy_images, fill_with_zeros, interleave_channels, transpose_images
from underhood.engine.fast.kernel import Image
from underhood.engine.fast.memory import Allocator, Contiguous, Memory, Padded
from underhood.engine.fast.recording import Value
from underhood.engine.fast.schedule import Schedule
from underhood.engine.fast.vectors import lanes


class Layout:
    """The values' memories."""

    def __init__(self, memory: Allocator, schedule: Schedule) -> None:
        self.memory, self.schedule = memory, schedule
        self._contiguous: dict[int, Contiguous] = {}  # by the values' numbers
        self._padded: dict[int, Padded] = {}
        self._images: set[int] = set()  # the values that were made as padded images
        self._borders: dict[tuple[int, str], int] = {}

    # -- borders --

    def widen(self, value: Value, border: int, what: str = "value") -> None:
        """Say, before anything is laid out, that a value's (or its "gradient"'s) images must have such a border."""
        self._borders[_number(value), what] = max(self.border(value, what), border)

    def border(self, value: Value, what: str = "value") -> int:
        """The border that the stages have asked for."""
        return self._borders.get((_number(value), what), 0)

    # -- values --

    def put(self, value: Value, memory: Contiguous) -> None:
        """A value lies there already."""
        self._contiguous[_number(value)] = memory

    def make_contiguous(self, value: Value) -> Contiguous:
        """The contiguous memory that a stage writes a value into."""
        made = self._contiguous[_number(value)] = self.memory.contiguous(value.shape, value.dtype)
        return made

    def make_padded(self, value: Value, filled: bool = True) -> Padded:
        """The images that a stage writes a value into."""
        self._images.add(_number(value))
        made = self.memory.padded(value.shape, self.border(value), filled, value.is_result)
        self._padded[_number(value)] = made
        return made

    def read_contiguous(self, value: Value) -> Contiguous:
        """A value as contiguous numbers."""
        if _number(value) not in self._contiguous:
            if value.tensor is not None:
                self.put(value, self.memory.held(value.tensor.array))
            else:
                images = self._padded[_number(value)]
                self.flatten(images, self.make_contiguous(value))
        return self._contiguous[_number(value)]

    def read_padded(self, value: Value, filled: bool = True) -> Padded:
        """A value as images."""
        if _number(value) not in self._padded:
            source = self.read_contiguous(value)
            images = self.memory.padded(value.shape, self.border(value), filled)
            self._padded[_number(value)] = images
            self._move(source.images(value.shape), value.shape, images.image(), 1, add=False)
        return self._padded[_number(value)]

    def is_padded(self, value: Value) -> bool:
        """Whether a value was made as images."""
        return _number(value) in self._images

    def read(self, value: Value) -> Memory:
        """A value in the way it was made."""
        return self._padded[_number(value)] if self.is_padded(value) else self.read_contiguous(value)

    # -- from one to the other --

    def clear(self, images: Padded) -> None:
        """Zeros everywhere."""
        n, _, h, w = images.nchw
        self.schedule.emit(fill_with_zeros, images.image(), n, h, w, images.depth, images=n)

    def flatten(self, images: Padded, to: Contiguous, add: bool = False) -> None:
        """to ← images, in NumPy's order, or to ← to + images."""
        self._move((images.image(), 1), images.nchw, *to.images(images.nchw), add=add)

    def unflatten(self, source: Contiguous, images: Padded, add: bool = False) -> None:
        """images ← source, or images ← images + source."""
        self._move(source.images(images.nchw), images.nchw, images.image(), 1, add=add)

    def _move(self, source: tuple[Image, int], shape: tuple[int, ...], z: Image, z_c: int, *, add: bool) -> None:
        """Between any two images; a_c and z_c are the steps to the next channel."""
        n, c, h, w = shape
        (a, a_c), lane, emit = source, lanes(self.memory.dtype), self.schedule.emit
        merged = a.row == w * a.column and z.row == w * z.column  # a row begins where the one before ends
        square = merged and not add and min(c, h * w) >= lane
        if square and a_c == z.column == 1:
            emit(transpose_images(lane), a._replace(row=a.column), z._replace(row=z_c), n, h * w, c, images=n)
        elif square and a.column == z_c == 1:
            emit(transpose_images(lane), a._replace(row=a_c), z._replace(row=z.column), n, c, h * w, images=n)
        elif not add and a.column == z_c == 1 and z.column == c < lane <= w:
            emit(interleave_channels(c, lane), a, a_c, z, n, h, w, images=n)
        else:
            emit(copy_images(add), a, a_c, z, z_c, n, h, w, c, images=n)


def _number(value: Value) -> int:
    """The number of the value whose memory it is."""
    while value.source is not None:
        value = value.source
    return value.number
