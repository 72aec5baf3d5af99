"""Functions applied to every number by itself, each as f and f′; `lift` makes their forms.

    z = f(x),   ∂E/∂x = f′(x) · ∂E/∂z        x, z: any shape, the same

At a kink f′ is PyTorch's choice: |x|′(0) = 0, and clamp passes the gradient at its bounds. Where f′ is easily
told from z, it is: then x need not be kept. The activations have pages of their own.

PyTorch: torch.exp, torch.log, …, each of the same name.
"""

import math
from typing import Any

import numpy as np
from numba.extending import overload

from underhood.engine.dtypes import category, get_default_dtype
from underhood.engine.forms import Sample
from underhood.engine.lift import Number, elementwise, where
from underhood.engine.ops.between import between
from underhood.engine.ops.cast import cast
from underhood.engine.ops.checks import must_be_tensors
from underhood.engine.tensor import Tensor


def erf_(x: Number) -> Number:
    """The error function of numbers; NumPy has none, so Python's is applied to one after the other."""
    return np.vectorize(math.erf, otypes=[np.asarray(x).dtype])(x)


@overload(erf_, strict=False)
def _erf_number(x: Any) -> Any:
    return lambda x: math.erf(x)


def _itself(z: Number) -> Number:
    return z


def _flat(x: Number) -> Number:
    return 0.0


def _exp(x: Number) -> Number:
    """eˣ"""
    return np.exp(x)


def _expm1(x: Number) -> Number:
    """eˣ − 1, accurate near 0"""
    return np.expm1(x)


def _exp2(x: Number) -> Number:
    """2ˣ"""
    return np.exp2(x)


def _exp2_slope(z: Number) -> Number:
    return z * math.log(2.0)


def _logit(x: Number) -> Number:
    """ln(x / (1 − x)), for 0 < x < 1"""
    return np.log(x / (1.0 - x))


def _logit_slope(x: Number) -> Number:
    return where((x < 0) | (x > 1), np.nan, 1.0 / (x * (1.0 - x)))


def _log(x: Number) -> Number:
    """ln x, for x > 0"""
    return np.log(x)


def _one_over(x: Number) -> Number:
    return 1.0 / x


def _log1p(x: Number) -> Number:
    """ln(1 + x), accurate near 0"""
    return np.log1p(x)


def _log1p_slope(x: Number) -> Number:
    return 1.0 / (1.0 + x)


def _log2(x: Number) -> Number:
    """log₂ x"""
    return np.log2(x)


def _log2_slope(x: Number) -> Number:
    return 1.0 / (x * math.log(2.0))


def _log10(x: Number) -> Number:
    """log₁₀ x"""
    return np.log10(x)


def _log10_slope(x: Number) -> Number:
    return 1.0 / (x * math.log(10.0))


def _sqrt(x: Number) -> Number:
    """√x, for x ≥ 0"""
    return np.sqrt(x)


def _sqrt_slope(z: Number) -> Number:
    """1 / 2√x = 1 / 2z"""
    return 0.5 / z


def _rsqrt(x: Number) -> Number:
    """1 / √x, for x > 0"""
    return 1.0 / np.sqrt(x)


def _rsqrt_slope(z: Number) -> Number:
    """−½ x^(−3/2) = −½ z³"""
    return -0.5 * z * z * z


def _square(x: Number) -> Number:
    """x²"""
    return x * x


def _square_slope(x: Number) -> Number:
    return 2.0 * x


def _reciprocal(x: Number) -> Number:
    """1 / x"""
    return 1.0 / x


def _reciprocal_slope(z: Number) -> Number:
    """−1 / x² = −z²"""
    return -z * z


def _abs(x: Number) -> Number:
    """|x|"""
    return abs(x)


def _sign(x: Number) -> Number:
    """−1, 0 or 1"""
    return where(x > 0, 1.0, where(x < 0, -1.0, 0.0))


def _sin(x: Number) -> Number:
    """sin x, x in radians"""
    return np.sin(x)


def _cos(x: Number) -> Number:
    """cos x, x in radians"""
    return np.cos(x)


def _minus_sin(x: Number) -> Number:
    return -np.sin(x)


def _erf(x: Number) -> Number:
    """erf x = 2/√π ∫₀ˣ e^(−t²) dt"""
    return erf_(x)


def _erf_slope(x: Number) -> Number:
    """2/√π e^(−x²)"""
    return 2.0 / math.sqrt(math.pi) * np.exp(-x * x)


def erfc_(x: Number) -> Number:
    """1 − erf x of numbers, accurate where erf is near 1."""
    return np.vectorize(math.erfc, otypes=[np.asarray(x).dtype])(x)


def _erfc(x: Number) -> Number:
    """1 − erf x"""
    return erfc_(x)


def _erfc_slope(x: Number) -> Number:
    return -2.0 / math.sqrt(math.pi) * np.exp(-x * x)


def _floor(x: Number) -> Number:
    """The largest whole number that is not above x"""
    return np.floor(x)


def _ceil(x: Number) -> Number:
    """The smallest whole number that is not below x"""
    return np.ceil(x)


def _round(x: Number, decimals: float = 0.0) -> Number:
    """The nearest number of so many decimals, by default a whole one; the even one of two"""
    scale = 10.0 ** abs(decimals)
    if decimals == 0:
        return np.round(x)
    return np.round(x * scale) / scale if decimals > 0 else np.round(x / scale) * scale


def _no_slope(x: Number, decimals: float = 0.0) -> Number:
    return 0.0


def _clamp(x: Number, min: float, max: float) -> Number:
    """x, but no less than min and no more than max"""
    return np.minimum(np.maximum(x, min), max)


