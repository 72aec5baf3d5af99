"""Where a replayed step's time goes, kernel by kernel, on one thread.

The rows of the plan's table are called in the order in which the plan calls them, image by image within a band, with a
look at the clock before and after each. The look costs some tens of nanoseconds a call and is not taken away.
"""

import statistics
import time
from collections import defaultdict
from typing import Any

from numba import njit

from underhood.engine.fast import blas
from underhood.engine.fast.kernel import Program, _call
from underhood.engine.fast.plan import Plan, Replay

REPEATS = 5


@njit
def _once(table: Any, row: int, part: int, parts: int) -> None:
    _call(table, row, part, parts, 0)


def times(plan: Plan) -> list[dict[str, Any]]:
    """For each kernel of the step replayed last: its name, the rows that call it, its milliseconds a step."""
    replays = [known for known in plan._known.values() if isinstance(known, Replay) and known.lowered is not None]
    if not replays:
        return []
    assert replays[-1].lowered is not None
    segments = replays[-1].lowered.segments
    found = defaultdict(list)
    rows: dict[str, int] = defaultdict(int)
    for repeat in range(REPEATS + 1):
        spent: dict[str, float] = defaultdict(float)
        with blas.alone():
            for segment in segments:
                _walk(segment, spent)
        if repeat:  # the first compiled `_once`
            for name, seconds in spent.items():
                found[name].append(1e3 * seconds)
    for segment in segments:
        for kernel in segment.kernels if isinstance(segment, Program) else ():
            rows[kernel.__name__] += 1
    return [{"name": name, "calls": rows[name] or 1, "ms": statistics.median(ms)} for name, ms in found.items()]


def _walk(segment: Any, spent: dict[str, float]) -> None:
    """Run one segment: a program row by row, anything else as it is."""
    clock = time.perf_counter
    if not isinstance(segment, Program):
        began = clock()
        segment()
        spent["in Python"] += clock() - began
        return
    table, names = segment.table, [kernel.__name__ for kernel in segment.kernels]
    for first, last, parts in segment.bands:
        for part in range(parts):
            for row in range(first, last):
                began = clock()
                _once(table, row, part, parts)
                spent[names[row]] += clock() - began
