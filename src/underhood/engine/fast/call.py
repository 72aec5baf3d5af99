"""A few kernels as one function of arrays: what the fast form of an operation calls.

    call = Call(dtype, threads)
    a, z = call.given(count), call.given(count)
    call.emit(kernel, a, z, count)
    call(x, y)                                  runs the kernel on x and y

It is laid out once for sizes and dtypes, and keeps what memory it needs on the way unless that is large: a page builds
it in a function that is cached. Every run writes the addresses of the arrays into the program's table. One runs at a
time, since their memory is their own, and each of them uses all threads.
"""

import os
from threading import RLock
from typing import Any

import numpy as np

from underhood.engine import aligned
from underhood.engine.fast.addresses import write_addresses
from underhood.engine.fast.kernel import Image, Kernel, Program
from underhood.engine.fast.memory import Contiguous, Memory, Padded
from underhood.engine.fast.threads import thread_count
from underhood.engine.fast.vectors import lanes
from underhood.engine.forms import Array

LARGE = 1 << 22  # bytes of images between two kernels that a call does not keep from run to run
WORTH = 1 << 16  # elements (or products of eight) that one thread does before another can have begun

_one_at_a_time = RLock()


def _unlocked() -> None:
    global _one_at_a_time
    _one_at_a_time = RLock()  # whoever held it is not in the child


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlocked)


def threads_for(work: int) -> int:
    """How many threads so many elements are worth."""
    return thread_count() if work > WORTH else 1


class Call:
    """Calls of kernels on arrays that are given anew every time, in the order of `given`."""

    def __init__(self, dtype: Any, threads: int) -> None:
        self.dtype, self.threads = np.dtype(dtype), threads
        self.lanes = lanes(self.dtype)
        self.program = Program(dtype)
        self._given: list[Memory] = []
        self._passing: list[Padded] = []  # what is too large to be kept, and made for every run
        self._slots: list[tuple[Memory, int]] = []  # whose address goes where

    def given(self, size: int, dtype: Any = None) -> Contiguous:
        """An array of `size` elements that comes with the call."""
        memory = Contiguous((size,), dtype or self.dtype)
        self._given.append(memory)
        return memory

    def held(self, array: Array) -> Contiguous:
        """An array that is always the same."""
        memory = Contiguous(array.shape, array.dtype)
        memory.array = array
        return memory

    def contiguous(self, shape: tuple[int, ...]) -> Contiguous:
        """Memory of the call's own, zeros at first."""
        return self.held(aligned.zeros(shape, self.dtype))

    def padded(self, shape: tuple[int, ...], border: int = 0, filled: bool = True) -> Padded:
        """One image a thread, zeros at first, and a vector behind each."""
        images = Padded(shape, self.dtype, border, filled)
        images.shared = True
        images.size += self.lanes
        size = self.threads * images.size
        if size * self.dtype.itemsize > LARGE:
            self._passing.append(images)
        else:
            images.array = aligned.zeros((size,), self.dtype)
        return images

    def emit(self, kernel: Kernel, *arguments: Any, images: int = 0, parts: int = 0) -> None:
        """A call of a kernel: on each of `images` by itself, or in `parts` (one for each thread)."""
        row = self.program.add(
            kernel, *map(self._resolved, arguments), parts=images or parts or self.threads, joins=bool(images)
        )
        for parameter, argument in zip(kernel.arguments, arguments, strict=True):
            memory = argument.data if isinstance(argument, Image) else argument
            if isinstance(memory, Memory) and memory.array is None:
                self._slots.append((memory, self.program.slot(row, parameter.name)))
                self.program.rows[row][parameter.slot + 1] = self._size(memory)

    def _size(self, memory: Memory) -> int:
        return self.threads * memory.size if isinstance(memory, Padded) else memory.shape[0]

    def _resolved(self, argument: Any) -> Any:
        if isinstance(argument, Image):
            return argument._replace(data=self._resolved(argument.data))
        if isinstance(argument, Memory):
            return np.zeros(1, argument.dtype) if argument.array is None else argument.array.reshape(-1)
        return argument

    def sealed(self) -> "Call":
        """Nothing is emitted any more."""
        self.program.seal()
        order = {id(memory): i for i, memory in enumerate((*self._given, *self._passing))}
        self._where = np.array([(order[id(memory)], slot) for memory, slot in self._slots], np.int64).reshape(-1, 2)
        return self

    def __call__(self, *arrays: Array) -> None:
        """Run it on contiguous arrays of the call's dtype."""
        with _one_at_a_time:
            passing = [np.zeros(self._size(images), self.dtype) for images in self._passing]
            write_addresses(self.program.table, self._where, (*arrays, *passing))
            self.program.run(self.threads)
