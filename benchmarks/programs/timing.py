"""What the programs share: the batches they train on, the clock, and the line of JSON that they print.

A step begins with a batch in the library's own arrays and ends when loss and weights are computed. Batches are
pictures of noise on a pattern of their class, so that a program that truly learns is seen to: its loss falls.
"""

import argparse
import itertools
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

BEGAN = time.perf_counter()  # this module is imported before the library
WARMUP = 0.2  # of the seconds
ROUNDS = 4
LEAST = 5
READY = 3  # steps until all is compiled: some record the first and compile at the second or third

Batch = tuple[Any, Any]
Found = dict[str, Any]


def batches(image: Sequence[int], size: int) -> list[Batch]:
    """ROUNDS different batches to take in turn: float32 (size, *image) and int64 labels 0…9 (size,)."""
    rng = np.random.default_rng(0)
    patterns = rng.normal(size=(10, *image))
    labels = rng.integers(0, 10, (ROUNDS, size))
    images = 0.5 * patterns[labels] + rng.normal(size=(ROUNDS, size, *image))
    return list(zip(images.astype(np.float32), labels, strict=True))


def options(cases: Iterable[str]) -> argparse.ArgumentParser:
    """What every program is told."""
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=list(cases))
    parser.add_argument("--seconds", type=float, default=3.0, help="how long to measure (3)")
    parser.add_argument("--turns", action="store_true", help="measure once for every line of standard input")
    return parser


def report(
    step: Callable[[Any, Any], Any],
    data: Sequence[Batch],
    chosen: argparse.Namespace,
    more: Callable[[], Found] = dict,
) -> None:
    """Warm up and measure `step(x, t)`, which returns the loss; with turns, whenever it is this program's.

    `more` tells what else is to be printed once it has been measured.
    """
    batch = itertools.cycle(data)
    losses = [step(*next(batch)) for _ in range(READY)]
    ready = {"ready_s": time.perf_counter() - BEGAN}
    losses += [step(*next(batch)) for _ in range(2 * ROUNDS - READY)]
    if chosen.turns:
        print(json.dumps(ready), flush=True)
    for _ in sys.stdin if chosen.turns else ["once"]:
        found = ready | measure(step, batch, chosen.seconds, losses) | {"peak_bytes": peak_bytes()} | more()
        print(json.dumps(found), flush=True)


def measure(step: Callable[[Any, Any], Any], batch: Iterator[Batch], seconds: float, losses: list[Any]) -> Found:
    """The median step of so many seconds, after some that fetch back what others drove out of the caches."""
    times: list[float] = []
    now = time.perf_counter()
    counted, end = now + WARMUP * seconds, now + (1 + WARMUP) * seconds
    while len(times) < LEAST or now < end:
        x, t = next(batch)
        began = time.perf_counter()
        losses.append(step(x, t))
        now = time.perf_counter()
        if now > counted:
            times.append(now - began)
    return {
        "step_ms": 1e3 * statistics.median(times),
        "steps": len(times),
        "losses": [mean(losses[:ROUNDS]), mean(losses[-ROUNDS:])],
    }


def mean(losses: Sequence[Any]) -> float:
    return statistics.fmean(float(loss) for loss in losses)


def peak_bytes() -> int:
    """The most memory that this process has held at once."""
    # Linux hands ru_maxrss down from the process that started this one; VmHWM is this one's own
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return 1024 * int(line.split()[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
