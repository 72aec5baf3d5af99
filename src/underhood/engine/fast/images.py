"""What moves and adds channels-last images: into and out of the plan's memory, through ReLU, to means and back."""

from functools import cache

from underhood.engine.fast.edges import load_first, store_first
from underhood.engine.fast.kernel import Floats, Image, Kernel, kernel, mine, row_of
from underhood.engine.fast.shuffles import interleave, transpose
from underhood.engine.fast.vectors import broadcast, load, row, select, store, tile


@cache
def copy_images(add: bool) -> Kernel:
    """z ← a, or z ← z + a, between any two layouts; a_c and z_c are the steps to the next channel."""

    @kernel
    def copy_images(
        a: Image,
        a_c: int,
        z: Image,
        z_c: int,
        images: int,
        height: int,
        width: int,
        channels: int,
        part: int,
        parts: int,
        thread: int,
    ) -> None:
        for n in mine(images, part, parts):
            for y in range(height):
                at, to = row_of(a, thread, n, y), row_of(z, thread, n, y)
                for _ in range(width):
                    for c in range(channels):
                        element = a.data[at + c * a_c]
                        z.data[to + c * z_c] = z.data[to + c * z_c] + element if add else element
                    at += a.column
                    to += z.column

    return copy_images


@cache
def interleave_channels(channels: int, lanes: int) -> Kernel:
    """z[n, y, x, c] = a[n, c, y, x] for a few channels, side by side in z; rows are as long as a vector or longer.

    `next` is a's step to the next channel. Where vectors do not fit into a row, the last overlaps the one before.
    """

    @kernel
    def interleave_channels(
        a: Image, next: int, z: Image, images: int, height: int, width: int, part: int, parts: int, thread: int
    ) -> None:
        blank = tile(z.data, channels, 1)
        for n in mine(images, part, parts):
            for y in range(height):
                for left in range(0, width, lanes):
                    x = min(left, width - lanes)
                    t = interleave(load(blank, a.data, row_of(a, thread, n, y) + x, next))
                    store(t, z.data, row_of(z, thread, n, y) + x * channels, 0)

    return interleave_channels


@cache
def transpose_images(lanes: int) -> Kernel:
    """z[n, j, i] = a[n, i, j], both at least as long as a vector; each row of an image is one of a matrix here.

    Squares are turned in registers. Where they do not fit, the last overlaps the one before.
    """

    @kernel
    def transpose_images(
        a: Image, z: Image, images: int, height: int, width: int, part: int, parts: int, thread: int
    ) -> None:
        square = tile(z.data, lanes, 1)
        for n in mine(images, part, parts):
            for top in range(0, height, lanes):
                i = min(top, height - lanes)
                for left in range(0, width, lanes):
                    j = min(left, width - lanes)
                    t = transpose(load(square, a.data, row_of(a, thread, n, i) + j, a.row))
                    store(t, z.data, row_of(z, thread, n, j) + i, z.row)

    return transpose_images


@kernel
def fill_with_zeros(
    z: Image, images: int, height: int, width: int, channels: int, part: int, parts: int, thread: int
) -> None:
    """z ← 0."""
    for n in mine(images, part, parts):
        for y in range(height):
            for x in range(width):
                for c in range(channels):
                    z.data[row_of(z, thread, n, y) + x * z.column + c] = 0


@cache
def add_relu(lanes: int, relu: bool, second: bool) -> Kernel:
    """z = φ(a + b), φ ReLU or the identity; without `second` z = φ(a)."""

    @kernel
    def add_relu(
        a: Image,
        b: Image,
        z: Image,
        images: int,
        height: int,
        width: int,
        channels: int,
        part: int,
        parts: int,
        thread: int,
    ) -> None:
        blank = tile(a.data, 1, 1)
        for n in mine(images, part, parts):
            for y in range(height):
                at, bt, to = row_of(a, thread, n, y), row_of(b, thread, n, y), row_of(z, thread, n, y)
                for x in range(width):
                    for c in range(0, channels, lanes):
                        t = load(blank, a.data, at + x * a.column + c, 0)
                        if second:
                            t = t + load(blank, b.data, bt + x * b.column + c, 0)
                        if relu:
                            t = select((t > blank) | (t != t), t, blank)
                        store(t, z.data, to + x * z.column + c, 0)

    return add_relu


