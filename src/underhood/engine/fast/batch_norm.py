"""Batch normalisation as it stands: the kernels that pass over images in NumPy's order (N, C, …).

A channel of an image is a row of consecutive elements. Two passes each way, one image a part:

    row_sums              each row's Σ a and Σ (a − its own mean)², while it lies in the cache
    normalise             z = (a − μ) · slope + shift
    row_gradient_sums     each row's Σ δ and Σ δ (a − μ)
    normalise_gradient    ∂E/∂a = (δ − q − (a − μ) · p) · slope

What a row has behind its last whole vector is done element by element.
"""

from functools import cache, lru_cache
from typing import Any

import numpy as np

from underhood.engine.compile import compiled
from underhood.engine.fast.call import Call, threads_for
from underhood.engine.fast.kernel import Floats, Kernel, kernel, mine
from underhood.engine.fast.vectors import broadcast, fma, load, store, sum_of, tile
from underhood.engine.forms import Array

KEPT = 256  # calls of a kind that are kept: of sizes that were met last
LEAST = 16  # pixels of a channel


def offered(a: Array) -> bool:
    """Whether the kernels take this array: floats in rows (N, C, positions) that fill some vectors."""
    return a.dtype.kind == "f" and a.shape[2] >= LEAST and a.size > 0


def statistics(a: Array) -> tuple[Array, Array]:
    """μ and σ² of every channel of a (N, C, pixels)."""
    sums = np.empty((len(a), 2, a.shape[1]), a.dtype)
    _call(row_sums, a.shape, (a.size, sums.size), a.dtype, threads_for(a.size))(a, sums)
    return _together(sums, a.shape[2])


@compiled
def _together(sums: Array, pixels: int) -> tuple[Array, Array]:
    """The rows' sums as the channels' mean and variance, in float64 (Chan et al. 1983)."""
    images, _, channels = sums.shape
    mean, var = np.empty(channels, sums.dtype), np.empty(channels, sums.dtype)
    for c in range(channels):
        total, squares = 0.0, 0.0
        for n in range(images):
            total += sums[n, 0, c]
        centre = total / (images * pixels)
        for n in range(images):
            apart = sums[n, 0, c] / pixels - centre
            squares += sums[n, 1, c] + pixels * apart * apart
        mean[c], var[c] = centre, squares / (images * pixels)
    return mean, var


def normalised(a: Array, mean: Array, slope: Array, shift: Array) -> Array:
    """z = (a − μ) · slope + shift."""
    z, line = np.empty(a.shape, a.dtype), np.stack((mean, slope, shift))
    _call(normalise, a.shape, (a.size, line.size, a.size), a.dtype, threads_for(a.size))(a, line, z)
    return z


def gradient_sums(dz: Array, a: Array, mean: Array) -> tuple[Array, Array]:
    """Σ δ and Σ δ (a − μ) of every channel."""
    sums = np.empty((len(a), 2, a.shape[1]), a.dtype)
    sizes = a.size, a.size, mean.size, sums.size
    _call(row_gradient_sums, a.shape, sizes, a.dtype, threads_for(a.size))(dz, a, mean, sums)
    plain, weighted = sums.sum(0, dtype=np.float64).astype(a.dtype)
    return plain, weighted


def gradient(dz: Array, a: Array, mean: Array, slope: Array, p: Array, q: Array) -> Array:
    """∂E/∂a = (δ − q − (a − μ) · p) · slope."""
    da, line = np.empty(a.shape, a.dtype), np.stack((mean, slope, p, q))
    sizes = a.size, a.size, line.size, a.size
    _call(normalise_gradient, a.shape, sizes, a.dtype, threads_for(a.size))(dz, a, line, da)
    return da


@lru_cache(KEPT)
def _call(make: Any, shape: tuple[int, ...], sizes: tuple[int, ...], dtype: Any, threads: int) -> Call:
    """The kernel on arrays of these sizes."""
    call = Call(dtype, threads)
    call.emit(make(call.lanes), *map(call.given, sizes), *shape)
    return call.sealed()


