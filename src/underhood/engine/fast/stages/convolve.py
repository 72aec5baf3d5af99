"""conv2d, without groups.

Backward to the input is a convolution of δ. At stride s the inputs divide into s × s phases by their position: an input
at position v of phase v₀ = v mod s is met by the taps i with s | v + p − d·i, each at row (v + p − d·i)/s of δ. So each
phase is a convolution of its own with some of the taps.
"""

from math import gcd
from typing import NamedTuple

import numpy as np

from underhood.engine.fast.convolution import (
    convolution,
    pack_weights,
    reduce_weight_gradient,
    tap_order,
    tile_shape,
    weight_gradient,
)
from underhood.engine.fast.images import bias_gradient
from underhood.engine.fast.kernel import Image
from underhood.engine.fast.lowering import Lowering
from underhood.engine.fast.memory import Contiguous, Padded
from underhood.engine.fast.recording import Line
from underhood.engine.fast.stages.stage import Stage, is_image
from underhood.engine.fast.vectors import lanes
from underhood.engine.ops.windows import windows


class Phase(NamedTuple):
    """The inputs at positions `first`, `first` + s, … along one axis: `inputs` of them, and which taps meet them."""

    first: int
    inputs: int
    taps: list[int]  # in the order of rising positions in δ
    begin: int  # the position in δ that the first tap of the first input sees
    step: int  # from one tap's position to the next


