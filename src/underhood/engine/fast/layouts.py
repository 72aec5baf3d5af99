"""Images from NumPy's order (N, C, H, W) to channels last, and back.

    to_channels_last     z[n, pixel p, c] = a[n, c, p]
    to_channels_first    a[n, c, p] = z[n, pixel p, c]

The pixels p = y·W + x of a channel lie side by side in a, and z keeps those of a pixel's channels so: squares of as
many pixels as channels are transposed in registers. Where a pixel's channels begin in an image of z, `offsets` says,
so that z may have borders. What does not fill a square overlaps the one before, or is part of one where there are fewer
pixels or channels than a vector holds; then whole vectors are written all the same, with zeros behind the channels,
and z has room for them: the next pixel's channels are written later.
"""

from functools import cache

import numpy as np

from underhood.engine.fast.edges import load_at, load_part, store_at, store_part
from underhood.engine.fast.kernel import Image, Kernel, Longs, kernel, mine
from underhood.engine.fast.shuffles import transpose
from underhood.engine.fast.vectors import tile


@cache
def to_channels_last(lanes: int) -> Kernel:
    """z ← a; of a, `begin` and `image` are used, a channel has `pixels`."""

    @kernel
    def to_channels_last(
        a: Image, z: Image, offsets: Longs, images: int, pixels: int, channels: int, part: int, parts: int, thread: int
    ) -> None:
        square = tile(z.data, lanes, 1)
        for n in mine(images, part, parts):
            source, base = a.begin + n * a.image, z.begin + thread * z.thread + n * z.image
            for left in range(0, pixels, lanes):
                p = max(0, min(left, pixels - lanes))
                for top in range(0, channels, lanes):
                    c = max(0, min(top, channels - lanes))
                    t = load_part(square, a.data, source + c * pixels + p, pixels, channels - c, pixels - p)
                    store_at(transpose(t), z.data, base + c, offsets, p, pixels - p)

    return to_channels_last


@cache
def to_channels_first(lanes: int) -> Kernel:
    """a ← z; of a, `begin` and `image` are used, a channel has `pixels`."""

    @kernel
    def to_channels_first(
        z: Image, offsets: Longs, a: Image, images: int, pixels: int, channels: int, part: int, parts: int, thread: int
    ) -> None:
        square = tile(z.data, lanes, 1)
        for n in mine(images, part, parts):
            target, base = a.begin + n * a.image, z.begin + thread * z.thread + n * z.image
            for left in range(0, pixels, lanes):
                p = max(0, min(left, pixels - lanes))
                for top in range(0, channels, lanes):
                    c = max(0, min(top, channels - lanes))
                    t = transpose(load_at(square, z.data, base + c, offsets, p, pixels - p))
                    store_part(t, a.data, target + c * pixels + p, pixels, channels - c, pixels - p)

    return to_channels_first


def pixel_offsets(height: int, width: int, z: Image) -> np.ndarray:
    """Where the pixels of an image begin, seen from where the image does."""
    return (np.arange(height)[:, None] * z.row + np.arange(width) * z.column).reshape(-1)
