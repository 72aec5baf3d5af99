"""Comparing, and counting what holds: results are bool and have no gradient.

    z = [x < y], [x ∧ y], ∀ x, ∃ x, …        x, y: shapes that broadcast

PyTorch: torch.lt, eq, isnan, logical_and, all, any, …, each of the same name.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from underhood.engine import tape
from underhood.engine.axes import Dims, axes
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.lift import together
from underhood.engine.ops.checks import must_be_tensors
from underhood.engine.tensor import Tensor, apply


def _two(name: str, f: Callable[[Any, Any], Any], doc: str) -> Callable[..., Tensor]:
    """The comparison of two operands, registered under its name."""

    def call(input: Tensor, other: Any) -> Tensor:
        must_be_tensors(name, input=input, **({"other": other} if name.startswith("logical") else {}))
        return apply(operation, *together(input, other))

    def vector(x: Array, y: Array) -> Array:
        return np.asarray(f(x, y))

    call.__name__ = call.__qualname__ = name
    call.__doc__ = doc
    operation = Operation(name, call, vector=Form(vector), reference=f"torch.{name}", saves=(), samples=_pairs)
    return call


def _pairs(rng: np.random.Generator) -> list[Sample]:
    whole = rng.integers(-1, 2, (4, 6)).astype(float)
    return [
        Sample((whole, rng.integers(-1, 2, (4, 6)).astype(float)), note="ties"),
        Sample((whole[:, :1], rng.integers(-1, 2, (2, 4, 6)).astype(float)), note="broadcast"),
        Sample((whole.T, np.array(0.0)), note="a number, non-contiguous"),
        Sample((np.array([np.nan, np.inf, 1.0]), np.array([np.nan, np.inf, np.nan])), note="nan and inf"),
        Sample((whole[:0], whole[:0]), note="empty"),
    ]


eq = _two("eq", np.equal, "x = y")
ne = _two("ne", np.not_equal, "x ≠ y")
lt = _two("lt", np.less, "x < y")
le = _two("le", np.less_equal, "x ≤ y")
gt = _two("gt", np.greater, "x > y")
ge = _two("ge", np.greater_equal, "x ≥ y")
logical_and = _two("logical_and", np.logical_and, "x and y, anything but 0 being true")
logical_or = _two("logical_or", np.logical_or, "x or y")
logical_xor = _two("logical_xor", np.logical_xor, "one of x and y, not both")


def _one(name: str, f: Callable[[Any], Any], doc: str) -> Callable[..., Tensor]:
    """The question asked of every element, registered under its name."""

    def call(input: Tensor) -> Tensor:
        must_be_tensors(name, input=input)
        return apply(operation, input)

    def vector(x: Array) -> Array:
        return np.asarray(f(x), bool)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = doc
    operation = Operation(name, call, vector=Form(vector), reference=f"torch.{name}", saves=(), samples=_singles)
    return call


def _singles(rng: np.random.Generator) -> list[Sample]:
    return [Sample(sample.inputs[:1], note=sample.note) for sample in _pairs(rng)]


logical_not = _one("logical_not", np.logical_not, "x = 0")
isnan = _one("isnan", np.isnan, "x is no number")
isinf = _one("isinf", np.isinf, "x = ±∞")
isfinite = _one("isfinite", np.isfinite, "x is neither nan nor ±∞")
isposinf = _one("isposinf", lambda x: x == np.inf, "x = ∞")
isneginf = _one("isneginf", lambda x: x == -np.inf, "x = −∞")
isreal = _one("isreal", np.isreal, "true: there are no complex numbers")
signbit = _one("signbit", lambda x: np.signbit(x) if x.dtype.kind == "f" else x < 0, "x < 0, or x = −0")


def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether all numbers (along `dim`) are true."""
    return Tensor(np.asarray(input.array.all(axis=axes(dim, input), keepdims=keepdim)))


def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether any number (along `dim`) is true."""
    return Tensor(np.asarray(input.array.any(axis=axes(dim, input), keepdims=keepdim)))


def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """How many numbers are not 0."""
    return Tensor(np.asarray(np.count_nonzero(input.array, axis=axes(dim, input)), np.int64))


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have one shape and the same elements."""
    tape.read(input)
    tape.read(other)
    return np.array_equal(input.array, other.array)


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """|x − y| ≤ atol + rtol |y|"""
    must_be_tensors("isclose", input=input, other=other)
    if input.dtype != other.dtype:
        raise RuntimeError(f"{input.dtype} did not match {other.dtype}")
    for name, bound in (("rtol", rtol), ("atol", atol)):
        if bound < 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {bound}")
    return Tensor(np.asarray(np.isclose(input.array, other.array, rtol, atol, equal_nan)))


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether `isclose` holds everywhere."""
    tape.read(input)
    tape.read(other)
    return np.allclose(input.array, other.array, rtol, atol, equal_nan)
