"""Sums of products: an array, and so much of another.

    lerp      z = x + w (y − x)                 w: a number or an array
    addcmul   z = x + v · a · b
    addcdiv   z = x + v · a / b

    all arrays: shapes that broadcast

All are written in other operations, which give their gradients. PyTorch: torch.lerp, addcmul, addcdiv.
"""

from typing import Any

import numpy as np

from underhood.engine.dtypes import category
from underhood.engine.ops.arithmetic import add, div, mul, sub
from underhood.engine.ops.checks import must_be_tensors
from underhood.engine.ops.where import where
from underhood.engine.tensor import Tensor


def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """input + weight · (end − input), from `input` at 0 to `end` at 1."""
    must_be_tensors("lerp", input=input, end=end)
    for what, x in (("end", end), ("weight", weight)):
        if isinstance(x, Tensor) and x.dtype != input.dtype:
            raise RuntimeError(f"lerp: expected dtype {input.dtype} for `{what}` but got dtype {x.dtype}")
    if not input.is_floating_point():
        raise NotImplementedError(f"lerp: not implemented for {input.dtype}; use floating point")
    way = sub(end, input)
    if not isinstance(weight, Tensor):  # from the nearer end, which is exact at both
        return add(input, mul(way, weight)) if abs(weight) < 0.5 else sub(end, mul(way, 1 - weight))
    near = Tensor(np.abs(weight.array) < 0.5)
    return where(near, add(input, mul(way, weight)), sub(end, mul(way, sub(1, weight))))


def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """input + value · tensor1 · tensor2"""
    _whole_value("addcmul", value, input, tensor1, tensor2)
    return add(input, mul(tensor1, tensor2), alpha=value)


def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """input + value · tensor1 / tensor2"""
    must_be_tensors("addcdiv", input=input, tensor1=tensor1, tensor2=tensor2)
    if not tensor1.is_floating_point() and not tensor2.is_floating_point():
        raise RuntimeError("Integer division with addcdiv is no longer supported; use true division of floats")
    return add(input, div(tensor1, tensor2), alpha=value)


def _whole_value(name: str, value: float, *tensors: Tensor) -> None:
    must_be_tensors(name, **{f"argument {i}": x for i, x in enumerate(tensors)})
    if isinstance(value, float) and max(category(x.dtype) for x in tensors) < 2:
        raise RuntimeError(f"{name}: For integral input tensors, argument value must not be a floating point number.")
