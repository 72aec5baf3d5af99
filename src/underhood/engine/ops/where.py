"""Choosing between two numbers, geometry by geometry.

    z = x where c holds, else y        ∂E/∂x = δ where c holds, else 0        ∂E/∂y = 0 where c holds, else δ

    c: bool   c, x, y: shapes that broadcast   z: the shape of all together

PyTorch: torch.where, masked_fill.
"""

from typing import Any

import numpy as np

from underhood.engine import tape
from underhood.engine.dtypes import result_type
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.inplace import apply_
from underhood.engine.lift import together, unbroadcast
from underhood.engine.tensor import Tensor, apply


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """`input` where `condition` holds, else `other`; with neither, the indices where it holds."""
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    if condition.dtype != np.bool_:
        raise RuntimeError(f"where expected condition to be a boolean tensor, but got dtype {condition.dtype}")
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        input = Tensor(np.asarray(input, result_type(input, other)))
    x, y = together(input, other)
    return apply(ENTRY, condition, x, y)


def nonzero(input: Tensor, as_tuple: bool = False) -> Any:
    """Where the numbers are not 0: one row of indices a position, or one vector of indices an axis."""
    if as_tuple and not input.ndim:
        return (Tensor(np.arange(int(bool(input.array)))),)
    if as_tuple:
        return tuple(Tensor(i) for i in np.nonzero(input.array))
    return Tensor(np.argwhere(input.array).astype(np.int64))


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`value` where `mask` holds, else `input`."""
    return apply(MASKED_FILL, input, *_mask_and_value(input, mask, value))


def masked_fill_(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`masked_fill` in place."""
    return apply_(MASKED_FILL, input, *_mask_and_value(input, mask, value))


def _mask_and_value(input: Tensor, mask: Tensor, value: Any) -> tuple[Tensor, Tensor]:
    if mask.dtype != np.bool_:
        raise RuntimeError(f"masked_fill_ only supports boolean masks, but got mask with dtype {mask.dtype}")
    v = value if isinstance(value, Tensor) else tape.constant(Tensor(np.asarray(value, input.dtype)))
    if v.ndim:
        raise RuntimeError(f"masked_fill_ only supports a 0-dimensional value tensor, but got {v.ndim} dimension(s).")
    return mask, v.to(input.dtype)


def vector(c: Array, x: Array, y: Array) -> Array:
    return np.where(c, x, y)


def vector_backward(dz: Array, z: Array, c: Array, x: Array, y: Array) -> tuple[None, Array, Array]:
    zero = dz.dtype.type(0)
    return None, unbroadcast(np.where(c, dz, zero), x), unbroadcast(np.where(c, zero, dz), y)


def fill_vector(x: Array, mask: Array, v: Array) -> Array:
    return np.where(mask, v, x)


def fill_vector_backward(dz: Array, z: Array, x: Array, mask: Array, v: Array) -> tuple[Array, None, Array]:
    zero = dz.dtype.type(0)
    return unbroadcast(np.where(mask, zero, dz), x), None, np.asarray(np.where(mask, dz, zero).sum())


def samples(rng: np.random.Generator) -> list[Sample]:
    n, c = rng.normal, rng.random((3, 4)) > 0.5
    return [
        Sample((c, n(size=(3, 4)), n(size=(3, 4)))),
        Sample((c, n(size=(2, 1, 4)), n(size=())), note="broadcast"),
        Sample((c[:1], n(size=(4, 3)).T[::3], n(size=(3, 1))), note="non-contiguous"),
        Sample((c[:0], n(size=(4,)), n(size=(1, 1))), note="empty"),
    ]


def fill_samples(rng: np.random.Generator) -> list[Sample]:
    n, c = rng.normal, rng.random((3, 4)) > 0.5
    return [
        Sample((n(size=(3, 4)), c, n(size=()))),
        Sample((n(size=(2, 3, 4)), c[:, :1], n(size=())), note="a mask that broadcasts"),
        Sample((n(size=(3, 4)), np.zeros((3, 4), bool), n(size=())), note="nowhere"),
        Sample((n(size=(4, 3)).T, c, n(size=())), note="non-contiguous"),
        Sample((n(size=(0, 4)), c[:0], n(size=())), note="empty"),
    ]


ENTRY = Operation(
    "where",
    where,
    vector=Form(vector, vector_backward),
    reference="torch.where",
    saves=("c",),
    samples=samples,
)
MASKED_FILL = Operation(
    "masked_fill",
    masked_fill,
    vector=Form(fill_vector, fill_vector_backward),
    reference="torch.masked_fill",
    saves=("mask",),
    samples=fill_samples,
)
