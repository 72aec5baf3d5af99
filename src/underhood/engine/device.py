"""The device of a tensor: the CPU, and no other.

    device("cpu")      device("cuda")      device("cuda", 1)      device("cuda:1")

A device may be named without being there, so that `device("cuda" if cuda.is_available() else "cpu")` works; whatever
would put numbers on one that isn't the CPU raises.

PyTorch: torch.device.
"""

from __future__ import annotations

from typing import Any

TYPES = ("cpu", "cuda", "mps", "xpu", "meta")


class device:
    """A kind of processor (`type`) and which of them (`index`, None if it doesn't matter)."""

    __slots__ = ("index", "type")

    def __init__(self, type: Any, index: int | None = None) -> None:
        name, colon, number = str(type).partition(":")
        if name not in TYPES:
            raise RuntimeError(f"Expected one of {', '.join(TYPES)} device type at start of device string: {type}")
        if colon and (index is not None or not number.isdecimal()):
            raise RuntimeError(f"Invalid device string: {type!r}")
        self.type: str = name
        self.index: int | None = int(number) if colon else index

    def __repr__(self) -> str:
        return f"device(type={self.type!r}" + (")" if self.index is None else f", index={self.index})")

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self) -> Any:
        return device, (str(self),)


CPU = device("cpu")


def is_device(value: Any) -> bool:
    """Whether an argument names a device and not a dtype: one of ours or of torch's, or its name."""
    return type(value).__name__ == "device" or (isinstance(value, str) and value.partition(":")[0] in TYPES)


def check_device(value: Any) -> None:
    """The engine computes on the CPU; anything else is an error that says so."""
    if value is not None and str(value).partition(":")[0] != "cpu":
        raise RuntimeError(f"device {str(value)!r}: underhood's engine runs on the CPU; use torch's back end there")
