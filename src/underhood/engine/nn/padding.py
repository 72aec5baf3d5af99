"""Padding as modules: each calls `F.pad` with its mode.

A padding is one number for all sides, or (left, right) for lines and (left, right, top, bottom) for images.
"""

from typing import Any, ClassVar

from underhood.engine import functional as F
from underhood.engine.nn.module import Module
from underhood.engine.ops.windows import numbers
from underhood.engine.tensor import Tensor


class Padding(Module):
    """What they have in common."""

    axes: ClassVar[int]
    mode: ClassVar[str]

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = numbers(padding, 2 * self.axes)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return str(self.padding)


class ConstantPad(Padding):
    """What ConstantPad1d and ConstantPad2d have in common."""

    mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(ConstantPad):
    """12 → vv 12 vv   (N, C, L) or (C, L)"""

    axes = 1


class ConstantPad2d(ConstantPad):
    """12 → vv 12 vv, rows and columns   (N, C, H, W) or (C, H, W)"""

    axes = 2


class ZeroPad1d(Padding):
    """12 → 00 12 00   (N, C, L) or (C, L)"""

    axes, mode = 1, "constant"


class ZeroPad2d(Padding):
    """12 → 00 12 00, rows and columns   (N, C, H, W) or (C, H, W)"""

    axes, mode = 2, "constant"


class ReflectionPad1d(Padding):
    """1234 → 32 1234 32   (N, C, L) or (C, L)"""

    axes, mode = 1, "reflect"


class ReflectionPad2d(Padding):
    """1234 → 32 1234 32, rows and columns   (N, C, H, W) or (C, H, W)"""

    axes, mode = 2, "reflect"


class ReplicationPad1d(Padding):
    """1234 → 11 1234 44   (N, C, L) or (C, L)"""

    axes, mode = 1, "replicate"


class ReplicationPad2d(Padding):
    """1234 → 11 1234 44, rows and columns   (N, C, H, W) or (C, H, W)"""

    axes, mode = 2, "replicate"


class CircularPad1d(Padding):
    """1234 → 34 1234 12   (N, C, L) or (C, L)"""

    axes, mode = 1, "circular"


class CircularPad2d(Padding):
    """1234 → 34 1234 12, rows and columns   (N, C, H, W) or (C, H, W)"""

    axes, mode = 2, "circular"
