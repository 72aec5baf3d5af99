"""The activations made of straight (or nearly straight) pieces, each as f and f′; `lift` makes their forms.

    z = f(x),   ∂E/∂x = f′(x) · ∂E/∂z        x, z: any shape, the same

At a kink there is no slope, and f′ is PyTorch's choice: for most that of the flatter piece.

Sources: ReLU, Nair & Hinton 2010; LeakyReLU, Maas et al. 2013; ReLU6, Krizhevsky 2010; hardswish and hardsigmoid,
Howard et al. 2019. PyTorch: torch.nn.functional, each of the same name and with the same arguments.
"""

import math

import numpy as np

from underhood.engine.lift import Number, elementwise, where
from underhood.engine.tensor import Tensor


def _relu(x: Number) -> Number:
    """max(x, 0)"""
    return where(x <= 0, 0.0, x)


def _relu_slope(z: Number) -> Number:
    return where(z <= 0, 0.0, 1.0)


def _leaky_relu(x: Number, negative_slope: float = 0.01) -> Number:
    """x above 0, negative_slope · x below"""
    return where(x > 0, x, negative_slope * x)


def _leaky_relu_slope(x: Number, negative_slope: float) -> Number:
    return where(x > 0, 1.0, negative_slope)


def _hardtanh(x: Number, min_val: float = -1.0, max_val: float = 1.0) -> Number:
    """x, but no less than min_val and no more than max_val"""
    return where(x > max_val, max_val, where(x < min_val, min_val, x))


def _hardtanh_slope(z: Number, min_val: float, max_val: float) -> Number:
    return where((z > min_val) & (z < max_val), 1.0, 0.0)


def _hardsigmoid(x: Number) -> Number:
    """x/6 + ½, but no less than 0 and no more than 1"""
    return where(x >= 3, 1.0, where(x <= -3, 0.0, x / 6.0 + 0.5))


def _hardsigmoid_slope(x: Number) -> Number:
    return where((x > -3) & (x < 3), 1.0 / 6.0, 0.0)


def _hardswish(x: Number) -> Number:
    """x · hardsigmoid(x)"""
    return where(x >= 3, x, where(x <= -3, 0.0, x * (x + 3.0) / 6.0))


def _hardswish_slope(x: Number) -> Number:
    return where(x >= 3, 1.0, where(x <= -3, 0.0, x / 3.0 + 0.5))


def _hardshrink(x: Number, lambd: float = 0.5) -> Number:
    """0 where |x| ≤ lambd, else x"""
    return where(abs(x) <= lambd, 0.0, x)


def _hardshrink_slope(x: Number, lambd: float) -> Number:
    return where(abs(x) <= lambd, 0.0, 1.0)


def _softshrink(x: Number, lambd: float = 0.5) -> Number:
    """x moved towards 0 by lambd, and 0 if it would pass it"""
    return where(x > lambd, x - lambd, where(x < -lambd, x + lambd, 0.0 * x))


def _threshold(x: Number, threshold: float, value: float) -> Number:
    """x above the threshold, else the value"""
    return where(x <= threshold, value, x)


def _threshold_slope(x: Number, threshold: float, value: float) -> Number:
    return where(x <= threshold, 0.0, 1.0)


F = "torch.nn.functional."
AT_THREE, AT_HALF = (-3.0, -1.0, 0.0, 3.0, 4.0), (-1.0, -0.5, 0.0, 0.5, 1.0)

relu = elementwise(
    _relu,
    _relu_slope,
    of="z",
    inplace=True,
    integers=True,
    name="relu",
    reference="torch.relu",
    kinks=(-1.0, -0.0, 0.0, 2.0, -math.inf, math.inf),
)
leaky_relu = elementwise(
    _leaky_relu,
    _leaky_relu_slope,
    inplace=True,
    name="leaky_relu",
    reference=F + "leaky_relu",
    kinks=(-1.0, -0.0, 0.0, 2.0),
    settings={"negative_slope": 0.2},
)
_hard_tanh = elementwise(
    _hardtanh,
    _hardtanh_slope,
    of="z",
    inplace=True,
    integers=True,
    name="hardtanh",
    reference=F + "hardtanh",
    kinks=(-2.0, -1.0, 0.0, 1.0, 2.0),
    settings={"min_val": -0.5, "max_val": 2.0},
)
hardsigmoid = elementwise(
    _hardsigmoid,
    _hardsigmoid_slope,
    inplace=True,
    name="hardsigmoid",
    reference=F + "relu6",
    ask=lambda relu6, x: relu6(x + 3) / 6,  # torch's hardsigmoid has 1/6 in single precision in its gradient
    kinks=AT_THREE,
)
hardswish = elementwise(
    _hardswish, _hardswish_slope, inplace=True, name="hardswish", reference=F + "hardswish", kinks=AT_THREE
)
hardshrink = elementwise(
    _hardshrink,
    _hardshrink_slope,
    name="hardshrink",
    reference=F + "hardshrink",
    kinks=AT_HALF,
    settings={"lambd": 1.5},
)
_soft_shrink = elementwise(
    _softshrink,
    _hardshrink_slope,
    name="softshrink",
    reference=F + "softshrink",
    kinks=AT_HALF,
    settings={"lambd": 1.5},
)
threshold = elementwise(
    _threshold,
    _threshold_slope,
    inplace=True,
    integers=True,
    name="threshold",
    reference=F + "threshold",
    kinks=(0.0, 0.25, 1.0),
    settings={"threshold": 0.25, "value": 20.0},
)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x, but no less than min_val and no more than max_val"""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return _hard_tanh(input, min_val, max_val, inplace)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by lambd, and 0 if it would pass it"""
    if lambd < 0:
        raise RuntimeError(f"lambda must be in range [0, {np.finfo(np.float32).max}] for input dtype, found {lambd}")
    return _soft_shrink(input, lambd)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6)"""
    return hardtanh(input, 0.0, 6.0, inplace)


def relu_(input: Tensor) -> Tensor:
    """max(x, 0), written into x."""
    return relu(input, inplace=True)
