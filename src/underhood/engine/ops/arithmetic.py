"""Arithmetic of two arrays, number by number, with broadcasting.

z = f(x, y),   ∂E/∂x = Σ ∂f/∂x · ∂E/∂z over the copies that broadcasting made of x

x, y: shapes that broadcast   z: the shape of both together
"""

import numpy as np

from underhood.engine.forms import Sample
from underhood.engine.lift import Number, binary, elementwise, where


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


def _pow(x: Number, y: Number) -> Number:
    """xʸ"""
    return x**y


def _pow_back_x(dz: Number, x: Number, y: Number) -> Number:
    """∂xʸ/∂x = y xʸ⁻¹, and 0 where y = 0"""
    return where(y == 0, 0.0 * dz, dz * y * x ** where(y == 0, y, y - 1))


def _pow_back_y(dz: Number, x: Number, y: Number) -> Number:
    """∂xʸ/∂y = xʸ ln x, and 0 where x = 0 ≤ y"""
    return where((x == 0) & (y >= 0), 0.0 * dz, dz * x**y * np.log(where(x == 0, x + 1.0, x)))


def _neg(x: Number) -> Number:
    """−x"""
    return -x


def _minus_one(x: Number) -> Number:
    return 0.0 * x - 1.0


def _powers(rng: np.random.Generator) -> list[Sample]:
    return [
        Sample((rng.uniform(0.2, 3.0, (3, 4)), rng.normal(size=(3, 4)))),
        Sample((rng.uniform(0.2, 3.0, (2, 1, 4)), rng.normal(size=(3, 1))), note="broadcast both ways"),
        Sample((np.array([0.0, 0.0, 2.0]), np.array([0.0, 2.0, 0.0])), note="zeros"),
    ]


add = binary(_add, _same, _same, name="add", twin="torch.add", saves=())
sub = binary(_sub, _same, _negated, name="sub", twin="torch.sub", saves=())
mul = binary(_mul, _mul_back_x, _mul_back_y, name="mul", twin="torch.mul")
div = binary(_div, _div_back_x, _div_back_y, name="div", twin="torch.div")
pow_ = binary(_pow, _pow_back_x, _pow_back_y, name="pow", twin="torch.pow", samples=_powers)
neg = elementwise(_neg, _minus_one, name="neg", twin="torch.neg")
