"""The same numbers in another dtype.

    z = x, rounded to `dtype`        ∂E/∂x = δ, in x's dtype

    x, z: any shape, the same

PyTorch: torch.Tensor.to(dtype). Between floats the gradient passes; integers have none.
"""

import sys
from typing import Any

import numpy as np

from underhood.engine.device import check_device, is_device
from underhood.engine.dtypes import DType, bool_, float32, float64, int32, int64
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.tensor import Tensor, apply


def cast(input: Tensor, dtype: Any) -> Tensor:
    """`input` with numbers of `dtype`; itself if it has them already."""
    if dtype == input.array.dtype:
        return input
    dtype = np.dtype(dtype)
    if dtype.kind != "f" or not input.is_floating_point():
        return Tensor(input.array.astype(dtype))
    return apply(ENTRY, input, dtype=dtype)


def to(
    input: Tensor,
    *args: Any,
    dtype: Any = None,
    device: Any = None,
    copy: bool = False,
    non_blocking: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """`to(dtype)`, `to(other)`, `to("cpu")`: another dtype; the device is always the CPU, and nothing has to wait."""
    for argument in args:
        if isinstance(argument, Tensor):
            dtype = argument.dtype
        elif is_device(argument):
            device = argument
        elif not isinstance(argument, bool):
            dtype = argument
    check_device(device)
    changed = cast(input, input.dtype if dtype is None else dtype)
    return changed.clone() if copy and changed is input else changed


def type_as(input: Tensor, other: Tensor) -> Tensor:
    """`input` in the dtype of `other`."""
    return cast(input, other.dtype)


def double(input: Tensor) -> Tensor:
    return cast(input, float64)


def to_float(input: Tensor) -> Tensor:
    return cast(input, float32)


def long(input: Tensor) -> Tensor:
    return cast(input, int64)


def to_int(input: Tensor) -> Tensor:
    return cast(input, int32)


def to_bool(input: Tensor) -> Tensor:
    return cast(input, bool_)


def vector(x: Array, *, dtype: DType) -> Array:
    return x.astype(dtype)


def vector_backward(dz: Array, z: Array, x: Array, *, dtype: DType) -> Array:
    return dz.astype(x.dtype)


def samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(4, 6))
    return [
        Sample((x,), {"dtype": np.dtype("float64")}),
        Sample((x.T[::2],), {"dtype": np.dtype("float64")}, "non-contiguous"),
        Sample((x[:0],), {"dtype": np.dtype("float64")}, "empty"),
    ]


def _by_torch(to: Any, x: Any, dtype: DType) -> Any:
    return to(x, getattr(sys.modules["torch"], dtype.name))  # x is a tensor of torch's, so torch is loaded


ENTRY = Operation(
    "cast",
    cast,
    vector=Form(vector, vector_backward),
    reference="torch.Tensor.to",
    ask=_by_torch,
    saves=(),
    samples=samples,
)
