"""A number of threads for everything that is loaded, and the old one afterwards."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


@contextmanager
def threads(count: int | None) -> Iterator[int]:
    """Compute with `count` threads inside (None: as many as now); gives the number that torch and BLAS then have."""
    with ExitStack() as stack:
        torch, numba = sys.modules.get("torch"), sys.modules.get("numba")
        if count is not None:
            from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

            if torch is not None:  # first, and so restored last: numba's threads, once started, change torch's number
                stack.callback(torch.set_num_threads, torch.get_num_threads())
            if numba is not None:
                stack.callback(numba.set_num_threads, numba.get_num_threads())
                numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))
            if torch is not None:
                torch.set_num_threads(count)
            stack.enter_context(threadpool_limits(count))
        yield count or _current(torch)


def _current(torch: Any) -> int:
    if torch is not None:
        return int(torch.get_num_threads())
    from threadpoolctl import threadpool_info

    return max((int(pool["num_threads"]) for pool in threadpool_info()), default=1)
