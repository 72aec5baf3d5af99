"""Rounding towards 0, what it leaves, and signs; floor, ceil and round stand with the elementwise functions.

    trunc  z = x without its decimals        ∂E/∂x = 0
    frac   z = x − trunc x                   ∂E/∂x = δ
    sgn    z = −1, 0 or 1                    ∂E/∂x = 0
    nan_to_num  z = x, but numbers for nan, ∞ and −∞        ∂E/∂x = δ where x is finite, else 0

    x, z: any shape, the same

PyTorch: torch.trunc, fix, frac, sgn, nan_to_num.
"""

import numpy as np

from underhood.engine.forms import Sample
from underhood.engine.lift import Number, elementwise, where
from underhood.engine.ops.elementwise import sign
from underhood.engine.tensor import Tensor


def _trunc(x: Number) -> Number:
    """x without its decimals"""
    return np.trunc(x)


def _no_slope(x: Number) -> Number:
    return 0.0


def _frac(x: Number) -> Number:
    """x − trunc x"""
    return x - np.trunc(x)


def _one(x: Number) -> Number:
    return 1.0


def _nan_to_num(x: Number, nan: float, posinf: float, neginf: float) -> Number:
    """x, but the numbers given for nan, ∞ and −∞"""
    return np.where(np.isnan(x), nan, np.where(x == np.inf, posinf, np.where(x == -np.inf, neginf, x)))


def _finite(x: Number, nan: float, posinf: float, neginf: float) -> Number:
    return where(np.isfinite(x), 1.0, 0.0)


def _mixed(rng: np.random.Generator) -> list[Sample]:
    x = np.array([[1.5, np.nan, -2.0], [np.inf, -np.inf, 0.0]])
    settings = {"nan": 0.5, "posinf": 9.0, "neginf": -9.0}
    return [
        Sample((x,), settings),
        Sample((x.T,), settings, "non-contiguous"),
        Sample((x[:0],), settings, "empty"),
        Sample((rng.normal(size=(1,)),), settings, "size one"),
    ]


trunc = elementwise(_trunc, _no_slope, of="", loops=False, integers=True, name="trunc", reference="torch.trunc")
frac = elementwise(_frac, _one, of="", loops=False, name="frac", reference="torch.frac")
_replaced = elementwise(
    _nan_to_num, _finite, loops=False, name="nan_to_num", reference="torch.nan_to_num", samples=_mixed
)


def sgn(input: Tensor) -> Tensor:
    """−1, 0 or 1, as `sign`: there are no complex numbers."""
    return sign(input)


def nan_to_num(
    input: Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """`nan` (0) for nan, `posinf` and `neginf` (the dtype's largest and least) for ±∞."""
    if not input.is_floating_point():
        return input.clone()
    limits = np.finfo(input.dtype)
    high, low = (limits.max if posinf is None else posinf), (limits.min if neginf is None else neginf)
    return _replaced(input, 0.0 if nan is None else nan, float(high), float(low))
