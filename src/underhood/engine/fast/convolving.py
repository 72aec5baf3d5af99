"""A convolution's geometry, and the calls of kernels that make its output and its gradients.

The gradient of the input is a convolution of δ. At stride s the inputs divide into s × s phases by their position: an
input at position v of phase v₀ = v mod s is met by the taps i with s | v + p − d·i, each at row (v + p − d·i)/s of δ.
So each phase is a convolution of its own with some of the taps.

Images are padded ones, channels last; of several groups, each sees its own channels of them.
"""

from math import gcd
from typing import Any, NamedTuple

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
from underhood.engine.fast.memory import Contiguous, Padded
from underhood.engine.fast.vectors import lanes
from underhood.engine.ops.windows import Windows


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


class Convolution:
    """z = a ∗ w + b with filters w (O, C, K, K), those of one `group`, on `images` images.

    `memory` hands out memory, and `schedule` takes the calls: a lowered step's, or a Call for both.
    """

    def __init__(
        self, memory: Any, schedule: Any, seen: Windows, filters: tuple[int, ...], images: int, group: int = 0
    ) -> None:
        self.memory, self.emit, self.windows, self.group = memory, schedule.emit, seen, group
        self.images, (self.outputs, self.inputs, *kernel) = images, filters
        self.taps = kernel[0] * kernel[1]
        self.lane = lanes(memory.dtype)
        self.depth, self.input_depth = (-(-c // self.lane) * self.lane for c in (self.outputs, self.inputs))
        self.order = self._order(list(range(kernel[0])), list(range(kernel[1])))
        self.tile = tile_shape(seen.out[1], self.depth // self.lane)
        rows, columns = (
            phases(*axis) for axis in zip(seen.size, seen.kernel, seen.stride, seen.before, seen.dilation, strict=True)
        )
        self.phases = [(p, q) for p in rows for q in columns]

    def _order(self, taps_y: list[int], taps_x: list[int]) -> Contiguous:
        """Where the group's weights of those taps stand."""
        order = tap_order(self.windows.kernel, taps_y, taps_x)
        held: Contiguous = self.memory.held(order + self.group * self.outputs * self.inputs * self.taps)
        return held

    # -- borders --

    @property
    def border(self) -> int:
        """How far windows reach out of the images."""
        seen = self.windows
        after = [
            padded - size - before for padded, size, before in zip(seen.padded, seen.size, seen.before, strict=True)
        ]
        return max(*seen.before, *after, 0)

    @property
    def gradient_border(self) -> int:
        """How far the gradient of the input reaches out of δ."""
        reach = 0
        for pair in self.phases:
            for phase, size in zip(pair, self.windows.out, strict=True):
                if phase.taps:
                    last = phase.begin + phase.inputs - 1 + (len(phase.taps) - 1) * phase.step
                    reach = max(reach, -phase.begin, last - (size - 1))
        return reach

    # -- weights --

    def pack(self, w: Contiguous) -> Contiguous:
        """The filters as the kernel reads them, packed before every run."""
        packed: Contiguous = self.memory.contiguous((self.taps * self.inputs * self.depth,))
        steps = self.inputs, self.taps, self.inputs * self.taps, self.outputs, self.tile[1] * self.lane, self.taps
        self.emit(pack_weights, w, packed, self.order, *steps, parts=1)
        return packed

    def pack_bias(self, b: Contiguous | None) -> Contiguous:
        """The biases, or zeros."""
        packed: Contiguous = self.memory.contiguous((self.depth,))
        if b is not None:
            first = self.memory.held(np.array([self.group * self.outputs]))
            self.emit(pack_weights, b, packed, first, 1, 1, 1, self.outputs, self.depth, 1, parts=1)
        return packed

    def pack_flipped(self, w: Contiguous) -> list[Contiguous]:
        """For each phase, the taps that meet it, outputs and inputs exchanged."""
        found = []
        for p, q in self.phases:
            order = self._order(p.taps, q.taps)
            count = len(order.array)
            packed = self.memory.contiguous((max(1, count) * self.outputs * self.input_depth,))
            block = self._gradient_tile(q)[1] * self.lane
            steps = self.outputs, self.inputs * self.taps, self.taps, self.inputs, block, count
            self.emit(pack_weights, w, packed, order, *steps, parts=1)
            found.append(packed)
        return found

    def _gradient_tile(self, phase: Phase, exact: bool = False, columns: int = 0) -> tuple[int, int]:
        return tile_shape(phase.inputs, self.input_depth // self.lane, exact, columns)

    # -- sums --

    def forward(self, a: Padded, packed: Contiguous, bias: Contiguous, z: Padded, z_channel: int = 0) -> None:
        """z ← a ∗ w + b, into z's channels from `z_channel` on."""
        h, w = self.windows.out
        kernel, source, target = convolution(*self.tile, self.lane), self._seen(a), z.image(channel=z_channel)
        sizes = self.images, h, w, *self._steps(a), self.inputs, self.depth
        self.emit(kernel, source, packed, bias, target, *sizes, images=self.images)

    def _seen(self, a: Padded) -> Any:
        top, left = self.windows.before
        return a.image(-top, -left, *self.windows.stride, channel=self.group * self.inputs)

    def _steps(self, a: Padded) -> tuple[int, ...]:
        """To the next tap, and how many; which rows of a the windows' rows meet."""
        seen = self.windows
        taps = seen.dilation[0] * a.row, seen.dilation[1] * a.depth, *seen.kernel
        return *taps, -seen.before[0], seen.stride[0], seen.dilation[0], a.height

    def weight_gradient(self, a: Padded, dz: Padded, threads: int, dz_channel: int = 0) -> Contiguous:
        """Each thread's sum of ∂E/∂w; `reduce` adds them up."""
        h, w = self.windows.out
        steps = self._steps(a)
        length = steps[3] * self.inputs if steps[1] == self.inputs else self.inputs
        sums: Contiguous = self.memory.contiguous((threads, self.taps * self.inputs * self.depth))
        kernel = weight_gradient(*tile_shape(length, self.depth // self.lane), self.lane)
        sizes = self.images, h, w, *steps, self.inputs, self.depth
        self.emit(kernel, self._seen(a), dz.image(channel=dz_channel), sums, *sizes, images=self.images)
        return sums

    def bias_gradient(self, dz: Padded, threads: int, dz_channel: int = 0) -> Contiguous:
        """Each thread's sum of ∂E/∂b; `reduce_bias` adds them up."""
        h, w = self.windows.out
        sums: Contiguous = self.memory.contiguous((threads, self.depth))
        images = dz.image(channel=dz_channel)
        self.emit(bias_gradient(self.lane), images, sums, self.images, h, w, self.depth, images=self.images)
        return sums

    def input_gradient(
        self, dz: Padded, flipped: list[Contiguous], da: Padded, add: bool, dz_channel: int = 0, da_channel: int = 0
    ) -> None:
        """da ← ∂E/∂a, or da ← da + ∂E/∂a."""
        zeros = self.memory.contiguous((self.input_depth,))
        for (p, q), packed in zip(self.phases, flipped, strict=True):
            tile = self._gradient_tile(q, exact=add, columns=self._gradient_tile(q)[1])
            source = dz.image(p.begin, q.begin, channel=dz_channel)
            target = da.image(p.first, q.first, *self.windows.stride, channel=da_channel)
            steps = p.step * dz.row, q.step * dz.depth, len(p.taps), len(q.taps)
            rows = p.begin, 1, p.step, dz.height
            sizes = self.images, p.inputs, q.inputs, *steps, *rows, self.outputs, self.input_depth
            self.emit(convolution(*tile, self.lane, add), source, packed, zeros, target, *sizes, images=self.images)

    def reduce(self, sums: Contiguous, dw: Contiguous, keep: float) -> None:
        """dw ← keep · dw + the threads' sums, which are left at zero."""
        sizes = sums.shape[0], self.inputs, self.outputs, self.depth, self.taps
        self.emit(reduce_weight_gradient, sums, dw, self.order, *sizes, keep)

    def reduce_bias(self, sums: Contiguous, db: Contiguous, keep: float) -> None:
        """db ← keep · db + the threads' sums, which are left at zero."""
        first = self.memory.held(np.array([self.group * self.outputs]))
        self.emit(reduce_weight_gradient, sums, db, first, sums.shape[0], 1, self.outputs, self.depth, 1, keep, parts=1)
