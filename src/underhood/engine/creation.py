"""New tensors: from numbers, filled, or counted; of the default dtype unless the numbers or `dtype` say otherwise.

`device` may be the CPU. torch's `pin_memory`, `layout` and `memory_format` change no number here and are taken.
Those that are drawn at random stand in `draws.py`.
"""

from typing import Any

import numpy as np

from underhood.engine import tape
from underhood.engine.device import check_device
from underhood.engine.dtypes import DType, float64, get_default_dtype, int64
from underhood.engine.forms import Array
from underhood.engine.tensor import Tensor

__all__ = [
    "arange",
    "as_tensor",
    "asarray",
    "empty",
    "empty_like",
    "eye",
    "from_numpy",
    "full",
    "full_like",
    "linspace",
    "logspace",
    "ones",
    "ones_like",
    "scalar_tensor",
    "tensor",
    "zeros",
    "zeros_like",
]


def tensor(
    data: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None, pin_memory: bool = False
) -> Tensor:
    """A new tensor from numbers, lists or an array (copied). Python's floats become the default dtype, ints int64."""
    check_device(device)
    array = _numbers(data)
    if dtype is None and array.dtype == float64 and not isinstance(data, np.ndarray | np.generic | Tensor):
        dtype = get_default_dtype()
    made = Tensor(array if dtype is None else array.astype(dtype), requires_grad)
    return tape.constant(made) if isinstance(data, int | float | list | tuple) else made


def _numbers(data: Any) -> Array:
    if isinstance(data, Tensor):
        return data.array.copy()
    return np.array(_plain(data))


def _plain(data: Any) -> Any:
    """Lists of lists of numbers, where tensors stood among them."""
    if isinstance(data, list | tuple) and any(isinstance(x, list | tuple | Tensor) for x in data):
        return [_plain(x) for x in data]
    return data.tolist() if isinstance(data, Tensor) else data


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor, on its own memory where that is possible."""
    check_device(device)
    if isinstance(data, Tensor):
        return data.to(dtype=dtype)
    if isinstance(data, np.ndarray) and dtype in (None, data.dtype):
        return from_numpy(data)
    return tensor(data, dtype)


def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False
) -> Tensor:
    """`as_tensor`, with a copy on request."""
    made = tensor(obj, dtype, device=device) if copy else as_tensor(obj, dtype, device)
    return made.requires_grad_() if requires_grad else made


def scalar_tensor(s: Any, *, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A number as a tensor without axes, of the default dtype."""
    return new(np.array(s), dtype, requires_grad, device)


def from_numpy(array: Array) -> Tensor:
    """A tensor on the array's own memory."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    return Tensor(array)


def shape_of(lengths: tuple[Any, ...], size: Any = None) -> tuple[int, ...]:
    """(2, 3) from f(2, 3), f((2, 3)) and f(size=(2, 3))."""
    if size is not None:
        lengths = (size,)
    if len(lengths) == 1 and np.ndim(getattr(lengths[0], "array", lengths[0])) == 1:
        lengths = lengths[0]
    return tuple(int(n) for n in lengths)


def new(array: Array, dtype: Any, requires_grad: bool, device: Any) -> Tensor:
    """The array as a tensor of `dtype`, by default the default one."""
    check_device(device)
    made = Tensor(array.astype(get_default_dtype() if dtype is None else dtype, copy=False), requires_grad)
    return tape.constant(made)


def check_hints(hints: dict[str, Any]) -> None:
    """Take what says how memory lies, and nothing else."""
    for name in hints:
        if name == "out":
            raise TypeError("underhood has no out= arguments: assign the result, or copy_ it")
        if name not in ("pin_memory", "layout", "memory_format"):
            raise TypeError(f"unexpected keyword argument {name!r}")


# -- filled --


def empty(
    *lengths: Any, size: Any = None, dtype: Any = None, requires_grad: bool = False, device: Any = None, **hints: Any
) -> Tensor:
    """Whatever was in memory."""
    check_hints(hints)
    return new(np.empty(shape_of(lengths, size), dtype or get_default_dtype()), dtype, requires_grad, device)


def zeros(
    *lengths: Any, size: Any = None, dtype: Any = None, requires_grad: bool = False, device: Any = None, **hints: Any
) -> Tensor:
    check_hints(hints)
    return new(np.zeros(shape_of(lengths, size), dtype or get_default_dtype()), dtype, requires_grad, device)


def ones(
    *lengths: Any, size: Any = None, dtype: Any = None, requires_grad: bool = False, device: Any = None, **hints: Any
) -> Tensor:
    check_hints(hints)
    return new(np.ones(shape_of(lengths, size), dtype or get_default_dtype()), dtype, requires_grad, device)


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    **hints: Any,
) -> Tensor:
    """`fill_value` everywhere; its type gives the dtype."""
    check_hints(hints)
    dtype = tensor(fill_value).dtype if dtype is None else dtype
    return new(np.full(shape_of((size,)), _plain(fill_value), dtype), dtype, requires_grad, device)


def eye(
    n: int, m: int | None = None, *, dtype: Any = None, requires_grad: bool = False, device: Any = None, **hints: Any
) -> Tensor:
    """Ones on the diagonal of an n × m matrix, zeros elsewhere."""
    check_hints(hints)
    for name, length in (("n", n), ("m", m)):
        if length is not None and length < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {length}")
    return new(np.eye(n, m), dtype, requires_grad, device)


def empty_like(
    input: Tensor, *, dtype: Any = None, requires_grad: bool = False, device: Any = None, **hints: Any
) -> Tensor:
    check_hints(hints)
    return new(np.empty_like(input.array, dtype), dtype or input.dtype, requires_grad, device)


def zeros_like(
    input: Tensor, *, dtype: Any = None, requires_grad: bool = False, device: Any = None, **hints: Any
) -> Tensor:
    check_hints(hints)
    return new(np.zeros_like(input.array, dtype), dtype or input.dtype, requires_grad, device)


def ones_like(
    input: Tensor, *, dtype: Any = None, requires_grad: bool = False, device: Any = None, **hints: Any
) -> Tensor:
    check_hints(hints)
    return new(np.ones_like(input.array, dtype), dtype or input.dtype, requires_grad, device)


def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, requires_grad: bool = False, device: Any = None, **hints: Any
) -> Tensor:
    """`fill_value`, in `dtype` or the input's, everywhere."""
    check_hints(hints)
    return new(np.full_like(input.array, _plain(fill_value), dtype), dtype or input.dtype, requires_grad, device)


