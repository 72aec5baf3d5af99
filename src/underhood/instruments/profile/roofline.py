"""The roofline of this machine: what a layer could reach, given how much it computes with each byte it moves.

    attainable FLOP/s = min(peak FLOP/s, intensity · peak bytes/s),    intensity = FLOPs / bytes moved

The two peaks are measured, in the same run and under the same threads as the layers: a copy of a large array,
which reads and writes every byte once, and a product of two square matrices, 2·n³ FLOPs. A machine that others use
gives peaks that are none: where their calls vary by more than a quarter, or a layer computes faster than the product,
they are measured again, the best of all tries is kept, and where that does not help the roofline is unreliable.

Source: Williams, Waterman & Patterson 2009, "Roofline: an insightful visual performance model".
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np

from underhood.instruments.pytorch import load_torch
from underhood.instruments.stopwatch import Clock, Job, Rule, measure

COPIED = 64 << 20  # bytes: more than the caches of most processors hold
SIDE = 1024  # of the matrices
RULE = Rule(warmup=1, least=5, most=30, seconds=1.5)
TRIES = 3
STEADY = 0.25  # quartiles this near to each other, as a fraction of the median
FASTER = 1.15  # a layer that computes so many times faster than the product shows that the product was disturbed


@dataclass(frozen=True)
class Roofline:
    """`flops` and `bytes` are the peaks per second that were reached here; `doubt` says why they may be none."""

    flops: float
    bytes: float
    doubt: str = ""

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


def measure_roofline(dtype: str, device: str, clock: Clock, reached: float = 0.0, rule: Rule = RULE) -> Roofline:
    """The peaks in `dtype` on `device`, measured again where they can't be; `reached` are a layer's most FLOP/s."""
    found = _measured(dtype, device, clock, rule)
    for _ in range(TRIES - 1):
        if not _doubt(found, reached):
            break
        again = _measured(dtype, device, clock, rule)
        doubt = again.doubt if found.doubt else ""
        found = Roofline(max(found.flops, again.flops), max(found.bytes, again.bytes), doubt)
    return replace(found, doubt=_doubt(found, reached))


def _doubt(found: Roofline, reached: float) -> str:
    if reached > FASTER * found.flops:
        return f"a layer reached {reached / found.flops:.2g} times the FLOP/s of the matrix product"
    return found.doubt


def _measured(dtype: str, device: str, clock: Clock, rule: Rule) -> Roofline:
    """Time a copy and a matrix product once: with torch, with NumPy where there is none."""
    copy, multiply = _torch_work(dtype, device) if find_spec("torch") else _numpy_work(dtype)
    jobs: list[Job] = [lambda clock: (clock(copy)[1],), lambda clock: (clock(multiply)[1],)]
    (copied,), (multiplied,) = measure(jobs, rule, clock)
    assert copied is not None
    assert multiplied is not None
    spread = max(copied.spread, multiplied.spread)
    doubt = f"its calls vary by {spread:.0%} of their median" if spread > STEADY else ""
    # the quickest quarter: a roof is what can be reached, not what the neighbours left over
    return Roofline(2 * SIDE**3 / multiplied.low, 2 * COPIED / copied.low, doubt)


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
