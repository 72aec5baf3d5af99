"""The processor's cores that this process may compute on."""

import os
import sys


def usable_cores() -> int:
    """How many they are, which in a container or a batch job can be fewer than the machine has."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
