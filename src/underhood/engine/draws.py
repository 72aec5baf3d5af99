"""New tensors drawn at random, from the engine's stream or a `generator` of one's own, PyTorch's or NumPy's.

rand     U(0, 1)          randint      whole numbers, equally likely       bernoulli   1 with chance p, else 0
randn    N(0, 1)          randperm     0 … n − 1 in random order           normal      N(mean, std²)
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from underhood.engine import random, tape
from underhood.engine.creation import check_hints, like, new, shape_of
from underhood.engine.dtypes import DType, float64, get_default_dtype, int64
from underhood.engine.forms import Array
from underhood.engine.random import stream
from underhood.engine.tensor import Tensor

Generator = np.random.Generator | None

__all__ = [
    "bernoulli",
    "normal",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
]


def rand(
    *lengths: Any,
    size: Any = None,
    generator: Generator = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    **hints: Any,
) -> Tensor:
    """U(0, 1)."""
    check_hints(hints)
    of = _floating("rand", dtype)
    shape = shape_of(lengths, size)
    return _drawn(lambda: random.uniform(shape, of, generator=generator), of, requires_grad, device)


def randn(
    *lengths: Any,
    size: Any = None,
    generator: Generator = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
    **hints: Any,
) -> Tensor:
    """N(0, 1)."""
    check_hints(hints)
    of = _floating("randn", dtype)
    shape = shape_of(lengths, size)
    return _drawn(lambda: random.normal(shape, of, generator=generator), of, requires_grad, device)


def _drawn(draw: Callable[[], Array], dtype: Any, requires_grad: bool, device: Any) -> Tensor:
    """What `draw` draws as a tensor; a recorded step draws it anew at every replay."""
    made = new(draw(), dtype, requires_grad, device)
    if (who := tape.listener()) is not None:
        who.side_effect("drawn", tensor=made, again=draw)
    return made


def _floating(name: str, dtype: Any) -> DType:
    of = get_default_dtype() if dtype is None else np.dtype(dtype)
    if of.kind != "f":
        raise NotImplementedError(f"{name}: not drawn as {of}; randint draws whole numbers")
    return of


def randint(
    *bounds: Any,
    low: int = 0,
    high: int | None = None,
    size: Any = None,
    generator: Generator = None,
    dtype: Any = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Integers from `low` to `high` − 1: `randint(low, high, size)`; `randint(high, size)` counts from 0."""
    if size is None and bounds:
        *bounds, size = bounds  # type: ignore[assignment]
    if high is None and bounds:
        *bounds, high = bounds  # type: ignore[assignment]
    if bounds:
        (low,) = bounds
    if high is None or size is None:
        raise TypeError("randint() wants (high, size) or (low, high, size)")
    if not low < high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    first, last, shape = int(low), int(high), shape_of((size,))

    def draw() -> Array:
        return np.asarray(stream(generator).integers(first, last, shape))

    return _drawn(draw, dtype or int64, requires_grad, device)


def randperm(n: int, *, generator: Generator = None, dtype: Any = None, device: Any = None, **hints: Any) -> Tensor:
    """0 … n − 1 in random order."""
    check_hints(hints)
    return _drawn(lambda: stream(generator).permutation(n), dtype or int64, False, device)


def normal(mean: Any, std: Any = 1.0, size: Any = None, *, generator: Generator = None, dtype: Any = None) -> Tensor:
    """N(mean, std²): of `size` for two numbers, else of the shape that two tensors have together."""
    if size is not None:
        return Tensor(random.normal(shape_of((size,)), _floating("normal", dtype), mean, std, generator))
    tensors = [x for x in (mean, std) if isinstance(x, Tensor)]
    if not tensors:
        raise TypeError("normal() of two numbers wants a size")
    means, spreads = (x.array if isinstance(x, Tensor) else x for x in (mean, std))
    drawn = random.normal(np.broadcast_shapes(np.shape(means), np.shape(spreads)), tensors[0].dtype, 0, 1, generator)
    return Tensor(np.asarray(drawn * spreads + means, tensors[0].dtype))


def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator = None) -> Tensor:
    """1 with the chance that stands in `input` (or `p`), else 0, in its dtype."""
    chance = input.array if p is None else np.full(input.shape, p)
    if chance.size and not (chance.min() >= 0 and chance.max() <= 1):
        raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.")
    drawn = random.uniform(tuple(input.shape), float64, generator=generator) < chance
    return Tensor(np.asarray(drawn, input.dtype))


def rand_like(input: Tensor, *, dtype: Any = None, **options: Any) -> Tensor:
    return rand(input.shape, dtype=like(dtype, input), **options)


def randn_like(input: Tensor, *, dtype: Any = None, **options: Any) -> Tensor:
    return randn(input.shape, dtype=like(dtype, input), **options)


def randint_like(input: Tensor, *bounds: int, dtype: Any = None, **options: Any) -> Tensor:
    """`randint_like(input, high)` or `(input, low, high)`."""
    return randint(*bounds, size=input.shape, dtype=like(dtype, input), **options)
