"""Kinds of numbers, under torch's names, and what comes out when two kinds meet.

A kind is NumPy's dtype, so `underhood.float32` works wherever NumPy takes one. Promotion is torch's, not NumPy's:
a float wins over integers without growing (float32 with int64 is float32), and an array's kind wins over that of a
lone number of the same category, be it Python's or a tensor without axes.
"""

import builtins
from functools import reduce
from typing import Any

import numpy as np

DType = np.dtype[Any]

float32, float64 = np.dtype("float32"), np.dtype("float64")
int8, int16, int32, int64 = np.dtype("int8"), np.dtype("int16"), np.dtype("int32"), np.dtype("int64")
uint8, bool_ = np.dtype("uint8"), np.dtype("bool")
DTYPES = (float32, float64, int64, int32, int16, int8, uint8, bool_)

_default = float32


def get_default_dtype() -> DType:
    """The dtype of tensors made from Python's floats, of layers, and of integers that have to become floats."""
    return _default


def set_default_dtype(d: Any) -> None:
    """Change it, to float32 or float64."""
    global _default
    if np.dtype(d) not in (float32, float64):
        raise TypeError(f"only floating-point types are supported as the default type: float32 or float64, not {d}")
    _default = np.dtype(d)


CATEGORIES = {"b": 0, "i": 1, "u": 1, "f": 2}


def category(dtype: DType) -> builtins.int:
    """0 for bool, 1 for integers, 2 for floats: an operation's result never falls below its operands'."""
    return CATEGORIES[dtype.kind]


def promote(a: DType, b: DType) -> DType:
    """The dtype of two arrays together."""
    if category(a) != category(b):
        return a if category(a) > category(b) else b
    return np.promote_types(a, b)


def result_type(*operands: Any) -> DType:
    """The dtype of an operation on arrays and Python numbers.

    Arrays with axes speak first, then those without, then Python's numbers; a later group is heard only if its
    category is higher.
    """
    groups: list[list[DType]] = [[], [], []]
    for x in operands:
        if isinstance(x, builtins.bool | builtins.int | builtins.float):
            groups[2].append(_of_number(x))
        else:
            groups[0 if x.ndim else 1].append(x.dtype)
    found = [reduce(promote, group) for group in groups if group]
    result = found[0]
    for weaker in found[1:]:
        if category(weaker) > category(result):
            result = weaker
    return result


def _of_number(x: builtins.bool | builtins.int | builtins.float) -> DType:
    if isinstance(x, builtins.bool):
        return bool_
    return int64 if isinstance(x, builtins.int) else _default


# torch's second names; they hide Python's from here on, which is why they stand last
float, double = float32, float64
short, int, long = int16, int32, int64
bool = bool_
