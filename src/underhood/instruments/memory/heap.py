"""What the C library's heap takes from the system for a given order of allocations: living blocks, and gaps.

glibc hands large blocks back to the system when they are freed, and keeps smaller ones in a heap whose holes can
only be used again by what fits into them. What is large is not fixed: whenever a large block of up to 32 MiB is
freed, blocks of its size count as small from then on, and the heap's end is only given back when twice as much
lies free there. So a training step of a convolutional network ends up in the heap, holes and all: 25 % above
what its tensors need is common. `MALLOC_MMAP_THRESHOLD_=65536` in the environment turns this off.

The heap is replayed here with best fit. Source: glibc, malloc/malloc.c ("dynamic threshold", `systrim`).
"""

from bisect import bisect_left, insort

LARGE = 128 << 10  # where the threshold begins
LARGEST = 32 << 20  # and where it ends
SMALL = 1 << 10  # blocks below have lists of their own and weigh nothing here
ALIGNED = 64  # torch's tensors begin at multiples of it …
SLACK = ALIGNED + 32  # … for which a hole has to be larger than the block: one just freed, of the same size, is not


class Heap:
    """`take` and `give_back` blocks by key; `resident` is what the process holds now, `highest` what it ever held."""

    def __init__(self) -> None:
        self.threshold, self.trim = LARGE, LARGE
        self.end = 0  # of the heap's memory
        self.blocks: dict[int, tuple[int, int]] = {}  # key: (address, size); address −1 for blocks of their own
        self.holes: list[tuple[int, int]] = []  # (address, size), by address
        self.apart = 0
        self.highest = 0

    @property
    def resident(self) -> int:
        return self.end + self.apart

    def take(self, key: int, size: int) -> None:
        """A block; the smallest hole that holds it, else new memory at the end."""
        if size < SMALL:
            return
        size = -(-size // ALIGNED) * ALIGNED
        if size >= self.threshold:
            self.blocks[key] = (-1, size)
            self.apart += size
        else:
            self.blocks[key] = (self._place(size), size)
        self.highest = max(self.highest, self.resident)

    def _place(self, size: int) -> int:
        inner = [hole for hole in self.holes if hole[1] >= size + SLACK]
        # the free end is used last: it is what can be given back
        best = min(inner, key=lambda hole: (hole[0] + hole[1] == self.end, hole[1]), default=None)
        if best is not None:
            self.holes.remove(best)
            if best[1] > size:
                insort(self.holes, (best[0] + size, best[1] - size))
            return best[0]
        start = self.end
        if self.holes and sum(self.holes[-1]) == self.end:  # the free end is grown, not left behind
            start = self.holes.pop()[0]
        self.end = start + size
        return start

    def give_back(self, key: int) -> None:
        """Free a block: to the system, or to the heap, joined with the holes beside it."""
        if key not in self.blocks:
            return
        start, size = self.blocks.pop(key)
        if start < 0:
            self.apart -= size
            if self.threshold < size <= LARGEST:
                self.threshold, self.trim = size, 2 * size
            return
        index = bisect_left(self.holes, (start, 0))
        if index < len(self.holes) and self.holes[index][0] == start + size:
            size += self.holes.pop(index)[1]
        if index and sum(self.holes[index - 1]) == start:
            before = self.holes.pop(index - 1)
            start, size = before[0], size + before[1]
        if start + size == self.end and size >= self.trim:
            self.end = start
        else:
            insort(self.holes, (start, size))
