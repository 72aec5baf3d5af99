"""What a stretch of a program takes: seconds on the clock, and processor seconds with those of workers that ended."""

import os
import time


class Usage:
    """`Usage().so_far()` is {"wall": …, "processor": …} since it was made or last asked."""

    def __init__(self) -> None:
        self.before = self._now()

    def _now(self) -> tuple[float, float]:
        times = os.times()
        return time.perf_counter(), times.user + times.system + times.children_user + times.children_system

    def so_far(self) -> dict[str, float]:
        before, self.before = self.before, self._now()
        return {"wall": self.before[0] - before[0], "processor": self.before[1] - before[1]}
