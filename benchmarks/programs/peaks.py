"""What this machine can do at best: GFLOP/s of a matrix product, GB/s of copies of several sizes, as JSON.

    OMP_NUM_THREADS=1 python -m benchmarks.programs.peaks

The product is taken from the better of two libraries (NumPy's OpenBLAS, PyTorch's), the quickest of many calls: a
roof is what can be reached, not what the neighbours left over. A copy reads half of its bytes and writes the others.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

SIDES = (512, 1024)
LEAST = 10  # calls
COPIES = [1 << power for power in range(18, 29)]  # bytes: 256 KiB … 256 MiB


def quickest(work: Callable[[], Any], seconds: float = 0.3) -> float:
    work()  # the first touches new pages
    times: list[float] = []
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end or len(times) < LEAST:
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def products() -> float:
    """FLOP/s."""
    found = []
    for side in SIDES:
        a = np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)
        out, b = np.empty_like(a), torch.from_numpy(a)
        target = torch.empty_like(b)
        found.append(2 * side**3 / quickest(lambda a=a, out=out: np.matmul(a, a, out=out)))
        found.append(2 * side**3 / quickest(lambda b=b, target=target: torch.mm(b, b, out=target)))
    return max(found)


def copy(size: int) -> float:
    """Bytes a second."""
    source = torch.ones(size // 8, dtype=torch.float32)
    target = torch.empty_like(source)
    return size / quickest(lambda: target.copy_(source), 0.1)


if __name__ == "__main__":
    print(json.dumps({"gflops": products() / 1e9, "copies": {str(size): copy(size) / 1e9 for size in COPIES}}))
