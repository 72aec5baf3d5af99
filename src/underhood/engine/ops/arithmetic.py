"""Arithmetic of two arrays, number by number, with broadcasting.

    z = f(x, y),   ∂E/∂x = Σ ∂f/∂x · ∂E/∂z over the copies that broadcasting made of x

    x, y: shapes that broadcast   z: the shape of both together

PyTorch: torch.add, torch.maximum, …, each of the same name.
"""

from typing import Any

import numpy as np
from numba.extending import overload

from underhood.engine.dtypes import result_type
from underhood.engine.forms import Sample
from underhood.engine.lift import Number, binary, binary_samples, elementwise, together, where
from underhood.engine.ops.checks import must_be_tensors
from underhood.engine.tensor import Tensor


def _add(x: Number, y: Number) -> Number:
    """x + y"""
    return x + y


def _same(dz: Number, x: Number, y: Number) -> Number:
    return dz


def _negated(dz: Number, x: Number, y: Number) -> Number:
    return -dz


def _sub(x: Number, y: Number) -> Number:
    """x − y"""
    return x - y


def _mul(x: Number, y: Number) -> Number:
    """x · y"""
    return x * y


def _mul_back_x(dz: Number, x: Number, y: Number) -> Number:
    return dz * y


def _mul_back_y(dz: Number, x: Number, y: Number) -> Number:
    return dz * x


def _div(x: Number, y: Number) -> Number:
    """x / y"""
    return x / y


def _div_back_x(dz: Number, x: Number, y: Number) -> Number:
    return dz / y


def _div_back_y(dz: Number, x: Number, y: Number) -> Number:
    """∂(x/y)/∂y = −x / y²"""
    return -dz * (x / y) / y


def power_(x: Number, y: Number) -> Number:
    """xʸ; integers are rounded towards 0, as torch does it, where NumPy refuses a negative y."""
    if np.result_type(x, y).kind == "f":
        return x**y
    below = np.asarray(y) < 0
    ones = np.where(np.asarray(x) == -1, np.where(np.asarray(y) % 2 == 0, 1, -1), np.where(np.asarray(x) == 1, 1, 0))
    return np.where(below, ones, x ** np.where(below, 0, y)).astype(np.result_type(x, y))


@overload(power_, strict=False)
def _power_number(x: Any, y: Any) -> Any:
    return lambda x, y: x**y


def _pow(x: Number, y: Number) -> Number:
    """xʸ"""
    return power_(x, y)


def _pow_back_x(dz: Number, x: Number, y: Number) -> Number:
    """∂xʸ/∂x = y xʸ⁻¹, and 0 where y = 0"""
    return where(y == 0, 0.0, dz * y * x ** where(y == 0, y, y - 1))


def _pow_back_y(dz: Number, x: Number, y: Number) -> Number:
    """∂xʸ/∂y = xʸ ln x, and 0 where x = 0 ≤ y"""
    return where((x == 0) & (y >= 0), 0.0, dz * x**y * np.log(where(x == 0, x + 1.0, x)))


def _neg(x: Number) -> Number:
    """−x"""
    return -x


def _minus_one(x: Number) -> Number:
    return -1.0


def _maximum(x: Number, y: Number) -> Number:
    """The larger of x and y"""
    return np.maximum(x, y)


def _minimum(x: Number, y: Number) -> Number:
    """The smaller of x and y"""
    return np.minimum(x, y)


def _where_more(dz: Number, x: Number, y: Number) -> Number:
    """Equals share the gradient."""
    return dz * where(x > y, 1.0, where(x == y, 0.5, 0.0))


def _where_less(dz: Number, x: Number, y: Number) -> Number:
    return dz * where(x < y, 1.0, where(x == y, 0.5, 0.0))


def _floor_divide(x: Number, y: Number) -> Number:
    """⌊x / y⌋"""
    return np.floor_divide(x, y)


def _trunc_divide(x: Number, y: Number) -> Number:
    """x / y, rounded towards 0"""
    if np.result_type(x, y).kind == "f":
        return np.trunc(x / y)
    down = np.floor_divide(x, y)
    return down + ((down * y != x) & ((x < 0) != (y < 0)))


def _nothing(dz: Number, x: Number, y: Number) -> Number:
    return 0.0 * dz


def _remainder(x: Number, y: Number) -> Number:
    """x − y ⌊x/y⌋, with the sign of y"""
    return np.remainder(x, y)


def _remainder_back_y(dz: Number, x: Number, y: Number) -> Number:
    return -dz * np.floor(x / y)


