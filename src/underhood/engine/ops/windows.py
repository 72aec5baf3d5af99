"""Windows that slide over images: where they stand, what they see, and putting back what they saw.

Along an axis of length L, a kernel of K taps that lie d apart visits every s-th position of the axis, padded by p:

    tap i of window y reads position  s·y + d·i − p
    windows                        L' = ⌊(L + 2p − d(K−1) − 1)/s⌋ + 1

`ceil_mode` rounds up instead, and then drops a last window that would start beyond the input and its left
padding. "same" pads by d(K−1) in all, the odd one on the right, so that L' = L at stride 1; "valid" pads nothing.

Convolutions, pools and `unfold` are what they do with the taps; the geometry is all here.
Source: Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from underhood.engine.forms import Array

Pair = tuple[int, int]


@dataclass(frozen=True)
class Windows:
    """Windows over images of `size` (H, W). Every field holds a number for the rows and one for the columns."""

    size: Pair
    kernel: Pair
    stride: Pair
    dilation: Pair
    before: Pair  # padding on the top and on the left
    out: Pair  # how many windows

    @property
    def padded(self) -> Pair:
        """The size with padding: the input, the padding before it, and what the last window reaches after it."""
        h, w = (
            max(length + before, (out - 1) * stride + dilation * (kernel - 1) + 1)
            for length, before, out, stride, dilation, kernel in zip(
                self.size, self.before, self.out, self.stride, self.dilation, self.kernel, strict=True
            )
        )
        return h, w

    def pad(self, a: Array, value: float = 0.0) -> Array:
        """(N, C, H, W) with its padding, contiguous."""
        if self.padded == self.size:
            return np.ascontiguousarray(a)
        padded = np.full((*a.shape[:2], *self.padded), value, a.dtype)
        self.crop(padded)[...] = a
        return padded

    def crop(self, padded: Array) -> Array:
        """The input's part of a padded image, a view."""
        (top, left), (h, w) = self.before, self.size
        return padded[:, :, top : top + h, left : left + w]

    def taps(self, padded: Array) -> Array:
        """What tap (i, j) of window (y, x) sees, at [n, c, i, j, y, x]: a view of the padded image."""
        n, c, rows, columns = padded.strides
        (sy, sx), (dy, dx) = self.stride, self.dilation
        strides = (n, c, dy * rows, dx * columns, sy * rows, sx * columns)
        return as_strided(padded, (*padded.shape[:2], *self.kernel, *self.out), strides, writeable=False)

    def columns(self, a: Array) -> Array:
        """Each window as a column: (N, C·K·K, H'·W'), known as im2col."""
        taps = self.taps(self.pad(a))
        n, c, ky, kx, h, w = taps.shape
        return taps.reshape(n, c * ky * kx, h * w)

    def put_back(self, taps: Array) -> Array:
        """Add [n, c, i, j, y, x] where it was seen: (N, C, H, W), the transpose of `taps`, known as col2im."""
        padded = np.zeros((*taps.shape[:2], *self.padded), taps.dtype)
        (sy, sx), (dy, dx), (h, w) = self.stride, self.dilation, self.out
        for i in range(self.kernel[0]):
            for j in range(self.kernel[1]):
                top, left = dy * i, dx * j
                padded[:, :, top : top + sy * h : sy, left : left + sx * w : sx] += taps[:, :, i, j]
        return np.ascontiguousarray(self.crop(padded))


def windows(
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Pair = (1, 1),
    padding: Pair | str = (0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
) -> Windows:
    """The windows of a kernel over images of `size`."""
    (h, w), (ky, kx), (sy, sx), (dy, dx) = size, kernel, stride, dilation
    top, bottom = margins(padding, 0, ky, dy)
    left, right = margins(padding, 1, kx, dx)
    rows = window_count(h, ky, sy, (top, bottom), dy, ceil_mode)
    columns = window_count(w, kx, sx, (left, right), dx, ceil_mode)
    return Windows((h, w), (ky, kx), stride, dilation, (top, left), (rows, columns))


def margins(padding: Sequence[int] | str, axis: int, kernel: int, dilation: int) -> Pair:
    """The padding before and after along an axis."""
    if not isinstance(padding, str):
        return padding[axis], padding[axis]
    total = dilation * (kernel - 1) if padding == "same" else 0
    return total // 2, total - total // 2


def window_count(length: int, kernel: int, stride: int, margin: Pair, dilation: int, ceil_mode: bool = False) -> int:
    """L′ of the page's head."""
    before, after = margin
    room = length + before + after - dilation * (kernel - 1) - 1
    count = (room + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (count - 1) * stride >= length + before:
        count -= 1
    return count


def numbers(value: Any, count: int) -> tuple[int, ...]:
    """One number for every axis from a number, or from a sequence of one or `count` of them."""
    values = (value,) if isinstance(value, int | np.integer) else tuple(value)
    if len(values) not in (1, count):
        raise RuntimeError(f"expected a single integer or a list of {count} values, got {list(values)}")
    return tuple(int(v) for v in (values * count if len(values) == 1 else values))
