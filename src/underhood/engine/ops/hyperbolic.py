"""The hyperbolic functions but tanh, which is an activation, and their inverses.

    z = f(x),   ∂E/∂x = f′(x) · ∂E/∂z        x, z: any shape, the same

PyTorch: torch.sinh, cosh, asinh, acosh, atanh.
"""

import numpy as np

from underhood.engine.forms import Sample
from underhood.engine.lift import Number, elementwise
from underhood.engine.ops.trigonometry import within_one


def _sinh(x: Number) -> Number:
    """(eˣ − e⁻ˣ) / 2"""
    return np.sinh(x)


def _cosh(x: Number) -> Number:
    """(eˣ + e⁻ˣ) / 2"""
    return np.cosh(x)


def _asinh(x: Number) -> Number:
    """ln(x + √(x² + 1))"""
    return np.arcsinh(x)


def _asinh_slope(x: Number) -> Number:
    return 1.0 / np.sqrt(x * x + 1.0)


def _acosh(x: Number) -> Number:
    """ln(x + √(x² − 1)), for x ≥ 1"""
    return np.arccosh(x)


def _acosh_slope(x: Number) -> Number:
    return 1.0 / np.sqrt(x * x - 1.0)


def _atanh(x: Number) -> Number:
    """½ ln((1 + x) / (1 − x)), for |x| < 1"""
    return np.arctanh(x)


def _atanh_slope(x: Number) -> Number:
    return 1.0 / (1.0 - x * x)


def _above_one(rng: np.random.Generator) -> list[Sample]:
    return [Sample((1.1 + abs(sample.inputs[0]),), note=sample.note) for sample in within_one(rng)]


T = "torch."
sinh = elementwise(_sinh, _cosh, loops=False, name="sinh", reference=T + "sinh", samples=within_one)
cosh = elementwise(_cosh, _sinh, loops=False, name="cosh", reference=T + "cosh", samples=within_one)
asinh = elementwise(_asinh, _asinh_slope, loops=False, name="asinh", reference=T + "asinh")
acosh = elementwise(_acosh, _acosh_slope, loops=False, name="acosh", reference=T + "acosh", samples=_above_one)
atanh = elementwise(_atanh, _atanh_slope, loops=False, name="atanh", reference=T + "atanh", samples=within_one)