def phases(size: int, kernel: int, stride: int, before: int, dilation: int) -> list[Phase]:
    """The phases of one axis."""
    found = []
    for first in range(min(stride, size)):
        taps = [i for i in reversed(range(kernel)) if (first + before - dilation * i) % stride == 0]
        begin = (first + before - dilation * taps[0]) // stride if taps else 0
        found.append(Phase(first, -(-(size - first) // stride), taps, begin, dilation // gcd(stride, dilation)))
    return found


def match(line: Line, taken: set[int]) -> Stage | None:
    if line.operation.name != "conv2d" or line.settings["groups"] != 1:
        return None
    a, w, b = line.inputs
    leaves = all(x is None or x.origin == "leaf" for x in (w, b))
    return Convolve([line]) if is_image(a) and is_image(line.output) and leaves else None


class Convolve(Stage):
    """z = a ∗ w + b."""

    def __init__(self, lines: list[Line]) -> None:
        super().__init__(lines)
        self.a, self.w, self.b = lines[0].inputs
        settings = lines[0].settings
        self.windows = windows(
            self.a.shape[2:], self.w.shape[2:], settings["stride"], settings["padding"], settings["dilation"]
        )
        axes = zip(
            self.windows.size,
            self.windows.kernel,
            self.windows.stride,
            self.windows.before,
            self.windows.dilation,
            strict=True,
        )
        self.phases_y, self.phases_x = (phases(*axis) for axis in axes)
        # an image that only convolutions read needs no whole vectors of channels: they take its elements one by one
        self.filled = self.a.origin == "line" or any(use.operation.name != "conv2d" for use in self.a.uses)

    def prepare(self, to: Lowering) -> None:
        seen = self.windows
        over = [
            padded - size - before for padded, size, before in zip(seen.padded, seen.size, seen.before, strict=True)
        ]
        to.values.widen(self.a, max(*seen.before, *over, 0))
        if self.a.gradient:
            reach = 0
            for axis, size in ((self.phases_y, seen.out[0]), (self.phases_x, seen.out[1])):
                for phase in axis:
                    if phase.taps:
                        last = phase.begin + phase.inputs - 1 + (len(phase.taps) - 1) * phase.step
                        reach = max(reach, -phase.begin, last - (size - 1))
            to.values.widen(self.output, reach, "gradient")

    def begin(self, to: Lowering) -> None:
        outputs, inputs, ky, kx = self.w.shape
        lane = lanes(to.dtype)
        self.depth = -(-outputs // lane) * lane
        weights = to.values.read_contiguous(self.w)
        self.order = to.memory.held(tap_order((ky, kx), list(range(ky)), list(range(kx))))
        self.packed = to.memory.contiguous((ky * kx * inputs * self.depth,))
        self.tile = tile_shape(self.windows.out[1], self.depth // lane)
        to.schedule.emit(
            pack_weights,
            weights,
            self.packed,
            self.order,
            inputs,
            ky * kx,
            inputs * ky * kx,
            outputs,
            self.tile[1] * lane,
            ky * kx,
            parts=1,
        )
        self.bias = to.memory.contiguous((self.depth,))
        if self.b is not None:
            nothing = to.memory.held(np.zeros(1, np.int64))
            to.schedule.emit(
                pack_weights,
                to.values.read_contiguous(self.b),
                self.bias,
                nothing,
                1,
                1,
                1,
                outputs,
                self.depth,
                1,
                parts=1,
            )  # one block
        self.turned: dict[tuple[int, int], Contiguous] = {}
        if self.a.gradient and to.gradients.wanted:
            self.backs = -(-inputs // lane) * lane
            self.no_bias = to.memory.contiguous((self.backs,))
            for p in self.phases_y:
                for q in self.phases_x:
                    order = to.memory.held(tap_order((ky, kx), p.taps, q.taps))
                    packed = to.memory.contiguous((max(1, len(order.array)) * outputs * self.backs,))
                    self.turned[p.first, q.first] = packed
                    V = tile_shape(q.inputs, self.backs // lane)[1]
                    to.schedule.emit(
                        pack_weights,
                        weights,
                        packed,
                        order,
                        outputs,
                        inputs * ky * kx,
                        ky * kx,
                        inputs,
                        V * lane,
                        len(order.array),
                        parts=1,
                    )

    def forward(self, to: Lowering) -> None:
        a = to.values.read_padded(self.a, self.filled)
        z = to.values.make_padded(self.output)
        n, _, h, w = self.output.shape
        kernel = convolution(*self.tile, lanes(to.dtype))
        taps = *self._taps(a), *self._rows(a), a.channels, self.depth
        to.schedule.emit(kernel, self._windows(a), self.packed, self.bias, z.image(), n, h, w, *taps, images=n)

    def _windows(self, a: Padded) -> Image:
        return a.image(-self.windows.before[0], -self.windows.before[1], *self.windows.stride)

    def _taps(self, a: Padded) -> tuple[int, int, int, int]:
        return self.windows.dilation[0] * a.row, self.windows.dilation[1] * a.depth, *self.windows.kernel

    def _rows(self, a: Padded) -> tuple[int, int, int, int]:
        return -self.windows.before[0], self.windows.stride[0], self.windows.dilation[0], a.height

    def backward(self, to: Lowering) -> None:
        a, dz = to.values.read_padded(self.a, self.filled), to.gradients.as_padded(self.output)
        n, _, h, w = self.output.shape
        lane = lanes(to.dtype)
        if self.w.gradient:
            taps = self._taps(a)
            length = taps[3] * a.channels if taps[1] == a.channels else a.channels
            self.sums = to.memory.contiguous((to.threads, taps[2] * taps[3] * a.channels * self.depth))
            to.schedule.emit(
                weight_gradient(*tile_shape(length, self.depth // lane), lane),
                self._windows(a),
                dz.image(),
                self.sums,
                n,
                h,
                w,
                *taps,
                *self._rows(a),
                a.channels,
                self.depth,
                images=n,
            )
        if self.b is not None and self.b.gradient:
            self.bias_sums = to.memory.contiguous((to.threads, self.depth))
            to.schedule.emit(bias_gradient(lane), dz.image(), self.bias_sums, n, h, w, self.depth, images=n)
        if self.a.gradient:
            self._to_input(to, dz)

    def _to_input(self, to: Lowering, dz: Padded) -> None:
        n, lane = self.output.shape[0], lanes(to.dtype)
        with to.gradients.into_padded(self.a) as (da, add):
            for p in self.phases_y:
                for q in self.phases_x:
                    V = tile_shape(q.inputs, self.backs // lane)[1]
                    P, _ = tile_shape(q.inputs, self.backs // lane, exact=add, columns=V)
                    target = da.image(p.first, q.first, *self.windows.stride)
                    kernel, source = convolution(P, V, lane, add), dz.image(p.begin, q.begin)
                    steps = p.step * dz.row, q.step * dz.depth, len(p.taps), len(q.taps)
                    rows = p.begin, 1, p.step, dz.height
                    packed, sizes = self.turned[p.first, q.first], (n, p.inputs, q.inputs)
                    arguments = source, packed, self.no_bias, target, *sizes, *steps, *rows, dz.channels, self.backs
                    to.schedule.emit(kernel, *arguments, images=n)

    def end(self, to: Lowering) -> None:
        outputs, inputs, ky, kx = self.w.shape
        if self.w.gradient:
            target, keep = to.gradients.target(self.w)
            to.schedule.emit(
                reduce_weight_gradient,
                self.sums,
                target,
                self.order,
                to.threads,
                inputs,
                outputs,
                self.depth,
                ky * kx,
                keep,
            )
        if self.b is not None and self.b.gradient:
            target, keep = to.gradients.target(self.b)
            nothing = to.memory.held(np.zeros(1, np.int64))
            to.schedule.emit(
                reduce_weight_gradient,
                self.bias_sums,
                target,
                nothing,
                to.threads,
                1,
                outputs,
                self.depth,
                1,
                keep,
                parts=1,
            )