@cache
def relu_gradient(lanes: int, relu: bool, add: bool) -> Kernel:
    """da ← δ where z > 0 or nan (everywhere without `relu`), 0 elsewhere; with `add` on top of what da holds."""

    @kernel
    def relu_gradient(
        dz: Image,
        z: Image,
        da: Image,
        images: int,
        height: int,
        width: int,
        channels: int,
        part: int,
        parts: int,
        thread: int,
    ) -> None:
        blank = tile(dz.data, 1, 1)
        for n in mine(images, part, parts):
            for y in range(height):
                dt, zt, to = row_of(dz, thread, n, y), row_of(z, thread, n, y), row_of(da, thread, n, y)
                for x in range(width):
                    for c in range(0, channels, lanes):
                        t = load(blank, dz.data, dt + x * dz.column + c, 0)
                        if relu:
                            output = load(blank, z.data, zt + x * z.column + c, 0)
                            t = select((output > blank) | (output != output), t, blank)
                        if add:
                            t = t + load(blank, da.data, to + x * da.column + c, 0)
                        store(t, da.data, to + x * da.column + c, 0)

    return relu_gradient


@cache
def bias_gradient(lanes: int) -> Kernel:
    """sums[thread, c] += Σ δ over all pixels: a bias's gradient."""

    @kernel
    def bias_gradient(
        dz: Image,
        sums: Floats,
        images: int,
        height: int,
        width: int,
        channels: int,
        part: int,
        parts: int,
        thread: int,
    ) -> None:
        four, blank = tile(sums, 4, 1), tile(sums, 1, 1)
        for n in mine(images, part, parts):
            for c in range(0, channels, lanes):
                total, totals = load(blank, sums, thread * channels + c, 0), four
                for y in range(height):
                    at = row_of(dz, thread, n, y) + c
                    for x in range(0, width - 3, 4):  # four sums, so that none waits for the one before
                        totals = totals + load(four, dz.data, at + x * dz.column, dz.column)
                    for x in range(width - width % 4, width):
                        total = total + load(blank, dz.data, at + x * dz.column, 0)
                total = total + ((row(totals, 0) + row(totals, 1)) + (row(totals, 2) + row(totals, 3)))
                store(total, sums, thread * channels + c, 0)

    return bias_gradient


@cache
def global_average(lanes: int) -> Kernel:
    """z[n, c] = the mean of a's channel over all pixels."""

    @kernel
    def global_average(
        a: Image, z: Image, images: int, height: int, width: int, channels: int, part: int, parts: int, thread: int
    ) -> None:
        blank = tile(z.data, 1, 1)
        pixels = broadcast(blank, z.data.dtype.type(height * width))
        for n in mine(images, part, parts):
            for c in range(0, channels, lanes):
                total = blank
                for y in range(height):
                    at = row_of(a, thread, n, y) + c
                    for x in range(width):
                        total = total + load(blank, a.data, at + x * a.column, 0)
                store_first(total / pixels, z.data, row_of(z, thread, n, 0) + c, 0, channels - c, 0)

    return global_average


@cache
def global_average_gradient(lanes: int, add: bool) -> Kernel:
    """Every pixel gets its fraction of a mean's gradient."""

    @kernel
    def global_average_gradient(
        dz: Image, da: Image, images: int, height: int, width: int, channels: int, part: int, parts: int, thread: int
    ) -> None:
        blank = tile(da.data, 1, 1)
        pixels = broadcast(blank, da.data.dtype.type(height * width))
        for n in mine(images, part, parts):
            for c in range(0, channels, lanes):
                fraction = load_first(blank, dz.data, row_of(dz, thread, n, 0) + c, 0, channels - c) / pixels
                for y in range(height):
                    at = row_of(da, thread, n, y) + c
                    for x in range(width):
                        t = load(blank, da.data, at + x * da.column, 0) + fraction if add else fraction
                        store(t, da.data, at + x * da.column, 0)

    return global_average_gradient
