"""New tensors: from numbers, filled, counted, or drawn. float32 unless the numbers or `dtype` say otherwise."""

from typing import Any

import numpy as np

from underhood.engine.dtypes import DType, float32, float64, int64
from underhood.engine.forms import Array
from underhood.engine.random import stream
from underhood.engine.tensor import Tensor, check_device

Generator = np.random.Generator | None

__all__ = [
    "arange",
    "as_tensor",
    "empty",
    "empty_like",
    "eye",
    "from_numpy",
    "full",
    "full_like",
    "linspace",
    "ones",
    "ones_like",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "tensor",
    "zeros",
    "zeros_like",
]


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A new tensor from numbers, lists or an array (copied). Python's floats become float32, its ints int64."""
    check_device(device)
    array = _numbers(data)
    if dtype is None and array.dtype == float64 and not isinstance(data, np.ndarray | np.generic | Tensor):
        dtype = float32
    return Tensor(array if dtype is None else array.astype(dtype), requires_grad)


def _numbers(data: Any) -> Array:
    if isinstance(data, Tensor):
        return data.array.copy()
    if isinstance(data, list | tuple):  # which may hold tensors
        data = [x.tolist() if isinstance(x, Tensor) else x for x in data]
    return np.array(data)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor, on its own memory where that is possible."""
    if isinstance(data, Tensor):
        return data.to(dtype=dtype)
    if isinstance(data, np.ndarray) and dtype in (None, data.dtype):
        return from_numpy(data)
    return tensor(data, dtype, device=device)


def from_numpy(array: Array) -> Tensor:
    """A tensor on the array's own memory."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    return Tensor(array)


def _shape(size: tuple[Any, ...]) -> tuple[int, ...]:
    """(2, 3) from f(2, 3) and from f((2, 3))."""
    return tuple(int(n) for n in (size[0] if len(size) == 1 and not np.isscalar(size[0]) else size))


def _new(array: Array, dtype: Any, requires_grad: bool, device: Any) -> Tensor:
    check_device(device)
    return Tensor(array.astype(float32 if dtype is None else dtype, copy=False), requires_grad)


# -- filled --


def empty(*size: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Whatever was in memory."""
    return _new(np.empty(_shape(size), dtype or float32), dtype, requires_grad, device)


def zeros(*size: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    return _new(np.zeros(_shape(size), dtype or float32), dtype, requires_grad, device)


def ones(*size: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    return _new(np.ones(_shape(size), dtype or float32), dtype, requires_grad, device)


def full(size: Any, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """`fill_value` everywhere; its type gives the dtype."""
    dtype = tensor(fill_value).dtype if dtype is None else dtype
    return _new(np.full(_shape((size,)), fill_value), dtype, requires_grad, device)


def eye(n: int, m: int | None = None, *, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Ones on the diagonal of an n × m matrix, zeros elsewhere."""
    return _new(np.eye(n, m), dtype, requires_grad, device)


def empty_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    return _new(np.empty_like(input.array), dtype or input.dtype, requires_grad, device)


def zeros_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    return _new(np.zeros_like(input.array), dtype or input.dtype, requires_grad, device)


def ones_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    return _new(np.ones_like(input.array), dtype or input.dtype, requires_grad, device)


def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    return _new(np.full_like(input.array, fill_value), dtype or input.dtype, requires_grad, device)


# -- counted --


def arange(
    start: float,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """start, start + step, … below `end`; `arange(n)` counts from 0. Whole numbers give int64."""
    start, end = (0, start) if end is None else (start, end)
    whole = all(isinstance(x, int) for x in (start, end, step))
    return _new(np.arange(start, end, step), dtype or (int64 if whole else float32), requires_grad, device)


def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """`steps` numbers from `start` to `end`, both included, evenly spaced."""
    return _new(np.linspace(start, end, steps), dtype, requires_grad, device)


# -- drawn, from the engine's stream or a `generator` of NumPy's --


def rand(
    *size: Any, generator: Generator = None, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """U(0, 1)."""
    return _new(stream(generator).random(_shape(size)), dtype, requires_grad, device)


def randn(
    *size: Any, generator: Generator = None, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """N(0, 1)."""
    return _new(stream(generator).standard_normal(_shape(size)), dtype, requires_grad, device)


def randint(
    low: int, high: Any, size: Any = None, *, generator: Generator = None, dtype: Any = None, device: Any = None
) -> Tensor:
    """Integers from `low` to `high` − 1; `randint(high, size)` counts from 0."""
    low, high, size = (0, low, high) if size is None else (low, high, size)
    return _new(stream(generator).integers(low, high, _shape((size,))), dtype or int64, False, device)


def randperm(n: int, *, generator: Generator = None, dtype: Any = None, device: Any = None) -> Tensor:
    """0 … n − 1 in random order."""
    return _new(stream(generator).permutation(n), dtype or int64, False, device)


def _like(dtype: Any, input: Tensor) -> DType:
    return input.dtype if dtype is None else np.dtype(dtype)


def rand_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    return rand(input.shape, dtype=_like(dtype, input), requires_grad=requires_grad, device=device)


def randn_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    return randn(input.shape, dtype=_like(dtype, input), requires_grad=requires_grad, device=device)


# -- methods: more tensors of the same dtype --


def new_tensor(input: Tensor, data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    return tensor(data, _like(dtype, input), requires_grad)


def new_zeros(input: Tensor, *size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    return zeros(*size, dtype=_like(dtype, input), requires_grad=requires_grad)


def new_ones(input: Tensor, *size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    return ones(*size, dtype=_like(dtype, input), requires_grad=requires_grad)


def new_full(input: Tensor, size: Any, fill_value: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    return full(size, fill_value, dtype=_like(dtype, input), requires_grad=requires_grad)


def new_empty(input: Tensor, *size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    return empty(*size, dtype=_like(dtype, input), requires_grad=requires_grad)
