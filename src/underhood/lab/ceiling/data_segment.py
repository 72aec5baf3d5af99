"""The data-segment limit: memory that a process asks for beyond it is refused, and the asker is told.

On Linux RLIMIT_DATA bounds what is private and writable: the heap, and blocks mapped apart. That is a little more than
what is resident of them (about 35 MB, for Python and PyTorch), and it leaves out libraries and mapped files.

Source: setrlimit(2); since Linux 4.7 private mappings count.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def limited(limit: int) -> Iterator[bool]:
    """Within, the data segment is bounded where the system can do that; the old limit comes back. Whether it is."""
    if sys.platform != "linux":
        yield False
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    within = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (within, hard))
    try:
        yield True
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
