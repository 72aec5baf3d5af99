"""The roofline of this machine: what a layer could reach, given how much it computes with each byte it moves.

    attainable FLOP/s = min(peak FLOP/s, intensity · peak bytes/s),    intensity = FLOPs / bytes moved

The two peaks are measured, in the same run and under the same threads as the layers: a copy of a large array,
which reads and writes every byte once, and a product of two square matrices, 2·n³ FLOPs.

Source: Williams, Waterman & Patterson 2009, "Roofline: an insightful visual performance model".
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from underhood.instruments.pytorch import load_torch
from underhood.instruments.stopwatch import Clock, Job, Rule, measure

COPIED = 64 << 20  # bytes: more than the caches of most processors hold
SIDE = 1024  # of the matrices
RULE = Rule(warmup=1, least=5, most=30, seconds=1.5)


@dataclass(frozen=True)
class Roofline:
    """`flops` and `bytes` are the peaks per second that were reached here."""

    flops: float
    bytes: float

    @property
    def ridge(self) -> float:
        """The intensity, in FLOPs a byte, from which on computing and no longer memory is the limit."""
        return self.flops / self.bytes

    def attainable(self, intensity: float) -> float:
        """FLOP/s within reach at this intensity."""
        return min(self.flops, intensity * self.bytes)

    def least_seconds(self, flops: float, moved: float) -> float:
        """The time below which so much work and so many bytes cannot be had."""
        return max(flops / self.flops, moved / self.bytes)


def measure_roofline(dtype: str, device: str, clock: Clock, rule: Rule = RULE) -> Roofline:
    """Time a copy and a matrix product in `dtype` on `device`: with torch, with NumPy where there is none."""
    copy, multiply = _torch_work(dtype, device) if find_spec("torch") else _numpy_work(dtype)
    jobs: list[Job] = [lambda clock: (clock(copy)[1],), lambda clock: (clock(multiply)[1],)]
    (copied,), (multiplied,) = measure(jobs, rule, clock)
    assert copied is not None
    assert multiplied is not None
    # the quickest quarter: a roof is what can be reached, not what the neighbours left over
    return Roofline(flops=2 * SIDE**3 / multiplied.low, bytes=2 * COPIED / copied.low)


Work = Callable[[], Any]


def _torch_work(dtype: str, device: str) -> tuple[Work, Work]:
    torch = load_torch()
    source = torch.ones(COPIED, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    a = torch.ones(SIDE, SIDE, dtype=getattr(torch, dtype), device=device)
    out = torch.empty_like(a)
    return lambda: target.copy_(source), lambda: torch.mm(a, a, out=out)


def _numpy_work(dtype: str) -> tuple[Work, Work]:
    source = np.ones(COPIED, np.uint8)
    target = np.empty_like(source)
    a = np.ones((SIDE, SIDE), dtype)
    out = np.empty_like(a)
    return lambda: np.copyto(target, source), lambda: np.matmul(a, a, out=out)
