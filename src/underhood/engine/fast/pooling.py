"""ReLU and 2×2 max-pooling of channels-last images, in one pass each way.

    p[n,y,x,c] = max(0, max of z[n, 2y+i, 2x+j, c], i, j ∈ {0, 1})

Beside the maximum goes its position, 2i + j, one byte; the first of equal ones counts, as on the page max_pool2d.
With ReLU, 4 says that the maximum was not positive, so that no gradient passes. Rows and columns left over at an odd
edge are not read, and get the gradient 0.
"""

from functools import cache

from underhood.engine.fast.kernel import Bytes, Image, Kernel, kernel, mine, row_of
from underhood.engine.fast.vectors import broadcast, bytes_as, load, row, select, store, tile


@cache
def max_pool(lanes: int, relu: bool) -> Kernel:
    """z → p and positions."""

    @kernel
    def max_pool(
        z: Image,
        p: Image,
        positions: Bytes,
        images: int,
        height: int,
        width: int,
        channels: int,
        part: int,
        parts: int,
        thread: int,
    ) -> None:
        pair, blank = tile(z.data, 2, 1), tile(z.data, 1, 1)
        number = z.data.dtype.type
        one, two, three = broadcast(blank, number(1)), broadcast(blank, number(2)), broadcast(blank, number(3))
        for n in mine(images, part, parts):
            for y in range(height):
                for x in range(width):
                    top = row_of(z, thread, n, 2 * y) + 2 * x * z.column
                    to = row_of(p, thread, n, y) + x * p.column
                    position = ((n * height + y) * width + x) * channels
                    for c in range(0, channels, lanes):
                        upper = load(pair, z.data, top + c, z.column)
                        lower = load(pair, z.data, top + z.row + c, z.column)
                        best, where = row(upper, 0), blank
                        candidate = row(upper, 1)
                        better = (candidate > best) | (candidate != candidate)
                        best, where = select(better, candidate, best), select(better, one, where)
                        candidate = row(lower, 0)
                        better = (candidate > best) | (candidate != candidate)
                        best, where = select(better, candidate, best), select(better, two, where)
                        candidate = row(lower, 1)
                        better = (candidate > best) | (candidate != candidate)
                        best, where = select(better, candidate, best), select(better, three, where)
                        if relu:
                            alive = (best > blank) | (best != best)
                            best = select(alive, best, blank)
                            where = select(alive, where, broadcast(blank, number(4)))
                        store(best, p.data, to + c, 0)
                        store(where, positions, position + c, 0)

    return max_pool


@cache
def max_pool_gradient(lanes: int) -> Kernel:
    """∂E/∂p → ∂E/∂z: each gradient goes to where the maximum stood."""

    @kernel
    def max_pool_gradient(
        dp: Image,
        positions: Bytes,
        dz: Image,
        images: int,
        height: int,
        width: int,
        channels: int,
        bottom: int,
        right: int,
        part: int,
        parts: int,
        thread: int,
    ) -> None:
        blank = tile(dp.data, 1, 1)
        number = dp.data.dtype.type
        one, two, three = broadcast(blank, number(1)), broadcast(blank, number(2)), broadcast(blank, number(3))
        for n in mine(images, part, parts):
            for y in range(height):
                upper, lower = row_of(dz, thread, n, 2 * y), row_of(dz, thread, n, 2 * y + 1)
                for x in range(width):
                    source = row_of(dp, thread, n, y) + x * dp.column
                    position = ((n * height + y) * width + x) * channels
                    left, next = 2 * x * dz.column, (2 * x + 1) * dz.column
                    for c in range(0, channels, lanes):
                        delta, where = load(blank, dp.data, source + c, 0), bytes_as(blank, positions, position + c)
                        store(select(where == blank, delta, blank), dz.data, upper + left + c, 0)
                        store(select(where == one, delta, blank), dz.data, upper + next + c, 0)
                        store(select(where == two, delta, blank), dz.data, lower + left + c, 0)
                        store(select(where == three, delta, blank), dz.data, lower + next + c, 0)
            for y in range(2 * height + bottom):  # what is left over at an odd edge
                for x in range(0 if y >= 2 * height else 2 * width, 2 * width + right):
                    for c in range(0, channels, lanes):
                        store(blank, dz.data, row_of(dz, thread, n, y) + x * dz.column + c, 0)

    return max_pool_gradient
