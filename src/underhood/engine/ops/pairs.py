"""More functions of two arrays, element by element, with broadcasting.

    z = f(x, y),   ∂E/∂x = Σ ∂f/∂x · ∂E/∂z over the copies that broadcasting made of x

    x, y: shapes that broadcast   z: the shape of both together

PyTorch: torch.atan2, hypot, logaddexp, fmod, fmax, fmin, xlogy, copysign, float_power, each of the same name.
"""

from typing import Any

import numpy as np

from underhood.engine.dtypes import float64
from underhood.engine.forms import Sample
from underhood.engine.lift import Number, binary, binary_samples, where
from underhood.engine.ops.arithmetic import pow_
from underhood.engine.ops.cast import cast
from underhood.engine.ops.checks import must_be_tensors
from underhood.engine.tensor import Tensor


def _atan2(x: Number, y: Number) -> Number:
    """The angle of the point (y, x), between −π and π"""
    return np.arctan2(x, y)


def _atan2_x(dz: Number, x: Number, y: Number) -> Number:
    """∂/∂x = y / (x² + y²), and 0 at the origin"""
    square = x * x + y * y
    return where(square == 0, 0.0, dz * y / where(square == 0, 1.0, square))


def _atan2_y(dz: Number, x: Number, y: Number) -> Number:
    square = x * x + y * y
    return where(square == 0, 0.0, -dz * x / where(square == 0, 1.0, square))


def _hypot(x: Number, y: Number) -> Number:
    """√(x² + y²)"""
    return np.hypot(x, y)


def _hypot_x(dz: Number, x: Number, y: Number) -> Number:
    return dz * x / np.hypot(x, y)


def _hypot_y(dz: Number, x: Number, y: Number) -> Number:
    return dz * y / np.hypot(x, y)


def _logaddexp(x: Number, y: Number) -> Number:
    """ln(eˣ + eʸ)"""
    return np.logaddexp(x, y)


def _logaddexp_x(dz: Number, x: Number, y: Number) -> Number:
    """∂/∂x = eˣ / (eˣ + eʸ)"""
    return dz / (1 + np.exp(y - x))


def _logaddexp_y(dz: Number, x: Number, y: Number) -> Number:
    return dz / (1 + np.exp(x - y))


def _logaddexp2(x: Number, y: Number) -> Number:
    """log₂(2ˣ + 2ʸ)"""
    return np.logaddexp2(x, y)


def _logaddexp2_x(dz: Number, x: Number, y: Number) -> Number:
    return dz / (1 + np.exp2(y - x))


def _logaddexp2_y(dz: Number, x: Number, y: Number) -> Number:
    return dz / (1 + np.exp2(x - y))


def _fmod(x: Number, y: Number) -> Number:
    """x − y trunc(x/y), with the sign of x"""
    return np.fmod(x, y)


def _whole(dz: Number, x: Number, y: Number) -> Number:
    return dz


def _fmod_y(dz: Number, x: Number, y: Number) -> Number:
    return -dz * np.trunc(x / y)


def _fmax(x: Number, y: Number) -> Number:
    """The larger of x and y, nan only where both are"""
    return np.fmax(x, y)


def _fmin(x: Number, y: Number) -> Number:
    """The smaller of x and y, nan only where both are"""
    return np.fmin(x, y)


def _where_x_is_more(dz: Number, x: Number, y: Number) -> Number:
    return where((x >= y) | np.isnan(y), dz, 0.0)


def _where_y_is_more(dz: Number, x: Number, y: Number) -> Number:
    return where((x >= y) | np.isnan(y), 0.0, dz)


def _where_x_is_less(dz: Number, x: Number, y: Number) -> Number:
    return where((x <= y) | np.isnan(y), dz, 0.0)


def _where_y_is_less(dz: Number, x: Number, y: Number) -> Number:
    return where((x <= y) | np.isnan(y), 0.0, dz)


def _xlogy(x: Number, y: Number) -> Number:
    """x ln y, and 0 where x = 0 and y is no nan"""
    return where((x == 0) & ~np.isnan(y), 0.0, x * np.log(y))


def _xlogy_x(dz: Number, x: Number, y: Number) -> Number:
    return where((x == 0) & (y <= 0), 0.0, dz * np.log(y))


def _xlogy_y(dz: Number, x: Number, y: Number) -> Number:
    return dz * x / y


