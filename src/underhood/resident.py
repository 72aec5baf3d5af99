"""The resident memory of this process: what of it lies in RAM, now and at the most.

Linux keeps the books in /proc/self/status: VmRSS is what is resident now, VmHWM its highest so far, VmSwap what was
moved to disk. Elsewhere psutil knows the first, and `getrusage` the second.

Source: proc(5), proc_pid_status(5) and proc_pid_clear_refs(5).
"""

import re
import sys
from contextlib import suppress
from pathlib import Path

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
FORGET_THE_PEAK = "5"


def resident() -> int:
    """Bytes of this process in RAM."""
    if (found := _line("VmRSS")) is not None:
        return found
    import psutil

    return int(psutil.Process().memory_info().rss)


def swapped() -> int:
    """Bytes of this process on disk; 0 where nobody counts them."""
    return _line("VmSwap") or 0


def anonymous() -> int:
    """Bytes in RAM that belong to no file, so that they can't be dropped and read again; all where nobody knows."""
    found = _line("RssAnon")
    return resident() if found is None else found


def peak() -> int:
    """The largest resident set so far, since `forget_peak` where the system lets it be forgotten."""
    if (found := _line("VmHWM")) is not None:  # ru_maxrss would remember the parent that this process was forked from
        return found
    import resource

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024


def forget_peak() -> None:
    """Count the peak from now on; without effect where the system has no way to."""
    with suppress(OSError):
        CLEAR.write_text(FORGET_THE_PEAK)


def _line(name: str) -> int | None:
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None
