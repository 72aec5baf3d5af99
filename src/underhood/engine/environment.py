"""What torch's scripts ask of their surroundings: what a thing is, how many threads compute, how exact results are."""

import math
from typing import Any

import numba
import numpy as np

from underhood.engine.device import CPU, check_device, device
from underhood.engine.tensor import Tensor

pi, e, inf, nan = math.pi, math.e, math.inf, math.nan
dtype, finfo, iinfo = np.dtype, np.finfo, np.iinfo

__all__ = [
    "are_deterministic_algorithms_enabled",
    "dtype",
    "e",
    "finfo",
    "get_default_device",
    "get_float32_matmul_precision",
    "get_num_threads",
    "iinfo",
    "inf",
    "is_complex",
    "is_floating_point",
    "is_tensor",
    "nan",
    "numel",
    "pi",
    "set_default_device",
    "set_float32_matmul_precision",
    "set_num_threads",
    "use_deterministic_algorithms",
]


def is_tensor(obj: Any) -> bool:
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    return input.is_floating_point()


def is_complex(input: Tensor) -> bool:
    """Never: there are no complex dtypes."""
    return False


def numel(input: Tensor) -> int:
    return input.numel()


def get_num_threads() -> int:
    """How many threads compiled code runs on."""
    return int(numba.get_num_threads())


def set_num_threads(int: int) -> None:
    """Compute on that many threads, at most as many as there are."""
    numba.set_num_threads(min(int, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]


def get_default_device() -> device:
    return CPU


def set_default_device(device: Any) -> None:
    """The CPU is the only one, and stays it."""
    check_device(device)


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """The engine's sums have one order for one number of threads, with this and without."""


def are_deterministic_algorithms_enabled() -> bool:
    return True


def set_float32_matmul_precision(precision: str) -> None:
    """float32 is multiplied as float32, as "highest" has it; the others allow less and are taken."""
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(f"{precision!r} is none of highest, high, medium")


def get_float32_matmul_precision() -> str:
    return "highest"
