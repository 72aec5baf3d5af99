"""torch.cuda as it is where there is no GPU: nothing is available, and what needs a GPU says so.

device = "cuda" if underhood.cuda.is_available() else "cpu"        is "cpu"
"""

from typing import Any, NoReturn

from underhood.cuda import amp as amp

__all__ = [
    "amp",
    "current_device",
    "device_count",
    "empty_cache",
    "get_device_name",
    "is_available",
    "is_bf16_supported",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "memory_allocated",
    "reset_peak_memory_stats",
    "synchronize",
]


def is_available() -> bool:
    return False


def is_initialized() -> bool:
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    return False


def device_count() -> int:
    return 0


def manual_seed(seed: int) -> None:
    """Nothing to seed; ignored, as in torch without a GPU."""


def manual_seed_all(seed: int) -> None:
    """Nothing to seed; ignored, as in torch without a GPU."""


def empty_cache() -> None:
    """Nothing to empty; ignored, as in torch without a GPU."""


def memory_allocated(device: Any = None) -> int:
    return 0


def max_memory_allocated(device: Any = None) -> int:
    return 0


def reset_peak_memory_stats(device: Any = None) -> None:
    """Nothing is counted."""


def _no_gpu(*arguments: Any) -> NoReturn:
    raise RuntimeError("underhood's engine runs on the CPU: cuda.is_available() is False; use torch's back end there")


synchronize = current_device = get_device_name = _no_gpu
