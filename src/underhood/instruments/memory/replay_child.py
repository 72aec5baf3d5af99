"""Allocations replayed on glibc: pairs of int64 from stdin, (block, bytes) or (block, 0), the highest total to stdout.

Run by its path, with the standard library alone, so that it starts at once. Beside a tensor's data lie small blocks
that die with it (the tensor, its storage, its node on the tape): they keep freed neighbours apart, so they are
allocated here too. Nothing is written into any block: what counts is what malloc asked of the system, the heap
(`arena`) and the blocks mapped apart (`hblkhd`).

Source: mallinfo(3), glibc 2.33 and later; malloc/malloc.c.
"""

import ctypes
import sys
from array import array

ALIGNED = 64  # where torch's tensors begin
BESIDE = (192, 88, 272)  # a TensorImpl, a StorageImpl, an autograd node with its edges


class Info(ctypes.Structure):
    """struct mallinfo2."""

    _names_ = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in _names_.split()]


def main() -> int:
    events = array("q", sys.stdin.buffer.read())
    c = ctypes.CDLL(None)
    if not hasattr(c, "mallinfo2"):
        return 1
    c.mallinfo2.restype = Info
    c.malloc.restype, c.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    c.free.restype, c.free.argtypes = None, [ctypes.c_void_p]
    c.posix_memalign.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_size_t, ctypes.c_size_t]

    def held() -> int:
        info = c.mallinfo2()
        return int(info.arena + info.hblkhd)

    before = highest = held()
    blocks: dict[int, list[int | None]] = {}
    for block, size in zip(events[::2], events[1::2], strict=True):
        if not size:
            for address in blocks.pop(block, ()):
                c.free(address)
            continue
        place = ctypes.c_void_p()
        if c.posix_memalign(ctypes.byref(place), ALIGNED, size):
            return 1
        blocks[block] = [place.value, *(c.malloc(small) for small in BESIDE)]
        highest = max(highest, held())
    print(highest - before)
    return 0


if __name__ == "__main__":
    sys.exit(main())
