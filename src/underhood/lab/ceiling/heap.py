"""glibc's heap told to map large blocks apart, so that what a trial frees goes back to the system at once.

Left alone, malloc raises the size from which it does so to 32 MiB as large blocks come and go, keeps the others in its
heap, and the heap keeps their holes: 20 to 70 % above what a convolutional network's tensors need. Mapped apart, the
peak is what lives; a step then pays for fresh pages.

Source: mallopt(3), M_MMAP_THRESHOLD and M_MMAP_MAX.
"""

import ctypes
import sys

M_MMAP_THRESHOLD, M_MMAP_MAX = -3, -4
FROM, MOST = 64 << 10, 1 << 20  # bytes of a block that is mapped apart, and how many may be
BEFORE, MOST_BEFORE = 128 << 10, 1 << 16  # glibc's own


def map_apart(yes: bool = True) -> bool:
    """Set it, or set it back, but for the threshold, which stays put. Whether there is a glibc to do it."""
    if sys.platform != "linux":
        return False
    c = ctypes.CDLL(None)
    if not hasattr(c, "gnu_get_libc_version"):
        return False
    size, most = (FROM, MOST) if yes else (BEFORE, MOST_BEFORE)
    return bool(c.mallopt(M_MMAP_THRESHOLD, size) and c.mallopt(M_MMAP_MAX, most))
