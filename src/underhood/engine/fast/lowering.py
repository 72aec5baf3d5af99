"""From a recording to a program: which memory the values get, and in which order kernels run.

Stages (the folder `stages`) know how to do one or several lines together; a Lowering hands them memory and takes
their calls. Values live in one of two ways:

    a Field    images, channels last, with a border of zeros as wide as the convolutions that read it want
    a Flat     everything else, contiguous as NumPy has it

It goes through the stages twice, in the same order. The first time nothing is written; it only sees in which bands
(see kernel.py) each piece of memory is used. So the second time it knows what need not be kept for the whole batch:
what only one band uses is a single image a thread, and what is no longer used hands its memory on.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from underhood.engine import aligned
from underhood.engine.fast.images import (
    copy_images,
    fill_with_zeros,
    interleave_channels,
    relu_gradient,
    transpose_images,
)
from underhood.engine.fast.kernel import Image, Kernel, Program
from underhood.engine.fast.recording import Value
from underhood.engine.fast.sinks import Sinks
from underhood.engine.fast.vectors import lanes
from underhood.engine.forms import Array


class Memory:
    """A piece of memory, perhaps not yet there. `uses` are the bands that touch it."""

    def __init__(self, shape: tuple[int, ...], dtype: Any, pinned: bool = False) -> None:
        self.shape, self.dtype, self.pinned = shape, np.dtype(dtype), pinned
        self.array: Any = None
        self.first, self.last, self.alone = -1, -1, True

    def touched(self, band: int, of_images: bool) -> None:
        self.alone = self.alone and of_images and self.first in (-1, band)
        self.first = band if self.first == -1 else self.first
        self.last = band


class Flat(Memory):
    """Contiguous numbers."""


class Field(Memory):
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
        """The images seen from place (y, x) on, every step_y-th row and step_x-th place of them."""
        begin = (self.border + y) * self.row + (self.border + x) * self.depth + channel
        thread, image = (self.size, 0) if self.shared else (0, self.size)
        return Image(self, begin, thread, image, step_y * self.row, step_x * self.depth)

    def view(self) -> Array:
        """(N, C, H, W) of it, as NumPy sees it."""
        b, h, w = self.border, self.height, self.width
        inner = self.array.reshape(-1, h + 2 * b, w + 2 * b, self.depth)[:, b : b + h, b : b + w, : self.channels]
        return inner.transpose(0, 3, 1, 2)


class Lowering:
    """One pass over the stages. `lives` are the memories of the pass before, none in the first.

    `root` is the loss, None where no gradient is wanted; `sinks` take the parameters' gradients.
    """

    def __init__(self, dtype: Any, threads: int, root: Value | None, sinks: Sinks, lives: list[Memory] | None) -> None:
        self.dtype, self.threads, self.lives = np.dtype(dtype), threads, lives
        self.root, self.sinks = root, sinks
        self.wants_gradients = root is not None
        self.memories: list[Memory] = []
        self.segments: list[Any] = [Program(dtype)]  # programs and Python functions in turn
        self.values: dict[tuple[int, str], Memory] = {}
        self.gradients: dict[int, Memory] = {}  # of the values that one has arrived at
        self.borders: dict[tuple[int, str], int] = {}
        self.fields: set[int] = set()  # the values that live as fields
        self.patches: list[tuple[int, int, int]] = []  # (input, segment, slot): addresses set before every run
        self.parameters: dict[int, tuple[Value, Flat]] = {}  # where the gradients of parameters go
        self.inputs: dict[int, int] = {}  # value → number of the input
        self.checks: list[Callable[[], None]] = []  # of the inputs, before every run
        self._band, self._images = 0, 0
        self._free: dict[Any, list[tuple[int, Array]]] = {}

    # -- calls --

    def emit(self, kernel: Kernel, *arguments: Any, images: int = 0, parts: int = 0) -> None:
        """A call of a kernel: on each of `images` by itself, or in `parts` (one for each thread)."""
        if not (images and images == self._images):
            self._band += 1
        self._images = images
        resolved = [self._resolved(a, bool(images)) for a in arguments]
        if self.lives is not None:
            count = images or parts or self.threads
            row = self.segments[-1].add(kernel, *resolved, parts=count, joins=bool(images))
            self._patch(kernel, row, arguments)

    def _resolved(self, argument: Any, of_images: bool) -> Any:
        if isinstance(argument, Image):
            return argument._replace(data=self._resolved(argument.data, of_images))
        if not isinstance(argument, Memory):
            return argument
        argument.touched(self._band, of_images)
        return argument.array.reshape(-1) if argument.array is not None else argument

    def _patch(self, kernel: Kernel, row: int, arguments: Sequence[Any]) -> None:
        for parameter, argument in zip(kernel.arguments, arguments, strict=True):
            memory = argument.data if isinstance(argument, Image) else argument
            for number, value in self.inputs.items():
                if isinstance(memory, Memory) and memory is self.values.get((number, "flat")):
                    slot = self.segments[-1].slot(row, parameter.name)
                    self.patches.append((value, len(self.segments) - 1, slot))

    def python(self, function: Callable[[], None], *memories: Memory) -> None:
        """A call of Python between two programs, which reads or writes those memories."""
        self._band += 1
        self._images = 0
        for memory in memories:
            memory.touched(self._band, False)
        if self.lives is not None:
            self.segments += [function, Program(self.dtype)]

    # -- memory --

    def _new(self, memory: Any) -> Any:
        """Take up a memory; in the second pass it gets its numbers, in those of another where that one has ended."""
        self.memories.append(memory)
        if self.lives is None:
            return memory
        before = self.lives[len(self.memories) - 1]
        shape = memory.shape
        if isinstance(memory, Field) and before.alone and not before.pinned and not memory.pinned:
            memory.shared, shape = True, (self.threads, *memory.shape[1:])
        border = memory.border if isinstance(memory, Field) else 0
        key = (shape, memory.dtype, border)
        reusable = isinstance(memory, Field) and not before.pinned and not memory.pinned
        free = self._free.setdefault(key, []) if reusable else []
        found = next((f for f in free if f[0] < before.first), None)
        if found is not None:
            free.remove(found)
        memory.array = aligned.zeros(shape, memory.dtype) if found is None else found[1]
        if reusable:
            free.append((before.last, memory.array))
        return memory

    def flat(self, shape: tuple[int, ...], dtype: Any = None) -> Flat:
        """New contiguous memory."""
        made: Flat = self._new(Flat(shape, dtype or self.dtype))
        return made

    def held(self, array: Array) -> Flat:
        """Memory that is there already: a parameter's, a constant's."""
        memory = Flat(array.shape, array.dtype, pinned=True)
        memory.array = array
        return memory

    def bordered(self, shape: tuple[int, ...], border: int = 0, filled: bool = True, pinned: bool = False) -> Field:
        """New images; `pinned` are kept as they are for whoever reads them outside."""
        field = Field(shape, self.dtype, border, filled)
        field.pinned = pinned
        made: Field = self._new(field)
        return made

    def check(self, look: Callable[[], None], memory: Memory) -> None:
        """Look at an input before every run, and refuse it if it is wrong."""
        if self.lives is not None and any(memory is self.values[number, "flat"] for number in self.inputs):
            self.checks.append(look)

    def clear(self, field: Field) -> None:
        """Zeros everywhere."""
        n, h, w = field.images, field.height, field.width
        self.emit(fill_with_zeros, field.image(), n, h, w, field.depth, images=n)

    # -- values --

    def border(self, value: Value, wanted: int, what: str = "value") -> None:
        """Say, before anything is lowered, that a value's (or its gradient's) field must have such a border."""
        self.borders[value.number, what] = max(self.borders.get((value.number, what), 0), wanted)

    def make_field(self, value: Value, filled: bool = True) -> Field:
        """The field that a stage writes a value into."""
        self.fields.add(value.number)
        field = self.bordered(value.shape, self.borders.get((value.number, "value"), 0), filled, value.given_out)
        self.values[value.number, "field"] = field
        return field

    def make_flat(self, value: Value) -> Flat:
        """The flat memory that a stage writes a value into."""
        made = self.flat(value.shape, value.dtype)
        self.values[value.number, "flat"] = made
        return made

    def read_flat(self, value: Value) -> Flat:
        """A value as contiguous numbers."""
        key = (value.number, "flat")
        if key not in self.values:
            if value.tensor is not None:
                self.values[key] = self.held(value.tensor.array)
            else:
                self._leave(value)
        found: Any = self.values[key]
        return found

    def read_field(self, value: Value, filled: bool = True) -> Field:
        """A value as images, moved there if it is flat."""
        key = (value.number, "field")
        if key not in self.values:
            source = self.read_flat(value)
            field = self.bordered(value.shape, self.borders.get((value.number, "value"), 0), filled)
            self.values[key] = field
            self._move(flat_image(source, value.shape), value.shape, field.image(), add=False)
        found: Any = self.values[key]
        return found

    def either(self, value: Value) -> Memory:
        """A value in the way it lives."""
        return self.values[value.number, "field"] if value.number in self.fields else self.read_flat(value)

    def _leave(self, value: Value) -> None:
        field: Any = self.values[value.number, "field"]
        self._flatten(field, self.make_flat(value))

    def _flatten(self, field: Field, flat: Flat, add: bool = False) -> None:
        image, step = flat_image(flat, field.nchw)
        self._move((field.image(), 1), field.nchw, image, add=add, z_c=step)

    def _move(
        self, source: tuple[Image, int], shape: tuple[int, ...], target: Image, *, add: bool, z_c: int = 1
    ) -> None:
        n, c, h, w = shape
        a, a_c = source
        z, lane = target, lanes(self.dtype)
        merged = a.row == w * a.place and z.row == w * z.place  # a row begins where the one before ends
        square = merged and not add and min(c, h * w) >= lane
        if square and a_c == z.place == 1:
            self.emit(transpose_images(lane), a._replace(row=a.place), z._replace(row=z_c), n, h * w, c, images=n)
        elif square and a.place == z_c == 1:
            self.emit(transpose_images(lane), a._replace(row=a_c), z._replace(row=z.place), n, c, h * w, images=n)
        elif not add and a.place == z_c == 1 and z.place == c < lane <= w:
            self.emit(interleave_channels(c, lane), a, a_c, z, n, h, w, images=n)
        else:
            self.emit(copy_images(add), a, a_c, z, z_c, n, h, w, c, images=n)

    # -- gradients --

    def gradient_of(self, value: Value) -> Any:
        """The gradient that has arrived at a value, in the way the value lives; None if none has."""
        return self.gradients.get(value.number)

    def gradient_for(self, value: Value) -> tuple[Any, bool]:
        """Where to put a gradient of a value, in the way the value lives, and whether to add it to what is there."""
        if value.number in self.gradients:
            return self.gradients[value.number], True
        memory: Memory
        if value.number in self.fields:
            memory = self.bordered(value.shape, self.borders.get((value.number, "gradient"), 0))
        else:
            memory = self.flat(value.shape)
        self.gradients[value.number] = memory
        return memory, False

    def gradient_as_flat(self, value: Value) -> Flat:
        """The gradient that has arrived, contiguous."""
        found = self.gradient_of(value)
        if isinstance(found, Field):
            flat = self.flat(value.shape)
            self._flatten(found, flat)
            return flat
        made: Flat = found
        return made

    def gradient_field(self, value: Value) -> Field:
        """The gradient that has arrived at a value that lives as a field."""
        found: Field = self.gradients[value.number]  # type: ignore[assignment]
        return found

    @contextmanager
    def gradient_field_for(self, value: Value) -> Iterator[tuple[Field, bool]]:
        """A field to put a gradient of a value into, and whether to add; what lives flat gets it afterwards."""
        if value.number in self.fields:
            yield self.gradient_for(value)
            return
        apart = self.bordered(value.shape)
        yield apart, False
        target, add = self.gradient_for(value)
        self._flatten(apart, target, add)

    @contextmanager
    def fresh_gradient_field_for(self, value: Value) -> Iterator[Field]:
        """A field to write a gradient into without adding; it is added afterwards where that is needed."""
        with self.gradient_field_for(value) as (target, add):
            if not add:
                yield target
                return
            apart = self.bordered(value.shape)
            yield apart
            n, _, h, w = value.shape
            kernel = relu_gradient(lanes(self.dtype), False, True)
            self.emit(kernel, apart.image(), apart.image(), target.image(), n, h, w, apart.depth, images=n)

    @contextmanager
    def fresh_gradient_flat_for(self, value: Value) -> Iterator[Flat]:
        """Contiguous memory to write a gradient into without adding; it is added afterwards where that is needed."""
        if value.number not in self.fields and value.number not in self.gradients:
            yield self.gradient_for(value)[0]
            return
        apart = self.flat(value.shape)
        yield apart
        self.put_flat(value, apart)

    def is_root(self, value: Value) -> bool:
        """Whether the gradient that arrives there is 1."""
        return value is self.root

    def sink(self, parameter: Value) -> tuple[Flat, float]:
        """Where to put a parameter's gradient, and which share of what is there to keep."""
        if parameter.number in self.parameters:
            return self.parameters[parameter.number][1], 1.0
        array, keep = self.sinks.place(parameter.tensor)
        memory = self.flat(parameter.shape) if array is None else self.held(array)
        self.parameters[parameter.number] = (parameter, memory)
        return memory, keep

    def update_within(self, parameter: Value) -> Flat | None:
        """The constants with which the kernel that makes the gradient is to update the parameter too, None if not.

        Only for a gradient whose one kernel is the last that reads the parameter.
        """
        return self.sinks.update_within(self, parameter) if len(parameter.uses) == 1 else None

    def put_flat(self, value: Value, gradient: Flat) -> None:
        """Hand a contiguous gradient to a value."""
        target, add = self.gradient_for(value)
        if isinstance(target, Field):
            self._move(flat_image(gradient, value.shape), value.shape, target.image(), add=add)
        else:

            def put() -> None:
                made = gradient.array.reshape(target.array.shape)
                target.array[...] = target.array + made if add else made

            self.python(put, target, gradient)


def flat_image(flat: Flat, shape: tuple[int, ...]) -> tuple[Image, int]:
    """Contiguous (N, C, H, W) as images, and the step to the next channel."""
    _, c, h, w = shape
    return Image(flat, 0, 0, c * h * w, w, 1), h * w