def _copysign(x: Number, y: Number) -> Number:
    """|x| with the sign of y"""
    return np.copysign(x, y)


def _copysign_x(dz: Number, x: Number, y: Number) -> Number:
    return where(x == 0, 0.0, dz * np.copysign(1.0, y) * np.sign(x))


def _nothing(dz: Number, x: Number, y: Number) -> Number:
    return 0.0 * dz


def positive(rng: np.random.Generator) -> list[Sample]:
    """Positive pairs; broadcasting, empty, non-contiguous."""
    return [Sample(tuple(np.asarray(abs(x) + 0.5) for x in s.inputs), s.settings, s.note) for s in binary_samples(rng)]


def _apart(rng: np.random.Generator) -> list[Sample]:
    """Samples with ties where both are equal."""
    whole = rng.integers(-2, 3, (4, 6)).astype(float)
    return [*binary_samples(rng), Sample((whole, rng.integers(-2, 3, (6,)).astype(float)), note="ties")]


T = "torch."
_angle = binary(_atan2, _atan2_x, _atan2_y, loops=False, floats=True, name="atan2", reference=T + "atan2")
_length = binary(_hypot, _hypot_x, _hypot_y, loops=False, name="hypot", reference=T + "hypot")
_add_exp = binary(_logaddexp, _logaddexp_x, _logaddexp_y, loops=False, name="logaddexp", reference=T + "logaddexp")
_add_exp2 = binary(
    _logaddexp2, _logaddexp2_x, _logaddexp2_y, loops=False, name="logaddexp2", reference=T + "logaddexp2"
)
_modulo = binary(_fmod, _whole, _fmod_y, loops=False, name="fmod", reference=T + "fmod", samples=positive)
_more = binary(
    _fmax, _where_x_is_more, _where_y_is_more, loops=False, name="fmax", reference=T + "fmax", samples=_apart
)
_less = binary(
    _fmin, _where_x_is_less, _where_y_is_less, loops=False, name="fmin", reference=T + "fmin", samples=_apart
)
xlogy = binary(
    _xlogy, _xlogy_x, _xlogy_y, loops=False, floats=True, name="xlogy", reference=T + "xlogy", samples=positive
)
_signed = binary(_copysign, _copysign_x, _nothing, loops=False, floats=True, name="copysign", reference=T + "copysign")


def atan2(input: Tensor, other: Tensor) -> Tensor:
    """The angle of the point (y, x), between −π and π"""
    must_be_tensors("atan2", input=input, other=other)
    return _angle(input, other)


def fmod(input: Tensor, other: Any) -> Tensor:
    """x − y trunc(x/y), with the sign of x"""
    must_be_tensors("fmod", input=input)
    return _modulo(input, other)


def copysign(input: Tensor, other: Any) -> Tensor:
    """|x| with the sign of y"""
    must_be_tensors("copysign", input=input)
    return _signed(input, other)


def hypot(input: Tensor, other: Tensor) -> Tensor:
    """√(x² + y²)"""
    return _floats("hypot", _length, input, other)


def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """ln(eˣ + eʸ)"""
    return _floats("logaddexp", _add_exp, input, other)


def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """log₂(2ˣ + 2ʸ)"""
    return _floats("logaddexp2", _add_exp2, input, other)


def _floats(name: str, operation: Any, input: Tensor, other: Tensor) -> Tensor:
    must_be_tensors(name, input=input, other=other)
    if not (input.is_floating_point() and other.is_floating_point()):
        raise RuntimeError(f"{name}: not implemented for {input.dtype} and {other.dtype}; use floating point")
    return operation(input, other)


def fmax(input: Tensor, other: Tensor) -> Tensor:
    """The larger of x and y, nan only where both are"""
    must_be_tensors("fmax", input=input, other=other)
    return _more(input, other)


def fmin(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of x and y, nan only where both are"""
    must_be_tensors("fmin", input=input, other=other)
    return _less(input, other)


def float_power(input: Any, exponent: Any) -> Tensor:
    """xʸ in double precision."""
    x, y = (cast(v, float64) if isinstance(v, Tensor) else v for v in (input, exponent))
    return pow_(x, y if isinstance(y, Tensor) else float(y))


def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """x · 2ʸ"""
    must_be_tensors("ldexp", input=input, other=other)
    return input * pow_(2.0, other)