# -- counted --


def arange(
    start: float,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    **hints: Any,
) -> Tensor:
    """start, start + step, … below `end`; `arange(n)` counts from 0. Whole numbers give int64."""
    check_hints(hints)
    start, end = (0, start) if end is None else (start, end)
    start, end, step = (x.item() if isinstance(x, Tensor) else x for x in (start, end, step))
    whole = all(isinstance(x, int | np.integer) for x in (start, end, step))
    dtype = np.dtype(dtype or (int64 if whole else get_default_dtype()))
    if dtype.kind in "iu":
        start, end, step = int(start), int(end), int(step)
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not (np.isfinite(start) and np.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if (end - start) * step < 0:
        raise RuntimeError(f"upper bound and lower bound inconsistent with step sign: from {start} to {end} by {step}")
    return new(np.arange(start, end, step), dtype, requires_grad, device)


def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """`steps` numbers from `start` to `end`, both included, evenly spaced; integers are rounded towards 0."""
    start, end = _ends("linspace", start, end, steps)
    if dtype is not None and np.dtype(dtype).kind in "iu":
        start, end = int(start), int(end)
    return new(np.linspace(start, end, steps), dtype, requires_grad, device)


def _ends(name: str, start: Any, end: Any, steps: int) -> tuple[float, float]:
    """The ends as numbers, which tensors without axes may be."""
    for x in (start, end):
        if isinstance(x, Tensor) and x.ndim:
            raise RuntimeError(f"{name} only supports 0-dimensional start and end tensors, but got {x.ndim}-D")
    if steps < 0:
        raise RuntimeError(f"number of steps must be non-negative, not {steps}")
    start, end = (x.item() if isinstance(x, Tensor) else x for x in (start, end))
    return start, end


def logspace(
    start: float,
    end: float,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """`base` to the powers that `linspace` gives."""
    start, end = _ends("logspace", start, end, steps)
    if dtype is not None and np.dtype(dtype).kind in "iu":
        start, end = int(start), int(end)
    return new(np.logspace(start, end, steps, base=base), dtype, requires_grad, device)


# -- methods: more tensors of the same dtype --


def like(dtype: Any, input: Tensor) -> DType:
    """`dtype`, by default the input's."""
    return input.dtype if dtype is None else np.dtype(dtype)


def new_tensor(input: Tensor, data: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    return tensor(data, like(dtype, input), requires_grad, device)


def new_zeros(input: Tensor, *lengths: Any, dtype: Any = None, **options: Any) -> Tensor:
    return zeros(*lengths, dtype=like(dtype, input), **options)


def new_ones(input: Tensor, *lengths: Any, dtype: Any = None, **options: Any) -> Tensor:
    return ones(*lengths, dtype=like(dtype, input), **options)


def new_empty(input: Tensor, *lengths: Any, dtype: Any = None, **options: Any) -> Tensor:
    return empty(*lengths, dtype=like(dtype, input), **options)


def new_full(input: Tensor, size: Any, fill_value: Any, dtype: Any = None, **options: Any) -> Tensor:
    return full(size, fill_value, dtype=like(dtype, input), **options)
