"""Functions applied to every number by itself, each as f and f′; `lift` makes their forms.

    z = f(x),   ∂E/∂x = f′(x) · ∂E/∂z        x, z: any shape, the same

At a kink f′ is PyTorch's choice, noted where it is one: relu′(0) = 0, |x|′(0) = 0.
"""

import numpy as np

from underhood.engine.forms import Sample
from underhood.engine.lift import Number, elementwise, where


def _sigmoid(x: Number) -> Number:
    """σ(x) = 1 / (1 + e⁻ˣ), written with e^−|x| so that it never overflows."""
    e = np.exp(-abs(x))
    return where(x >= 0, 1.0, e) / (1.0 + e)


def _sigmoid_slope(x: Number) -> Number:
    """σ′ = σ (1 − σ), where 1 − σ(x) = σ(−x) = e^−|x| / (1 + e^−|x|) on the far side."""
    e = np.exp(-abs(x))
    return e / ((1.0 + e) * (1.0 + e))


def _tanh(x: Number) -> Number:
    """tanh x = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)"""
    return np.tanh(x)


def _tanh_slope(x: Number) -> Number:
    """tanh′ = 1 / cosh²; 1 − tanh² would cancel where tanh is near 1."""
    e = np.exp(-2.0 * abs(x))
    return 4.0 * e / ((1.0 + e) * (1.0 + e))


def _relu(x: Number) -> Number:
    """relu x = max(x, 0)"""
    return where(x > 0, x, 0.0 * x)


def _relu_slope(x: Number) -> Number:
    return where(x > 0, 1.0, 0.0)


def _exp(x: Number) -> Number:
    """eˣ"""
    return np.exp(x)


def _log(x: Number) -> Number:
    """ln x, for x > 0"""
    return np.log(x)


def _reciprocal(x: Number) -> Number:
    """1 / x"""
    return 1.0 / x


def _sqrt(x: Number) -> Number:
    """√x, for x ≥ 0"""
    return np.sqrt(x)


def _sqrt_slope(x: Number) -> Number:
    return 0.5 / np.sqrt(x)


def _abs(x: Number) -> Number:
    """|x|"""
    return abs(x)


def _sign(x: Number) -> Number:
    return where(x > 0, 1.0, where(x < 0, -1.0, 0.0))


def _positive(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample((rng.uniform(0.1, 4.0, (3, 5)),)),
        Sample((rng.uniform(0.1, 4.0, (0, 2)),), note="empty"),
        Sample((rng.uniform(0.1, 4.0, (4, 6))[::2, ::-3],), note="non-contiguous"),
    ]


def _with_kink(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample((rng.normal(size=(3, 5)),)),
        Sample((np.array([-1.0, -0.0, 0.0, 2.0]),), note="the kink at 0"),
        Sample((rng.normal(size=(4, 6))[::2, ::-3],), note="non-contiguous"),
        Sample((rng.normal(size=(0,)),), note="empty"),
    ]


sigmoid = elementwise(_sigmoid, _sigmoid_slope, name="sigmoid", twin="torch.sigmoid")
tanh = elementwise(_tanh, _tanh_slope, name="tanh", twin="torch.tanh")
relu = elementwise(_relu, _relu_slope, name="relu", twin="torch.relu", samples=_with_kink)
exp = elementwise(_exp, _exp, name="exp", twin="torch.exp")
log = elementwise(_log, _reciprocal, name="log", twin="torch.log", samples=_positive)
sqrt = elementwise(_sqrt, _sqrt_slope, name="sqrt", twin="torch.sqrt", samples=_positive)
abs_ = elementwise(_abs, _sign, name="abs", twin="torch.abs", samples=_with_kink)
