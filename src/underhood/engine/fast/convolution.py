"""Convolutions in registers, on channels-last images.

    z[n,y,x,o] = b[o] + Σᵢ Σⱼ Σ_c a[n, s·y+d·i, s·x+d·j, c] · w[i,j,c,o]

Channels last, the window of an output is K stretches of K·C consecutive elements, and the weights of one input
element to all outputs are consecutive too: `add_outer` takes one element of each of several windows and a row of
weights.
No window is ever copied out (compare im2col, the page conv2d's vector form). The tile is P neighbouring outputs by V
vectors of channels; where P does not divide the row, the last tile overlaps the one before and computes some again.

    convolution              the sum above; over δ, with the filters flipped, it is also ∂E/∂a
    weight_gradient          ∂E/∂w[i,j,c,o] = Σ_n Σ_y Σ_x a[n, s·y+d·i, s·x+d·j, c] · δ[n,y,x,o], in tiles of
                             consecutive inputs
    pack_weights             torch's weights (O, C, K, K) in the order in which `convolution` reads them
    reduce_weight_gradient   the threads' sums of `weight_gradient`, added up and brought back to (O, C, K, K)

The first window of an image begins where `a` says, and a step to the next window is a step of `a`, which the stride
has made larger; `tap_y, tap_x` are the steps to the next tap. `top, step, down` say the same of rows: row y meets, at
its tap i, row top + step·y + down·i of the `rows_a` of a; what would be met above or below is 0 and is left out. An
output's channels are a whole number of vectors.

Source: the idea of direct convolution in Georganas et al. 2018, "Anatomy of high-performance deep learning
convolutions on SIMD architectures".
"""

from functools import cache

import numpy as np

from underhood.engine.compile import inner
from underhood.engine.fast.kernel import Floats, Image, Kernel, Longs, kernel, mine, row_of
from underhood.engine.fast.vectors import add_outer, add_rows, fits, load, rows, store, tile


