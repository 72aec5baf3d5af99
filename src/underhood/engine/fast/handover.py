"""Gradients handed over without a copy, and never written under whoever keeps one.

A compiled network's backward half writes the gradients into memory of its program and hands out arrays on it: `.grad`
is that memory. The next backward may write there again only if nobody holds it any more: no `.grad`, no tensor or
array that somebody kept, no view of one. CPython knows: each of those is a reference to the memory's owner. So as long
as gradients are set to None between two steps the same memory serves for ever. Where they are kept or added up, the
program writes into other memory, whose address is put into its table.
"""

import sys
from typing import Any

import numpy as np

from underhood.engine import aligned
from underhood.engine.fast.memory import Memory
from underhood.engine.forms import Array

SPARE = 2  # memories that are kept for one gradient


class Room:
    """Memory for one gradient, and how many references to it are the program's own."""

    def __init__(self, array: Array) -> None:
        self.array = array  # the program's own view
        self.owner: Any = array if array.base is None else array.base
        self.address = array.ctypes.data
        self.offset = self.address - self.owner.ctypes.data
        self.own = sys.getrefcount(self.owner)

    def is_free(self) -> bool:
        """Whether nobody but the program holds the memory."""
        return sys.getrefcount(self.owner) <= self.own


class Handover:
    """One gradient: where the program writes it (`memory`), and the table's slots that hold the address."""

    def __init__(self, memory: Memory, slots: list[tuple[Array, int]]) -> None:
        self.memory, self.slots = memory, slots
        self.rooms = [Room(memory.array)]

    def begin(self) -> None:
        """Before the program runs: let it write where nobody reads."""
        room = self.rooms[0]
        if room.is_free():
            return
        room = next((each for each in self.rooms if each.is_free()), None) or Room(
            aligned.zeros(self.memory.shape, self.memory.dtype)
        )
        self.rooms = [room, *(each for each in self.rooms if each is not room)][:SPARE]
        self.memory.array = room.array
        for table, slot in self.slots:
            table[slot] = room.address

    def end(self) -> Array:
        """The gradient that the program has made."""
        room = self.rooms[0]
        return np.ndarray(self.memory.shape, self.memory.dtype, room.owner, room.offset)
