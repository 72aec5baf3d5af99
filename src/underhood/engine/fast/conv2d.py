"""conv2d as it stands: its output and its gradients, each a call that is laid out once for sizes and dtype.

An image goes through all steps while it lies in the processor's cache: from NumPy's order to padded, channels last;
through the convolution; and back. What lies between is one image a thread. Groups are convolutions of their own on some
of the channels.
"""

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from underhood.engine.fast.call import Call, threads_for
from underhood.engine.fast.convolving import Convolution
from underhood.engine.fast.kernel import Image
from underhood.engine.fast.layouts import pixel_offsets, to_channels_first, to_channels_last
from underhood.engine.fast.memory import Contiguous, Padded
from underhood.engine.forms import Array
from underhood.engine.ops.windows import Windows

KEPT = 256  # calls of a kind that are kept: of sizes that were met last
EIGHTH = 3  # a thread does eight products while it does one of anything else


def offered(seen: Windows, *arrays: Array) -> bool:
    """Whether the kernels take these arrays: floats, and something to do."""
    return all(x.dtype.kind == "f" and x.size for x in arrays) and min(seen.out) > 0


def output(a: Array, w: Array, b: Array | None, seen: Windows, groups: int) -> Array:
    """z = a ∗ w + b."""
    z = np.empty((len(a), len(w), *seen.out), a.dtype)
    threads = threads_for(z.size * prod(w.shape[1:]) >> EIGHTH)
    call = _output(seen, a.shape, w.shape, groups, b is not None, a.dtype, threads)
    call(*map(np.ascontiguousarray, (a, w) if b is None else (a, w, b)), z)
    return z


def input_gradient(dz: Array, w: Array, seen: Windows, groups: int) -> Array:
    """∂E/∂a."""
    da = np.empty((len(dz), w.shape[1] * groups, *seen.size), dz.dtype)
    threads = threads_for(dz.size * prod(w.shape[1:]) >> EIGHTH)
    _input_gradient(seen, dz.shape, w.shape, groups, dz.dtype, threads)(*map(np.ascontiguousarray, (dz, w)), da)
    return da


def weight_gradient(dz: Array, a: Array, shape: tuple[int, ...], seen: Windows, groups: int) -> Array:
    """∂E/∂w, of that shape."""
    dw = np.empty(shape, dz.dtype)
    threads = threads_for(dz.size * prod(shape[1:]) >> EIGHTH)
    _weight_gradient(seen, a.shape, shape, groups, dz.dtype, threads)(*map(np.ascontiguousarray, (dz, a)), dw)
    return dw


class Images:
    """Images in NumPy's order that a call is given, and one of them a thread as padded, channels last."""

    def __init__(self, call: Call, shape: tuple[int, ...], padded: Padded) -> None:
        self.n, self.c, h, w = shape
        self.call, self.pixels, self.padded = call, h * w, padded
        self.given = call.given(prod(shape))
        self.offsets = call.held(pixel_offsets(h, w, padded.image()))

    def _image(self, first: int) -> Image:
        return Image(self.given, first * self.pixels, 0, self.c * self.pixels, 0, 0)

    def enter(self, first: int = 0, count: int = 0, channel: int = 0) -> None:
        """padded's channels from `channel` on ← `count` channels from `first` on, all if 0."""
        kernel, z = to_channels_last(self.call.lanes), self.padded.image(channel=channel)
        sizes = self.n, self.pixels, count or self.c
        self.call.emit(kernel, self._image(first), z, self.offsets, *sizes, images=self.n)

    def leave(self, first: int = 0, count: int = 0, channel: int = 0) -> None:
        """The way back."""
        kernel, z = to_channels_first(self.call.lanes), self.padded.image(channel=channel)
        sizes = self.n, self.pixels, count or self.c
        self.call.emit(kernel, z, self.offsets, self._image(first), *sizes, images=self.n)


def _groups(call: Call, seen: Windows, filters: tuple[int, ...], images: int, groups: int) -> list[Convolution]:
    each = (filters[0] // groups, *filters[1:])
    return [Convolution(call, call, seen, each, images, group) for group in range(groups)]


def _outputs(call: Call, sums: list[Convolution], border: int = 0) -> Padded:
    """Images for all groups' outputs, whole vectors for each."""
    return call.padded((sums[0].images, len(sums) * sums[0].depth, *sums[0].windows.out), border)


@lru_cache(KEPT)
def _output(
    seen: Windows, shape: tuple[int, ...], filters: tuple[int, ...], groups: int, biased: bool, dtype: Any, threads: int
) -> Call:
    call = Call(dtype, threads)
    sums = _groups(call, seen, filters, shape[0], groups)
    a = Images(call, shape, call.padded(shape, sums[0].border, filled=False))
    w = call.given(prod(filters))
    b = call.given(filters[0]) if biased else None
    z = Images(call, (shape[0], filters[0], *seen.out), _outputs(call, sums))
    packed = [(each.pack(w), each.pack_bias(b)) for each in sums]
    a.enter()
    for each, weights in zip(sums, packed, strict=True):
        channel = each.group * each.depth
        each.forward(a.padded, *weights, z.padded, channel)
        z.leave(each.group * each.outputs, each.outputs, channel)
    return call.sealed()


@lru_cache(KEPT)
def _input_gradient(
    seen: Windows, shape: tuple[int, ...], filters: tuple[int, ...], groups: int, dtype: Any, threads: int
) -> Call:
    call = Call(dtype, threads)
    sums = _groups(call, seen, filters, shape[0], groups)
    dz = Images(call, shape, call.padded(shape, sums[0].gradient_border, filled=False))
    w = call.given(prod(filters))
    inputs = (shape[0], filters[1] * groups, *seen.size)
    da = Images(call, inputs, call.padded((shape[0], groups * sums[0].input_depth, *seen.size)))
    flipped = [each.pack_flipped(w) for each in sums]
    dz.enter()
    for each, weights in zip(sums, flipped, strict=True):
        channel = each.group * each.input_depth
        each.input_gradient(dz.padded, weights, da.padded, False, each.group * each.outputs, channel)
        da.leave(each.group * each.inputs, each.inputs, channel)
    return call.sealed()


@lru_cache(KEPT)
def _weight_gradient(
    seen: Windows, shape: tuple[int, ...], filters: tuple[int, ...], groups: int, dtype: Any, threads: int
) -> Call:
    call = Call(dtype, threads)
    sums = _groups(call, seen, filters, shape[0], groups)
    dz = Images(call, (shape[0], filters[0], *seen.out), _outputs(call, sums))
    a = Images(call, shape, call.padded(shape, sums[0].border, filled=False))
    dw = call.given(prod(filters))
    a.enter()
    found: list[tuple[Convolution, Contiguous]] = []
    for each in sums:
        channel = each.group * each.depth
        dz.enter(each.group * each.outputs, each.outputs, channel)
        found.append((each, each.weight_gradient(a.padded, dz.padded, threads, channel)))
    for each, of_threads in found:
        each.reduce(of_threads, dw, 0.0)
    return call.sealed()