@inner
def within(first: int, step: int, count: int, rows: int) -> range:
    """The i < count for which 0 ≤ first + step·i < rows."""
    return range(max(0, -(first // step)), min(count, (rows - 1 - first) // step + 1))


@cache
def convolution(P: int, V: int, lanes: int, add: bool = False) -> Kernel:
    """The convolution in tiles of P × V; with `add` it is added to what z holds, else it begins with b.

    Where it is added, P has to divide the width: what is computed twice would be added twice.
    """

    @kernel
    def convolution(
        a: Image, w: Floats, b: Floats, z: Image, images: int, height: int, width: int, tap_y: int, tap_x: int,
        taps_y: int, taps_x: int, top: int, step: int, down: int, rows_a: int, channels: int, outputs: int, part: int,
        parts: int, thread: int,
    ) -> None:  # fmt: skip
        blank = tile(w, P, V)
        stretches, length = taps_x, channels
        if tap_x == channels:  # the taps of a row are one stretch
            stretches, length = 1, taps_x * channels
        for n in mine(images, part, parts):
            for o in range(0, outputs, V * lanes):  # outermost, so that its weights stay in the cache
                for y in range(height):
                    taps = within(top + y * step, down, taps_y, rows_a)
                    weights = (o * taps_y + taps.start * V * lanes) * taps_x * channels
                    for left in range(0, width, P):
                        x = min(left, width - P)
                        window = row_of(a, thread, n, y) + x * a.column
                        to = row_of(z, thread, n, y) + x * z.column + o
                        t = load(blank, z.data, to, z.column) if add else rows(blank, b, o)
                        weight = weights
                        for i in taps:
                            for j in range(stretches):
                                begin = window + i * tap_y + j * tap_x
                                for k in range(begin, begin + length):
                                    t = add_outer(t, a.data, k, a.column, w, weight)
                                    weight += V * lanes
                        store(t, z.data, to, z.column)

    return convolution


@cache
def weight_gradient(R: int, V: int, lanes: int) -> Kernel:
    """The weights' gradient in tiles of R consecutive inputs × V; each thread adds to sums of its own."""

    @kernel
    def weight_gradient(
        a: Image, dz: Image, dw: Floats, images: int, height: int, width: int, tap_y: int, tap_x: int, taps_y: int,
        taps_x: int, top: int, step: int, down: int, rows_a: int, channels: int, outputs: int, part: int, parts: int,
        thread: int,
    ) -> None:  # fmt: skip
        blank = tile(dw, R, V)
        stretches, length = taps_x, channels
        if tap_x == channels:
            stretches, length = 1, taps_x * channels
        for n in mine(images, part, parts):
            sums = thread * taps_y * taps_x * channels * outputs
            for i in range(taps_y):
                lines = within(top + i * down, step, height, rows_a)
                for j in range(stretches):
                    for first in range(0, length, R):
                        k = min(first, length - R)
                        for o in range(0, outputs, V * lanes):
                            t = blank
                            for y in lines:
                                at = row_of(a, thread, n, y) + i * tap_y + j * tap_x + k
                                delta = row_of(dz, thread, n, y) + o
                                for _ in range(width):
                                    t = add_outer(t, a.data, at, 1, dz.data, delta)
                                    at += a.column
                                    delta += dz.column
                            add_rows(t, dw, sums + k * outputs + o, outputs, first - k)
                    sums += length * outputs

    return weight_gradient


def tile_shape(length: int, vectors: int, exact: bool = False, columns: int = 0) -> tuple[int, int]:
    """Rows and columns of the quickest tile that covers `length` × `vectors`; `exact` ones do not overlap.

    A step of `add_outer` takes the longest of: its products (two vectors a cycle), its loads (two a cycle), its weights
    from the second cache (half a vector a cycle), and the time until a sum can be added to again, 4 cycles and a bit.
    """
    shapes = [(r, v) for v in range(1, 4) if vectors % v == 0 for r in range(1, length + 1) if fits(r, v)]
    shapes = [(r, v) for r, v in shapes if not (exact and length % r) and columns in (0, v)]

    def cycles(shape: tuple[int, int]) -> float:
        r, v = shape
        return -(-length // r) * (vectors // v) * max(r * v / 2, (r + v) / 2, 2 * v, 4.2)

    return min(shapes, key=cycles)


@kernel
def pack_weights(
    w: Floats,
    packed: Floats,
    order: Longs,
    inputs: int,
    w_input: int,
    w_output: int,
    outputs: int,
    block: int,
    taps: int,
    part: int,
    parts: int,
    thread: int,
) -> None:
    """packed[o // block, t, i, o % block] = w[order[t] + i·w_input + o·w_output], as `convolution` reads it.

    `block` is a tile's width. What is left of the last block stays 0.
    """
    for o in mine(outputs, part, parts):
        to = (o // block) * taps * inputs * block + o % block
        for t in range(taps):
            for i in range(inputs):
                packed[to] = w[order[t] + i * w_input + o * w_output]
                to += block


@kernel
def reduce_weight_gradient(
    dw: Floats,
    to: Floats,
    order: Longs,
    sums: int,
    inputs: int,
    outputs: int,
    stride: int,
    taps: int,
    keep: float,
    part: int,
    parts: int,
    thread: int,
) -> None:
    """to ← keep · to + the sum of the threads' dw, which is left at zero. `to` is (O, C, K, K)."""
    size = taps * inputs * stride
    for o in mine(outputs, part, parts):
        for t in range(taps):
            for i in range(inputs):
                total = dw[0] * 0
                for s in range(sums):
                    at = s * size + (t * inputs + i) * stride + o
                    total += dw[at]
                    dw[at] = 0
                position = order[t] + (o * inputs + i) * taps
                to[position] = keep * to[position] + total if keep != 0 else total


def tap_order(kernel_size: tuple[int, int], taps_y: list[int], taps_x: list[int]) -> np.ndarray:
    """Where in a filter (K, K) the taps stand, in the order in which `convolution` meets them."""
    return np.array([i * kernel_size[1] + j for i in taps_y for j in taps_x], np.int64)
