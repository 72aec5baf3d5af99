"""One page an operation. A new one is its page and its name here; the rest takes it from the registry."""

from underhood.engine.ops import (
    arithmetic,
    cross_entropy,
    elementwise,
    index,
    linear,
    matmul,
    reductions,
    reshape,
    softmax,
)

__all__ = [
    "arithmetic",
    "cross_entropy",
    "elementwise",
    "index",
    "linear",
    "matmul",
    "reductions",
    "reshape",
    "softmax",
]
