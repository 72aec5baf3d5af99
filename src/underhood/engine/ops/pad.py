"""Padding: numbers put around a tensor.

    constant    1234 → 00 1234 00        a value of choice
    reflect     1234 → 32 1234 32        mirrored, the border not repeated
    replicate   1234 → 11 1234 44        the border repeated
    circular    1234 → 34 1234 12        the other end

`pad` is (left, right) of the last axis, then of the one before it, and so on; a negative length cuts off.
Along one axis every number of the output is the value, or a copy of one of the input: z[v] = a[source(v)], with
axes one after the other. Backward adds up over the copies:

    ∂E/∂a[u] = Σ δ[v]        over all v with source(v) = u

PyTorch: torch.nn.functional.pad, same meaning.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.tensor import Tensor, apply

MODES = ("constant", "reflect", "replicate", "circular")


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """`input` with `pad` = (left, right, top, bottom, …) numbers around it; `value` (0) for mode "constant"."""
    lengths = tuple(int(n) for n in pad)
    check(input, lengths, mode, value)
    return apply(ENTRY, input, pad=lengths, mode=mode, value=0.0 if value is None else float(value))


def check(input: Tensor, pad: tuple[int, ...], mode: str, value: float | None) -> None:
    if mode not in MODES:
        raise NotImplementedError(f"pad: there is no mode {mode!r}; there is {', '.join(MODES)}.")
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise RuntimeError(f"pad: {pad} should be pairs, at most one for each axis of input {tuple(input.shape)}.")
    if mode != "constant":
        if value:
            raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
        if input.ndim - len(pad) // 2 not in (1, 2):
            raise NotImplementedError(
                f"pad: mode {mode!r} pads all but the batch and the channel axis; {pad} does not fit input "
                f"{tuple(input.shape)}."
            )
    for axis, (before, after) in sides(input.ndim, pad):
        length = input.shape[axis]
        most = {"constant": None, "replicate": None, "reflect": length - 1, "circular": length}[mode]
        if most is not None and max(before, after) > most:
            raise RuntimeError(
                f"pad: mode {mode!r} can pad axis {axis} of input {tuple(input.shape)} by at most {most}, got "
                f"{(before, after)}."
            )
        if length + before + after < 0 or (mode != "constant" and length + before + after == 0):
            raise RuntimeError(f"pad: {(before, after)} leaves nothing of axis {axis} of input {tuple(input.shape)}.")


def sides(ndim: int, pad: tuple[int, ...]) -> list[tuple[int, tuple[int, int]]]:
    """(axis, (before, after)) of every padded axis."""
    return [(ndim - 1 - i, (pad[2 * i], pad[2 * i + 1])) for i in range(len(pad) // 2)]


def source(length: int, before: int, after: int, mode: str) -> Array:
    """For every index of the padded axis, the index it is copied from; −1 stands for the value.

    What "circular" cuts off it cuts off first: the rest is what goes round.
    """
    if mode == "circular":
        first, end = max(-before, 0), length - max(-after, 0)
        return np.arange(-max(before, 0), end - first + max(after, 0)) % (end - first) + first
    v = np.arange(-before, length + after)
    if mode == "replicate":
        return v.clip(0, length - 1)
    if mode == "reflect":
        last = length - 1
        return last - np.abs(last - np.abs(v))
    return np.where((v >= 0) & (v < length), v, -1)


def vector(a: Array, *, pad: tuple[int, ...], mode: str, value: float) -> Array:
    z = a
    for axis, (before, after) in sides(a.ndim, pad):
        positions = source(z.shape[axis], before, after, mode)
        inside = np.flatnonzero(positions >= 0)
        if len(inside) == len(positions):
            z = z.take(positions, axis)
        else:
            wider = np.full((*z.shape[:axis], len(positions), *z.shape[axis + 1 :]), value, a.dtype)
            _along(wider, axis)[inside] = _along(z, axis)[positions[inside]]
            z = wider
    return z.copy() if z is a else z


def vector_backward(dz: Array, z: Array, a: Array, *, pad: tuple[int, ...], mode: str, value: float) -> Array:
    da = dz
    for axis, (before, after) in reversed(sides(a.ndim, pad)):
        positions = source(a.shape[axis], before, after, mode)
        inside = np.flatnonzero(positions >= 0)
        narrower = np.zeros((*da.shape[:axis], a.shape[axis], *da.shape[axis + 1 :]), dz.dtype)
        np.add.at(_along(narrower, axis), positions[inside], _along(da, axis)[inside])
        da = narrower
    return da.copy() if da is dz else da


# -- fast: constants around one block that is copied at once --


def fast(a: Array, *, pad: tuple[int, ...], mode: str, value: float) -> Array:
    if mode != "constant":
        return vector(a, pad=pad, mode=mode, value=value)
    shape, from_a, into_z = _blocks(a.shape, pad)
    z = np.full(shape, value, a.dtype)
    z[into_z] = a[from_a]
    return z


def fast_backward(dz: Array, z: Array, a: Array, *, pad: tuple[int, ...], mode: str, value: float) -> Array:
    if mode != "constant":
        return vector_backward(dz, z, a, pad=pad, mode=mode, value=value)
    _, from_a, into_z = _blocks(a.shape, pad)
    da = np.zeros(a.shape, dz.dtype)
    da[from_a] = dz[into_z]
    return da


def _blocks(
    shape: tuple[int, ...], pad: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[slice, ...], tuple[slice, ...]]:
    """The padded shape; where the block that is kept stands in the input, and where in the output."""
    padded, kept, put = list(shape), [slice(None)] * len(shape), [slice(None)] * len(shape)
    for axis, (before, after) in sides(len(shape), pad):
        length = shape[axis]
        first, last = max(0, -before), max(0, -before, length + min(0, after))
        padded[axis] = length + before + after
        kept[axis], put[axis] = slice(first, last), slice(first + before, last + before)
    return tuple(padded), tuple(kept), tuple(put)


def _along(a: Array, axis: int) -> Array:
    """A view with the axis in front."""
    return np.moveaxis(a, axis, 0)


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal

    def of(shape: tuple[int, ...], pad: tuple[int, ...], mode: str, note: str, value: float = 0.0) -> Sample:
        return Sample((n(size=shape),), {"pad": pad, "mode": mode, "value": value}, note)

    return [
        of((2, 3, 4, 5), (1, 2, 0, 3), "constant", "zeros"),
        of((2, 3), (1, 0, 2, 1), "constant", "ones, all axes", value=1.0),
        of((2, 3, 4, 5), (-1, 2, 1, -2), "constant", "cut and pad", value=-2.0),
        *(of((2, 3, 4, 5), (3, 2, 1, 3), mode, "images") for mode in MODES[1:]),
        *(of((2, 3, 4), (3, 1), mode, "lines") for mode in MODES[1:]),
        of((3, 4), (2, 1), "circular", "a line without a batch"),
        of((1, 1, 2, 2), (5, 6, 3, 0), "replicate", "more than there are"),
        of((2, 3, 4), (0, 0), "constant", "nothing to do"),
        of((0, 3, 4), (1, 1), "constant", "empty"),
        Sample(
            (n(size=(2, 5, 4, 3)).transpose(0, 3, 1, 2),),
            {"pad": (1, 1, 2, 2), "mode": "reflect", "value": 0.0},
            "non-contiguous",
        ),
    ]


def ask(pad_: Any, a: Any, *, pad: tuple[int, ...], mode: str, value: float) -> Any:
    return pad_(a, pad, mode, value if mode == "constant" else None)


ENTRY = Operation(
    "pad",
    pad,
    vector=Form(vector, vector_backward),
    fast=Form(fast, fast_backward),
    reference="torch.nn.functional.pad",
    ask=ask,
    saves=(),
    samples=samples,
)