@cache
def row_sums(lanes: int) -> Kernel:
    """sums[n, 0, c] = Σ a, sums[n, 1, c] = Σ (a − mean of the row)²."""

    @kernel
    def row_sums(
        a: Floats, sums: Floats, images: int, channels: int, pixels: int, part: int, parts: int, thread: int
    ) -> None:
        blank, element = tile(a, 1, 1), a.dtype.type
        for m in mine(images * channels, part, parts):
            begin, end = m * pixels, (m + 1) * pixels
            last = end - pixels % lanes
            totals = blank
            for i in range(begin, last, lanes):
                totals = totals + load(blank, a, i, 0)
            total = sum_of(totals)
            for i in range(last, end):
                total += a[i]
            mean = element(total / pixels)
            means, totals = broadcast(blank, mean), blank
            for i in range(begin, last, lanes):
                apart = load(blank, a, i, 0) - means
                totals = fma(apart, apart, totals)
            squares = sum_of(totals)
            for i in range(last, end):
                squares += (a[i] - mean) * (a[i] - mean)
            to = m // channels * 2 * channels + m % channels
            sums[to], sums[to + channels] = total, squares

    return row_sums


@cache
def normalise(lanes: int) -> Kernel:
    """z = (a − μ) · slope + shift; `line` holds μ, slope and shift of every channel."""

    @kernel
    def normalise(
        a: Floats, line: Floats, z: Floats, images: int, channels: int, pixels: int, part: int, parts: int, thread: int
    ) -> None:
        blank = tile(a, 1, 1)
        for m in mine(images * channels, part, parts):
            begin, end, c = m * pixels, (m + 1) * pixels, m % channels
            last = end - pixels % lanes
            mean, slope, shift = line[c], line[channels + c], line[2 * channels + c]
            means, slopes, shifts = broadcast(blank, mean), broadcast(blank, slope), broadcast(blank, shift)
            for i in range(begin, last, lanes):
                store(fma(load(blank, a, i, 0) - means, slopes, shifts), z, i, 0)
            for i in range(last, end):
                z[i] = (a[i] - mean) * slope + shift

    return normalise


@cache
def row_gradient_sums(lanes: int) -> Kernel:
    """sums[n, 0, c] = Σ δ, sums[n, 1, c] = Σ δ (a − μ)."""

    @kernel
    def row_gradient_sums(
        dz: Floats, a: Floats, means: Floats, sums: Floats, images: int, channels: int, pixels: int, part: int,
        parts: int, thread: int,
    ) -> None:  # fmt: skip
        blank = tile(a, 1, 1)
        for m in mine(images * channels, part, parts):
            begin, end = m * pixels, (m + 1) * pixels
            last = end - pixels % lanes
            mean = means[m % channels]
            spread, totals, products = broadcast(blank, mean), blank, blank
            for i in range(begin, last, lanes):
                delta = load(blank, dz, i, 0)
                totals = totals + delta
                products = fma(delta, load(blank, a, i, 0) - spread, products)
            total, weighted = sum_of(totals), sum_of(products)
            for i in range(last, end):
                total += dz[i]
                weighted += dz[i] * (a[i] - mean)
            to = m // channels * 2 * channels + m % channels
            sums[to], sums[to + channels] = total, weighted

    return row_gradient_sums


@cache
def normalise_gradient(lanes: int) -> Kernel:
    """∂E/∂a = (δ − q − (a − μ) · p) · slope; `line` holds μ, slope, p and q of every channel."""

    @kernel
    def normalise_gradient(
        dz: Floats, a: Floats, line: Floats, da: Floats, images: int, channels: int, pixels: int, part: int,
        parts: int, thread: int,
    ) -> None:  # fmt: skip
        blank = tile(a, 1, 1)
        for m in mine(images * channels, part, parts):
            begin, end, c = m * pixels, (m + 1) * pixels, m % channels
            last = end - pixels % lanes
            mean, slope, p, q = line[c], line[channels + c], line[2 * channels + c], line[3 * channels + c]
            means, slopes = broadcast(blank, mean), broadcast(blank, slope)
            ps, qs = broadcast(blank, p), broadcast(blank, q)
            for i in range(begin, last, lanes):
                apart = load(blank, a, i, 0) - means
                store((load(blank, dz, i, 0) - qs - apart * ps) * slopes, da, i, 0)
            for i in range(last, end):
                da[i] = (dz[i] - q - (a[i] - mean) * p) * slope

    return normalise_gradient
