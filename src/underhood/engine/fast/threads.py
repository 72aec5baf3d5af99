"""How many threads kernels may use: Numba's number, read without the two locks that its own function takes.

Every call of a kernel asks, and the locks take three microseconds.
"""

import numba
from numba.np.ufunc import parallel


def thread_count() -> int:
    """What `numba.get_num_threads()` says."""
    read = getattr(parallel, "_get_num_threads", None)  # there once Numba has loaded its threads
    count = read() if read is not None else 0
    return int(count if count > 0 else numba.get_num_threads())
