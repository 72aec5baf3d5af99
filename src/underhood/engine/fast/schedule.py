"""The schedule of a step: in which order kernels run, and where Python runs between them.

Calls of kernels follow each other in Programs; a call of Python ends one and begins the next. Every call touches the
memories that it is handed, in the band (see kernel.py) that it belongs to: so the allocator learns their liveness.
The inputs of the step lie elsewhere at every run: `patches` says which slots of which program hold their addresses.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from underhood.engine.fast.kernel import Image, Kernel, Program
from underhood.engine.fast.memory import Memory
from underhood.engine.forms import Array


class Schedule:
    """The calls of one pass. Only in the last, `final` pass are they written down."""

    def __init__(self, dtype: Any, threads: int, final: bool) -> None:
        self.dtype, self.threads, self.final = np.dtype(dtype), threads, final
        self.segments: list[Any] = [Program(dtype)]  # programs and Python functions in turn
        self.inputs: list[Memory] = []  # of the step, in their order
        self.patches: list[tuple[int, int, int]] = []  # (input, segment, slot): addresses set before every run
        self.checks: list[Callable[[], None]] = []  # of the inputs, before every run
        self._band, self._images = 0, 0

    def emit(self, kernel: Kernel, *arguments: Any, images: int = 0, parts: int = 0) -> None:
        """A call of a kernel: on each of `images` by itself, or in `parts` (one for each thread)."""
        if not (images and images == self._images):
            self._band += 1
        self._images = images
        resolved = [self._resolved(a, bool(images)) for a in arguments]
        if self.final:
            count = images or parts or self.threads
            row = self.segments[-1].add(kernel, *resolved, parts=count, joins=bool(images))
            self._patch(kernel, row, arguments)

    def python(self, name: str, function: Callable[[], None], *memories: Memory) -> None:
        """A call of Python between two programs, which reads or writes those memories; `name` for who times it."""
        function.__name__ = name
        self._band += 1
        self._images = 0
        for memory in memories:
            memory.touch(self._band, False)
        if self.final:
            self.segments += [function, Program(self.dtype)]

    def cut(self) -> int:
        """End the program here; the number of the one that begins."""
        self.python("half way", lambda: None)
        return len(self.segments) - 1

    def check(self, memory: Memory, shape: tuple[int, ...], check: Callable[[Array], None]) -> None:
        """Let `check` see a memory: an input before every run, anything else when it has been made."""

        def look() -> None:
            check(memory.array.reshape(shape))

        if any(memory is each for each in self.inputs):
            self.checks.append(look)
        else:
            self.python("check", look, memory)

    def _resolved(self, argument: Any, by_image: bool) -> Any:
        """An argument as a program takes it: arrays for memories."""
        if isinstance(argument, Image):
            return argument._replace(data=self._resolved(argument.data, by_image))
        if not isinstance(argument, Memory):
            return argument
        argument.touch(self._band, by_image)
        return argument.array.reshape(-1) if argument.array is not None else argument

    def _patch(self, kernel: Kernel, row: int, arguments: Sequence[Any]) -> None:
        for parameter, argument in zip(kernel.arguments, arguments, strict=True):
            memory = argument.data if isinstance(argument, Image) else argument
            for i, each in enumerate(self.inputs):
                if memory is each:
                    slot = self.segments[-1].slot(row, parameter.name)
                    self.patches.append((i, len(self.segments) - 1, slot))
