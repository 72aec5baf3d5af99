"""Angles: the tangent, the inverse functions, degrees; the sine and the cosine stand with the elementwise functions.

    z = f(x),   ∂E/∂x = f′(x) · ∂E/∂z        x, z: any shape, the same; angles in radians

PyTorch: torch.tan, asin, acos, atan, sinc, deg2rad, rad2deg.
"""

import math

import numpy as np

from underhood.engine.forms import Sample
from underhood.engine.lift import Number, elementwise, where


def _tan(x: Number) -> Number:
    """tan x"""
    return np.tan(x)


def _tan_slope(z: Number) -> Number:
    """1 / cos² x = 1 + z²"""
    return 1.0 + z * z


def _asin(x: Number) -> Number:
    """The angle between −π/2 and π/2 whose sine is x, for |x| ≤ 1"""
    return np.arcsin(x)


def _asin_slope(x: Number) -> Number:
    return 1.0 / np.sqrt(1.0 - x * x)


def _acos(x: Number) -> Number:
    """The angle between 0 and π whose cosine is x, for |x| ≤ 1"""
    return np.arccos(x)


def _acos_slope(x: Number) -> Number:
    return -1.0 / np.sqrt(1.0 - x * x)


def _atan(x: Number) -> Number:
    """The angle between −π/2 and π/2 whose tangent is x"""
    return np.arctan(x)


def _atan_slope(x: Number) -> Number:
    return 1.0 / (1.0 + x * x)


def _sinc(x: Number) -> Number:
    """sin(πx) / πx, and 1 at 0"""
    return np.sinc(x)


def _sinc_slope(x: Number) -> Number:
    """(cos(πx) πx − sin(πx)) / πx², and 0 at 0"""
    y = math.pi * where(x == 0, 1.0, x)
    return where(x == 0, 0.0, (np.cos(y) * y - np.sin(y)) / (y * where(x == 0, 1.0, x)))


def _deg2rad(x: Number) -> Number:
    """π/180 · x"""
    return x * (math.pi / 180.0)


def _deg2rad_slope(x: Number) -> Number:
    return math.pi / 180.0


def _rad2deg(x: Number) -> Number:
    """180/π · x"""
    return x * (180.0 / math.pi)


def _rad2deg_slope(x: Number) -> Number:
    return 180.0 / math.pi


def within_one(rng: np.random.Generator) -> list[Sample]:
    """Inputs within (−1, 1)."""
    x = rng.uniform(-0.9, 0.9, (4, 6))
    return [
        Sample((x,)),
        Sample((np.zeros((1,)),), note="size one, zero"),
        Sample((x[:0],), note="empty"),
        Sample((x[::2, ::-3],), note="non-contiguous"),
    ]


T = "torch."
tan = elementwise(_tan, _tan_slope, of="z", loops=False, name="tan", reference=T + "tan", samples=within_one)
asin = elementwise(_asin, _asin_slope, loops=False, name="asin", reference=T + "asin", samples=within_one)
acos = elementwise(_acos, _acos_slope, loops=False, name="acos", reference=T + "acos", samples=within_one)
atan = elementwise(_atan, _atan_slope, loops=False, name="atan", reference=T + "atan")
sinc = elementwise(_sinc, _sinc_slope, loops=False, name="sinc", reference=T + "sinc", samples=within_one)
deg2rad = elementwise(_deg2rad, _deg2rad_slope, of="", loops=False, name="deg2rad", reference=T + "deg2rad")
rad2deg = elementwise(_rad2deg, _rad2deg_slope, of="", loops=False, name="rad2deg", reference=T + "rad2deg")
