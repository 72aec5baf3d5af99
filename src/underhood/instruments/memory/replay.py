"""What the C library's heap takes for a given order of allocations, by asking it: they are replayed in a process.

    heap_bytes(events)       events: (block, bytes) takes a block, (block, 0) gives it back

The child (replay_child.py) calls the same `posix_memalign` and `free` that PyTorch does, touches nothing, and reads
off what glibc took from the system. Where there is no glibc, heap.py's model stands in.
"""

import subprocess
import sys
from array import array
from collections.abc import Sequence
from pathlib import Path

from underhood.instruments.memory.heap import Heap

CHILD = Path(__file__).with_name("replay_child.py")
Events = Sequence[tuple[int, int]]


def heap_bytes(events: Events) -> int:
    """The most that the heap holds while the events happen, in bytes."""
    found = _replayed(events)
    return _modelled(events) if found is None else found


def _replayed(events: Events) -> int | None:
    """By the C library of this machine; None where it is not glibc, or too old to be asked."""
    flat = array("q", (number for event in events for number in event))
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(CHILD)], input=flat.tobytes(), capture_output=True, check=False
    )
    return int(done.stdout) if done.returncode == 0 else None


def _modelled(events: Events) -> int:
    heap = Heap()
    for block, size in events:
        if size:
            heap.take(block, size)
        else:
            heap.give_back(block)
    return heap.highest