def _powers(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample((rng.uniform(0.2, 3.0, (3, 4)), rng.normal(size=(3, 4)))),
        Sample((rng.uniform(0.2, 3.0, (2, 1, 4)), rng.normal(size=(3, 1))), note="broadcast both ways"),
        Sample((np.array([0.0, 0.0, 2.0]), np.array([0.0, 2.0, 0.0])), note="zeros"),
    ]


def _with_ties(rng: np.random.Generator) -> list[Sample]:
    x, y = rng.integers(0, 3, (4, 6)).astype(float), rng.integers(0, 3, (6,)).astype(float)
    return [*binary_samples(rng), Sample((x, y), note="ties")]


def _apart(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(0, 5, (3, 4))
    return [
        Sample((x, rng.uniform(1, 2, (3, 4)))),
        Sample((x.T, -rng.uniform(1, 2, (4, 1))), note="negative, broadcast, non-contiguous"),
    ]


EACH_THE_OTHER = {"x": ("y",), "y": ("x",)}
DIVIDED = {"x": ("y",), "y": ("x", "y")}

_plus = binary(_add, _same, _same, name="add", reference="torch.add", saves=())
_minus = binary(_sub, _same, _negated, name="sub", reference="torch.sub", saves=())
mul = binary(_mul, _mul_back_x, _mul_back_y, name="mul", reference="torch.mul", saves=EACH_THE_OTHER)
_over = binary(_div, _div_back_x, _div_back_y, name="div", reference="torch.div", floats=True, saves=DIVIDED)
_floor_over = binary(
    _floor_divide,
    _nothing,
    _nothing,
    loops=False,
    name="floor_divide",
    reference="torch.div",
    ask=lambda div, x, y: div(x, y, rounding_mode="floor"),
    saves=(),
    samples=_apart,
)
_trunc_over = binary(
    _trunc_divide,
    _nothing,
    _nothing,
    loops=False,
    name="trunc_divide",
    reference="torch.div",
    saves=(),
    samples=_apart,
    ask=lambda div, x, y: div(x, y, rounding_mode="trunc"),
)
_power = binary(_pow, _pow_back_x, _pow_back_y, name="pow", reference="torch.pow", samples=_powers)
neg = elementwise(_neg, _minus_one, of="", one_pass=False, integers=True, name="neg", reference="torch.neg")
_larger = binary(
    _maximum, _where_more, _where_less, loops=False, name="maximum", reference="torch.maximum", samples=_with_ties
)
_smaller = binary(
    _minimum, _where_less, _where_more, loops=False, name="minimum", reference="torch.minimum", samples=_with_ties
)
remainder = binary(
    _remainder, _same, _remainder_back_y, loops=False, name="remainder", reference="torch.remainder", samples=_apart
)


def maximum(input: Tensor, other: Tensor) -> Tensor:
    """The larger of x and y"""
    must_be_tensors("maximum", input=input, other=other)
    return _larger(input, other)


def minimum(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of x and y"""
    must_be_tensors("minimum", input=input, other=other)
    return _smaller(input, other)


def pow_(input: Any, exponent: Any) -> Tensor:
    """xʸ"""
    check_power(input, exponent)
    return _power(input, exponent)


def check_power(input: Any, exponent: Any) -> None:
    if isinstance(exponent, int) and exponent < 0 and isinstance(input, Tensor) and input.dtype.kind != "f":
        raise RuntimeError("Integers to negative integer powers are not allowed.")


def multiple(input: Any, other: Any, alpha: float) -> Any:
    """alpha · other, of a tensor or a number, to be added to `input`."""
    if isinstance(alpha, float) and result_type(input, other).kind != "f":
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    return other if alpha == 1 else mul(other, alpha) if isinstance(other, Tensor) else other * alpha


def add(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """input + alpha · other"""
    return _plus(input, multiple(input, other, alpha))


def sub(input: Any, other: Any, *, alpha: float = 1) -> Tensor:
    """input − alpha · other"""
    return _minus(input, multiple(input, other, alpha))


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other; rounded down ("floor") or towards 0 ("trunc") if asked, where the gradient is 0."""
    if rounding_mode is None:
        return _over(input, other)
    if rounding_mode not in ("floor", "trunc"):
        raise RuntimeError(f"div expected rounding_mode to be None, 'trunc' or 'floor' but found {rounding_mode!r}")
    x, y = together(input, other)
    if y.dtype.kind != "f" and not y.array.all():
        raise RuntimeError("ZeroDivisionError")
    return (_floor_over if rounding_mode == "floor" else _trunc_over)(x, y)


def floor_divide(input: Any, other: Any) -> Tensor:
    """⌊input / other⌋, where the gradient is 0."""
    return div(input, other, rounding_mode="floor")
