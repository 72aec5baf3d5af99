"""LeakyReLU of channels-last images and of contiguous numbers.

    z = a where a > 0, s·a elsewhere        ∂E/∂a = δ where a > 0, s·δ elsewhere        s the negative slope

As on the page `piecewise`, nan stays nan and passes s·δ back.
"""

from functools import cache

from underhood.engine.fast.edges import load_first, store_first
from underhood.engine.fast.kernel import Floats, Image, Kernel, kernel, mine, row_of
from underhood.engine.fast.products import columns_of
from underhood.engine.fast.vectors import broadcast, load, select, store, tile


@cache
def of_images(lanes: int, add: bool) -> Kernel:
    """z ← g where a > 0, s·g elsewhere; with `add` on top of what z holds. Forward g is a, backward it is δ."""

    @kernel
    def leaky_relu(
        a: Image,
        g: Image,
        z: Image,
        slope: float,
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
                at, gt, to = row_of(a, thread, n, y), row_of(g, thread, n, y), row_of(z, thread, n, y)
                for x in range(width):
                    for c in range(0, channels, lanes):
                        t = load(blank, g.data, gt + x * g.column + c, 0)
                        above = load(blank, a.data, at + x * a.column + c, 0) > blank
                        t = select(above, t, t * broadcast(blank, slope))
                        if add:
                            t = t + load(blank, z.data, to + x * z.column + c, 0)
                        store(t, z.data, to + x * z.column + c, 0)

    return leaky_relu


@cache
def of_numbers(lanes: int) -> Kernel:
    """The same of contiguous numbers."""
    width = 4 * lanes

    @kernel
    def leaky_relu(
        a: Floats, g: Floats, z: Floats, slope: float, count: int, part: int, parts: int, thread: int
    ) -> None:
        blank = tile(a, 1, 4)
        for i in columns_of(count, width, part, parts):
            some = count - i
            t, above = load_first(blank, g, i, 0, some), load_first(blank, a, i, 0, some) > blank
            store_first(select(above, t, t * broadcast(blank, slope)), z, i, 0, some, 0)

    return leaky_relu
