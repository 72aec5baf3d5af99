"""Adaptive pools: as many windows as asked for, spread evenly over an image of any size.

    window y of H' covers the rows  ⌊y·H/H'⌋ … ⌈(y+1)·H/H'⌉ − 1,  and columns likewise

    z[n,c,y,x] = mean (or maximum) of a[n,c,v,u] over window (y, x)

    a: (N, C, H, W)   z: (N, C, H', W')   k: (N, C, H', W'), the position v·W + u of the first maximum

Neighbours overlap by a row where H' does not divide H. With δ = ∂E/∂z, the mean's window shares δ equally, and
the maximum's hands it to k.

PyTorch: torch.nn.functional.adaptive_avg_pool2d and the three like it, same meaning.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops import max_pool2d
from underhood.engine.ops.batch import batched
from underhood.engine.ops.lines import on_lines
from underhood.engine.ops.windows import Pair
from underhood.engine.tensor import Tensor, apply

Size = int | None | tuple[int | None, ...] | list[int | None]


@batched(4, error=ValueError)
def adaptive_avg_pool2d(input: Tensor, output_size: Size) -> Any:
    """Means of `output_size` windows of `input` (N, C, H, W) or (C, H, W); None keeps an axis's length."""
    return apply(AVG2D, input, output_size=sizes("adaptive_avg_pool2d", input, output_size))


@batched(3, error=ValueError)
def adaptive_avg_pool1d(input: Tensor, output_size: Size) -> Any:
    """Means of `output_size` windows of `input` (N, C, L) or (C, L)."""
    return apply(AVG1D, input, output_size=sizes("adaptive_avg_pool1d", input, output_size))


@batched(4, error=ValueError)
def adaptive_max_pool2d(input: Tensor, output_size: Size, return_indices: bool = False) -> Any:
    """Maxima of `output_size` windows of `input` (N, C, H, W) or (C, H, W); None keeps an axis's length."""
    z, k = apply(MAX2D, input, output_size=sizes("adaptive_max_pool2d", input, output_size))
    return (z, k) if return_indices else z


@batched(3, error=ValueError)
def adaptive_max_pool1d(input: Tensor, output_size: Size, return_indices: bool = False) -> Any:
    """Maxima of `output_size` windows of `input` (N, C, L) or (C, L)."""
    z, k = apply(MAX1D, input, output_size=sizes("adaptive_max_pool1d", input, output_size))
    return (z, k) if return_indices else z


def sizes(name: str, input: Tensor, output_size: Size) -> tuple[int, ...]:
    """The output's length along every axis."""
    axes = input.ndim - 2
    wanted = (output_size,) * axes if output_size is None or isinstance(output_size, int) else tuple(output_size)
    if len(wanted) != axes or any(n is not None and n < 0 for n in wanted):
        raise RuntimeError(
            f"{name}: output_size {output_size} should be {axes} lengths for input {tuple(input.shape)}."
        )
    if 0 in input.shape[1:]:
        raise RuntimeError(f"{name}: input {tuple(input.shape)} should have no axis of length 0 but the batch.")
    return tuple(length if n is None else n for n, length in zip(wanted, input.shape[2:], strict=True))


def cells(size: tuple[int, ...], out: Pair) -> Iterator[tuple[int, int, slice, slice]]:
    """(y, x, rows, columns) of every window."""
    rows, columns = (
        [slice(i * length // n, -(-(i + 1) * length // n)) for i in range(n)]
        for length, n in zip(size, out, strict=True)
    )
    for y, v in enumerate(rows):
        for x, u in enumerate(columns):
            yield y, x, v, u


def avg(a: Array, *, output_size: Pair) -> Array:
    z = np.empty((*a.shape[:2], *output_size), a.dtype)
    for y, x, v, u in cells(a.shape[2:], output_size):
        z[:, :, y, x] = a[:, :, v, u].mean((2, 3))
    return z


def avg_backward(dz: Array, z: Array, a: Array, *, output_size: Pair) -> Array:
    da = np.zeros(a.shape, dz.dtype)
    for y, x, v, u in cells(a.shape[2:], output_size):
        da[:, :, v, u] += (dz[:, :, y, x] / ((v.stop - v.start) * (u.stop - u.start)))[:, :, None, None]
    return da


def maximum(a: Array, *, output_size: Pair) -> tuple[Array, Array]:
    z = np.empty((*a.shape[:2], *output_size), a.dtype)
    k = np.empty(z.shape, np.int64)
    for y, x, v, u in cells(a.shape[2:], output_size):
        window = a[:, :, v, u]
        flat = window.reshape(*a.shape[:2], window.shape[2] * window.shape[3])
        first = flat.argmax(2)
        z[:, :, y, x] = np.take_along_axis(flat, first[:, :, None], 2)[:, :, 0]
        row, column = np.divmod(first, window.shape[3])
        k[:, :, y, x] = (v.start + row) * a.shape[3] + u.start + column
    return z, k


def maximum_backward(dz: Array, z: Array, k: Array, a: Array, *, output_size: Pair) -> Array:
    return max_pool2d.vector_backward(dz, z, k, a)


def samples_2d(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal
    return [
        Sample((n(size=(2, 3, 6, 4)),), {"output_size": (3, 2)}),
        Sample((n(size=(2, 3, 7, 5)),), {"output_size": (3, 4)}, "windows that overlap"),
        Sample((n(size=(2, 3, 5, 4)),), {"output_size": (1, 1)}, "the whole image"),
        Sample((n(size=(1, 2, 2, 3)),), {"output_size": (4, 5)}, "more than there are"),
        Sample((np.zeros((1, 2, 5, 5)),), {"output_size": (2, 3)}, "all equal"),
        Sample((n(size=(0, 2, 4, 4)),), {"output_size": (2, 2)}, "empty batch"),
        Sample((n(size=(1, 1, 1, 1)),), {"output_size": (1, 1)}, "size one"),
        Sample((n(size=(2, 5, 6, 3)).transpose(0, 3, 1, 2),), {"output_size": (2, 4)}, "channels last"),
    ]


def samples_1d(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal
    return [
        Sample((n(size=(2, 3, 7)),), {"output_size": (3,)}, "windows that overlap"),
        Sample((n(size=(2, 3, 7)),), {"output_size": (1,)}, "the whole line"),
        Sample((n(size=(0, 3, 6)),), {"output_size": (2,)}, "empty batch"),
        Sample((n(size=(2, 8, 3)).swapaxes(1, 2),), {"output_size": (4,)}, "non-contiguous"),
    ]


def _row(name: str, call: Any, form: Form) -> Operation:
    samples = samples_2d if name.endswith("2d") else samples_1d
    return Operation(name, call, vector=form, reference=f"torch.nn.functional.{name}", saves=(), samples=samples)


AVG2D = _row("adaptive_avg_pool2d", adaptive_avg_pool2d, Form(avg, avg_backward))
AVG1D = _row("adaptive_avg_pool1d", adaptive_avg_pool1d, on_lines(AVG2D.vector))
MAX2D = _row("adaptive_max_pool2d", adaptive_max_pool2d, Form(maximum, maximum_backward))
MAX1D = _row("adaptive_max_pool1d", adaptive_max_pool1d, on_lines(MAX2D.vector))
