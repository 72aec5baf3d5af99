"""Timing that can be trusted: warm-up, repeats until the median is known, quartiles, nothing else in the way.

The median of n calls with quartiles q₁, q₃ is uncertain by about ±1.57·(q₃ − q₁)/√n (the notch of a box plot).
Jobs are repeated until that is a small fraction of the median, or the time is up. They take turns: each round calls
every job for a moment, so that a slow minute of the machine slows all of them alike and their ratios survive it. A call
that the system interrupted (an involuntary context switch) tells of something else's work, of another process's or of
another thread's; such calls are left out as long as enough others are there.

Source: McGill, Tukey & Larsen 1978, "Variations of box plots".
"""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from underhood.instruments.pytorch import load_torch

NOTCH = 1.57
BURST = 0.004  # seconds for which a job is called in one round
MOST_IN_A_BURST = 20


@dataclass(frozen=True)
class Timing:
    """Seconds: the median of `n` calls and their quartiles. `settled` says that the median is known well enough,
    `disturbed` how many calls more were left out.
    """

    median: float
    low: float
    high: float
    n: int
    settled: bool = True
    disturbed: int = 0

    @property
    def spread(self) -> float:
        """The quartiles' distance as a fraction of the median."""
        return (self.high - self.low) / self.median if self.median else 0.0


@dataclass(frozen=True)
class Rule:
    """How long to measure: `warmup` calls that don't count, then at least `least` and at most `most`, until the
    notch is within `within` of the median or all jobs together have taken `seconds`.
    """

    warmup: int = 3
    least: int = 10
    most: int = 300
    within: float = 0.02
    seconds: float = 10.0

    def settled(self, times: Sequence[float]) -> bool:
        if len(times) < self.least:
            return False
        low, median, high = quartiles(times)
        return NOTCH * (high - low) / len(times) ** 0.5 <= self.within * median

    def timing(self, times: Sequence[float], disturbed: int = 0) -> Timing:
        low, median, high = quartiles(times)
        return Timing(median, low, high, len(times), self.settled(times), disturbed)


class Clock(Protocol):
    """Runs a piece of work and returns what it gave and how many seconds it took."""

    def __call__(self, work: Callable[[], Any]) -> tuple[Any, float]: ...


# Works with the clock and returns the seconds of its phases, None for one that it does not have.
Job = Callable[[Clock], tuple[float | None, ...]]


def wall_clock(work: Callable[[], Any]) -> tuple[Any, float]:
    """For work that is done when it returns: everything on the CPU."""
    start = time.perf_counter_ns()
    result = work()
    return result, (time.perf_counter_ns() - start) * 1e-9


def processor_clock(work: Callable[[], Any]) -> tuple[Any, float]:
    """Processor seconds of all threads together: what others do on the machine hardly moves them.

    With one thread they are the wall clock's on a quiet machine; with more, threads that wait in a loop count too.
    """
    start = time.process_time_ns()
    result = work()
    return result, (time.process_time_ns() - start) * 1e-9


def gpu_clock(work: Callable[[], Any]) -> tuple[Any, float]:
    """For work that is queued on the GPU: events before and after it in the queue, and a wait for the second."""
    cuda = load_torch().cuda
    before, after = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
    cuda.synchronize()
    before.record()
    result = work()
    after.record()
    after.synchronize()
    return result, before.elapsed_time(after) * 1e-3


def interruptions() -> int:
    """How often the system has taken the processor away from this process; 0 where it doesn't tell."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def measure(
    jobs: Sequence[Job],
    rule: Rule,
    clock: Clock = wall_clock,
    now: Callable[[], float] = time.perf_counter,
    interrupted: Callable[[], int] = interruptions,
) -> list[tuple[Timing | None, ...]]:
    """The timings of every job's phases. Jobs take turns until all of them are settled or the time is up."""
    with _no_collector():
        start = now()
        samples = [_Samples(job, rule, clock, interrupted) for job in jobs]
        while any(not one.settled() for one in samples):
            for one in samples:
                one.burst()
            if now() - start > rule.seconds and all(one.count > 1 for one in samples):
                break
    return [one.timings() for one in samples]


class _Samples:
    """What one job's calls took so far."""

    def __init__(self, job: Job, rule: Rule, clock: Clock, interrupted: Callable[[], int]) -> None:
        self.job, self.rule, self.clock, self.interrupted = job, rule, clock, interrupted
        warm = [_whole(job(clock)) for _ in range(max(1, rule.warmup))]
        self.size = max(1, min(MOST_IN_A_BURST, int(BURST / max(min(warm), 1e-9))))
        self.calls: list[tuple[float | None, ...]] = []
        self.disturbed: list[tuple[float | None, ...]] = []

    @property
    def count(self) -> int:
        return len(self.calls) + len(self.disturbed)

    def burst(self) -> None:
        """One turn: a call that does not count, since the others have emptied the caches, then those that do."""
        if self.count >= self.rule.most:
            return
        self.job(self.clock)
        for _ in range(min(self.size, self.rule.most - self.count)):
            before = self.interrupted()
            phases = self.job(self.clock)
            (self.calls if self.interrupted() == before else self.disturbed).append(phases)

    def settled(self) -> bool:
        if self.count >= self.rule.most:
            return True
        return self.count > 0 and all(self.rule.settled(times) for times in self._phases() if times)

    def timings(self) -> tuple[Timing | None, ...]:
        left_out = self.count - len(self._kept())
        return tuple(self.rule.timing(times, left_out) if times else None for times in self._phases())

    def _kept(self) -> list[tuple[float | None, ...]]:
        return self.calls if len(self.calls) >= self.rule.least // 2 else self.calls + self.disturbed

    def _phases(self) -> list[list[float]]:
        return [[time for time in phase if time is not None] for phase in zip(*self._kept(), strict=True)]


def _whole(phases: tuple[float | None, ...]) -> float:
    return sum(phase or 0.0 for phase in phases)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """q₁, median and q₃, interpolated between neighbours."""
    ordered = sorted(values)

    def at(fraction: float) -> float:
        position = fraction * (len(ordered) - 1)
        below = int(position)
        above = min(below + 1, len(ordered) - 1)
        return ordered[below] + (position - below) * (ordered[above] - ordered[below])

    return at(0.25), at(0.5), at(0.75)


@contextmanager
def _no_collector() -> Iterator[None]:
    """The garbage collector rests: it would strike the same job again and again."""
    running = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
