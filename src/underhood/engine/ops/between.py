"""Every element kept between two bounds, each an array itself.

    z = min(max(x, l), h)        either bound may be missing

    x, l, h: shapes that broadcast   z: the shape of all together

    ∂E/∂x = δ where l ≤ x ≤ h,   ∂E/∂l = δ where x < l < h,   ∂E/∂h = δ where x > h or h < l,   else 0

PyTorch: torch.clamp with tensors.
"""

from typing import Any

import numpy as np

from underhood.engine.dtypes import result_type
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.lift import unbroadcast
from underhood.engine.ops.cast import cast
from underhood.engine.tensor import Tensor, apply


def between(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """x, but no less than `min` and no more than `max`, each a tensor, a number or None."""
    bounds = [b for b in (min, max) if b is not None]
    dtype = result_type(*(b.array if isinstance(b, Tensor) else b for b in (input, *bounds)))
    low, high = (
        None if b is None else cast(b, dtype) if isinstance(b, Tensor) else Tensor(np.asarray(b, dtype))
        for b in (min, max)
    )
    try:
        np.broadcast_shapes(input.shape, *(b.shape for b in (low, high) if b is not None))
    except ValueError:
        raise RuntimeError(
            f"clamp: input {tuple(input.shape)} and bounds {[tuple(b.shape) for b in bounds]} do not broadcast together"
        ) from None
    return apply(ENTRY, cast(input, dtype), low, high)


def vector(x: Array, low: Array | None, high: Array | None) -> Array:
    z = x if low is None else np.maximum(x, low)
    return np.asarray(z if high is None else np.minimum(z, high))


def vector_backward(
    dz: Array, z: Array, x: Array, low: Array | None, high: Array | None, needs: tuple[bool, ...] = (True, True, True)
) -> tuple[Array | None, ...]:
    zero = dz.dtype.type(0)
    below = np.False_ if low is None else x < low
    above = np.False_ if high is None else x > high
    crossed = np.False_ if low is None or high is None else high < low
    dx = unbroadcast(np.where(below | above, zero, dz), x) if needs[0] else None
    dl = dh = None
    if low is not None and needs[1]:
        less = np.True_ if high is None else low < high
        dl = unbroadcast(np.where(below & less, dz, zero), low)
    if high is not None and needs[2]:
        dh = unbroadcast(np.where(above | crossed, dz, zero), high)
    return dx, dl, dh


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal
    ties = rng.integers(-2, 3, (4, 6)).astype(float)
    return [
        Sample((n(size=(3, 4)), n(size=(3, 4)) - 0.5, n(size=(3, 4)) + 0.5)),
        Sample((n(size=(3, 4)), n(size=(4,)), None), note="one bound, broadcast"),
        Sample((n(size=(4,)), None, n(size=(3, 1))), note="the other bound, broadcast"),
        Sample((ties, np.array(-1.0), np.array(1.0)), note="ties"),
        Sample((n(size=(4, 6))[::2].T, n(size=(6, 1)), n(size=())), note="bounds that cross, non-contiguous"),
        Sample((n(size=(0, 4)), n(size=(4,)), None), note="empty"),
    ]


ENTRY = Operation(
    "clamp_between",
    between,
    vector=Form(vector, vector_backward),
    reference="torch.clamp",
    saves=("x", "low", "high"),
    samples=samples,
)
