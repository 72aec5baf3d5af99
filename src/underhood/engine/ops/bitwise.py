"""Bits of integers, and bools as single bits: results have no gradient.

    z = x ∧ y, x ∨ y, x ⊕ y, ¬x, x · 2ʸ, ⌊x / 2ʸ⌋        x, y: shapes that broadcast

PyTorch: torch.bitwise_and, bitwise_or, bitwise_xor, bitwise_not, bitwise_left_shift, bitwise_right_shift.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.lift import together
from underhood.engine.tensor import Tensor, apply


def _two(name: str, f: Callable[[Any, Any], Any], doc: str) -> Callable[..., Tensor]:
    """The operation of two operands, registered under its name."""

    def call(input: Any, other: Any) -> Tensor:
        if not isinstance(input, Tensor) and not isinstance(other, Tensor):
            raise TypeError(f"{name}(): one of input and other must be a tensor, not {input!r} and {other!r}")
        x, y = together(input, other)
        if x.is_floating_point():
            raise NotImplementedError(f"{name}: not implemented for {x.dtype}; there are bits in integers and bools")
        return apply(operation, x, y)

    def vector(x: Array, y: Array) -> Array:
        return np.asarray(f(x, y))

    call.__name__ = call.__qualname__ = name
    call.__doc__ = doc
    operation = Operation(name, call, vector=Form(vector), reference=f"torch.{name}", saves=(), samples=_integers)
    return call


def _integers(rng: np.random.Generator) -> list[Sample]:
    x = rng.integers(0, 8, (4, 6))
    return [
        Sample((x, rng.integers(0, 8, (4, 6)))),
        Sample((x[:, :1], rng.integers(0, 8, (2, 4, 6))), note="broadcast"),
        Sample((x.T, np.array(3)), note="a number, non-contiguous"),
        Sample((x[:0], x[:0]), note="empty"),
    ]


def bitwise_not(input: Tensor) -> Tensor:
    """¬x: every bit the other way"""
    if input.is_floating_point():
        raise NotImplementedError(f"bitwise_not: not for {input.dtype}; there are bits in integers and bools")
    return apply(NOT, input)


def not_vector(x: Array) -> Array:
    return np.asarray(np.invert(x))


def _single(rng: np.random.Generator) -> list[Sample]:
    return [Sample(sample.inputs[:1], note=sample.note) for sample in _integers(rng)]


bitwise_and = _two("bitwise_and", np.bitwise_and, "x ∧ y, bit by bit")
bitwise_or = _two("bitwise_or", np.bitwise_or, "x ∨ y, bit by bit")
bitwise_xor = _two("bitwise_xor", np.bitwise_xor, "x ⊕ y, bit by bit")
bitwise_left_shift = _two("bitwise_left_shift", np.left_shift, "x · 2ʸ")
bitwise_right_shift = _two("bitwise_right_shift", np.right_shift, "⌊x / 2ʸ⌋")
NOT = Operation(
    "bitwise_not", bitwise_not, vector=Form(not_vector), reference="torch.bitwise_not", saves=(), samples=_single
)