def _clamp_slope(x: Number, min: float, max: float) -> Number:
    return where((x >= min) & (x <= max), 1.0, 0.0)


def _positive(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample((rng.uniform(0.1, 4.0, (3, 5)),)),
        Sample((rng.uniform(0.1, 4.0, (0, 2)),), note="empty"),
        Sample((rng.uniform(0.1, 4.0, (4, 6))[::2, ::-3],), note="non-contiguous"),
    ]


def _mild(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample((rng.normal(0, 1.5, (3, 5)),)),
        Sample((np.array([-1.0, -0.5, -0.0, 0.0, 0.5, 1.5, 2.5]),), note="zeros and halves"),
        Sample((rng.normal(size=(0,)),), note="empty"),
        Sample((rng.normal(size=(4, 6))[::2, ::-3],), note="non-contiguous"),
    ]


def _chances(rng: np.random.Generator) -> list[Sample]:
    x = rng.uniform(0.05, 0.95, (4, 6))
    return [Sample((x,)), Sample((x[:0],), note="empty"), Sample((x[::2, ::-3],), note="non-contiguous")]


def _bounded(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(4, 6))
    return [
        Sample((x,), {"min": -0.5, "max": 1.0}),
        Sample((np.array([-2.0, -1.0, 0.0, 1.0, 2.0]),), {"min": -1.0, "max": 1.0}, "at the bounds"),
        Sample((x.T,), {"min": 0.0, "max": math.inf}, "one bound, non-contiguous"),
        Sample((x,), {"min": 1.0, "max": -1.0}, "min above max"),
    ]


exp = elementwise(_exp, _itself, of="z", one_pass=False, name="exp", reference="torch.exp")
log = elementwise(_log, _one_over, one_pass=False, name="log", reference="torch.log", samples=_positive)
sqrt = elementwise(_sqrt, _sqrt_slope, of="z", one_pass=False, name="sqrt", reference="torch.sqrt", samples=_positive)
abs_ = elementwise(_abs, _sign, one_pass=False, integers=True, name="abs", reference="torch.abs", samples=_mild)
erf = elementwise(_erf, _erf_slope, name="erf", reference="torch.erf", samples=_mild)
_clamped = elementwise(_clamp, _clamp_slope, integers=True, name="clamp", reference="torch.clamp", samples=_bounded)

exp2 = elementwise(_exp2, _exp2_slope, of="z", loops=False, name="exp2", reference="torch.exp2", samples=_mild)
erfc = elementwise(_erfc, _erfc_slope, loops=False, name="erfc", reference="torch.erfc", samples=_mild)
_logits = elementwise(_logit, _logit_slope, loops=False, name="logit", reference="torch.logit", samples=_chances)

# NumPy's own functions, which a loop would not make any clearer
expm1 = elementwise(_expm1, _exp, loops=False, name="expm1", reference="torch.expm1", samples=_mild)
log1p = elementwise(_log1p, _log1p_slope, loops=False, name="log1p", reference="torch.log1p", samples=_positive)
log2 = elementwise(_log2, _log2_slope, loops=False, name="log2", reference="torch.log2", samples=_positive)
log10 = elementwise(_log10, _log10_slope, loops=False, name="log10", reference="torch.log10", samples=_positive)
rsqrt = elementwise(_rsqrt, _rsqrt_slope, of="z", loops=False, name="rsqrt", reference="torch.rsqrt", samples=_positive)
_squared = elementwise(_square, _square_slope, loops=False, integers=True, name="square", reference="torch.square")
reciprocal = elementwise(
    _reciprocal,
    _reciprocal_slope,
    of="z",
    loops=False,
    name="reciprocal",
    reference="torch.reciprocal",
    samples=_positive,
)
sin = elementwise(_sin, _cos, loops=False, name="sin", reference="torch.sin", samples=_mild)
cos = elementwise(_cos, _minus_sin, loops=False, name="cos", reference="torch.cos", samples=_mild)
sign = elementwise(_sign, _flat, of="", loops=False, integers=True, name="sign", reference="torch.sign", samples=_mild)
floor = elementwise(
    _floor, _flat, of="", loops=False, integers=True, name="floor", reference="torch.floor", samples=_mild
)
ceil = elementwise(_ceil, _flat, of="", loops=False, integers=True, name="ceil", reference="torch.ceil", samples=_mild)
round_ = elementwise(
    _round,
    _no_slope,
    of="",
    loops=False,
    integers=True,
    name="round",
    reference="torch.round",
    ask=lambda of, x, decimals: of(x, decimals=int(decimals)),
    samples=_mild,
)


def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """ln(x / (1 − x)); with `eps`, of x kept between eps and 1 − eps."""
    return _logits(input if eps is None else clamp(input, eps, 1 - eps))


def positive(input: Tensor) -> Tensor:
    """x itself."""
    if input.dtype == np.bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


def square(input: Tensor) -> Tensor:
    """x²"""
    return _squared(cast(input, np.int64) if input.dtype == np.bool_ else input)


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """x, but no less than `min` and no more than `max`: numbers, tensors, or None for no bound."""
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        return between(input, min, max)
    for bound in (min, max):
        if isinstance(bound, float) and category(input.dtype) < 2:
            input = cast(input, get_default_dtype())
    low, high = (-math.inf if min is None else min), (math.inf if max is None else max)
    return _clamped(input, low, high)


def clamp_min(input: Tensor, min: Any) -> Tensor:
    """x, but no less than `min`."""
    must_be_tensors("clamp_min", input=input)
    return clamp(input, min=min)


def clamp_max(input: Tensor, max: Any) -> Tensor:
    """x, but no more than `max`."""
    must_be_tensors("clamp_max", input=input)
    return clamp(input, max=max)
