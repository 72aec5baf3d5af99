"""Where the elements of NumPy's arrays begin, for tables of kernels' arguments.

NumPy keeps that address as the first word behind CPython's object header, where it is read in a few nanoseconds;
`array.ctypes.data` takes a microsecond, as long as a small kernel. That the word is there is checked once, at import.
"""

import ctypes
import sys
from collections.abc import Sequence

import numpy as np

from underhood.engine.compile import compiled
from underhood.engine.fast.vectors import word_at
from underhood.engine.forms import Array

HEAD = object.__basicsize__  # of every object


def _word(array: Array) -> int:
    return ctypes.c_size_t.from_address(id(array) + HEAD).value


def _is_behind_head() -> bool:
    """Whether the word is the address, for arrays of several kinds."""
    if sys.implementation.name != "cpython":
        return False
    some = np.zeros((4, 6), np.float32)
    return all(_word(a) == a.ctypes.data for a in (some, some[1:, 2:], some.T, np.arange(3), np.array(1.5)))


BEHIND_HEAD = _is_behind_head()


def address(array: Array) -> int:
    """Where an array's elements begin."""
    return _word(array) if BEHIND_HEAD else int(array.ctypes.data)


def write_addresses(table: Array, slots: Array, arrays: Sequence[Array]) -> None:
    """Into each slot of a table, the address of one of the arrays; `slots` (n, 2) holds its index and the slot."""
    if BEHIND_HEAD:
        _write(table, slots, np.fromiter(map(id, arrays), np.int64, len(arrays)), True)
    else:
        _write(table, slots, np.array([array.ctypes.data for array in arrays], np.int64), False)


@compiled
def _write(table: Array, slots: Array, found: Array, are_objects: bool) -> None:
    for i in range(len(slots)):
        at = found[slots[i, 0]]
        table[slots[i, 1]] = word_at(at + HEAD) if are_objects else at
