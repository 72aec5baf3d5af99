"""Batch normalisation of channels-last images, with the sum and the ReLU that follow it.

    y = φ(γ (z − μ)/√(σ² + ε) + β + r)        r a residual or nothing, φ ReLU or the identity

Two passes each way; what is between them is a few values a channel.

    batch_norm_sums                  each image's sums: Σ z and Σ (z − its own mean)², while it lies in the cache
    batch_norm_statistics            μ and σ² of the batch from them, in float64 (Chan et al. 1983), the running
                                     statistics, and the line z·slope + shift that is left to do
    batch_norm                       y = φ(z·slope + shift + r)

    batch_norm_gradient_sums         each image's Σ g and Σ g (z − μ), where g = ∂E/∂y where y > 0 (what passes φ)
    batch_norm_parameter_gradients   ∂E/∂γ and ∂E/∂β, and the line g·p + z·q + s that is ∂E/∂z
    batch_norm_gradient              ∂E/∂z, and ∂E/∂r = g

V vectors of a pixel's channels are taken together, where channels are a multiple of them: no sum then waits for itself.

Source: Ioffe & Szegedy 2015; the derivation stands on the page batch_norm.
"""

from functools import cache

import numpy as np

from underhood.engine.fast.kernel import Floats, Image, Kernel, kernel, mine, row_of
from underhood.engine.fast.vectors import broadcast, fma, load, select, store, tile


@cache
def batch_norm_sums(V: int, lanes: int) -> Kernel:
    """sums[n, 0, c] = Σ z, sums[n, 1, c] = Σ (z − mean of the image)²."""

    @kernel
    def batch_norm_sums(
        z: Image, sums: Floats, images: int, height: int, width: int, channels: int, part: int, parts: int, thread: int
    ) -> None:
        blank = tile(sums, 1, V)
        fraction = sums.dtype.type(1 / (height * width))
        for n in mine(images, part, parts):
            to = n * 2 * channels
            for c in range(0, channels, V * lanes):
                total = blank
                for y in range(height):
                    at = row_of(z, thread, n, y) + c
                    for x in range(width):
                        total = total + load(blank, z.data, at + x * z.column, 0)
                store(total, sums, to + c, 0)
                mean, squares = total * broadcast(blank, fraction), blank
                for y in range(height):
                    at = row_of(z, thread, n, y) + c
                    for x in range(width):
                        apart = load(blank, z.data, at + x * z.column, 0) - mean
                        squares = fma(apart, apart, squares)
                store(squares, sums, to + channels + c, 0)

    return batch_norm_sums


@kernel
def batch_norm_statistics(
    sums: Floats, gamma: Floats, beta: Floats, running_mean: Floats, running_var: Floats, line: Floats, images: int,
    pixels: int, channels: int, stride: int, eps: float, momentum: float, affine: bool, tracked: bool, part: int,
    parts: int, thread: int,
) -> None:  # fmt: skip
    """line = slope, shift, μ, 1/√(σ² + ε), each (stride,)."""
    count = images * pixels
    for c in mine(channels, part, parts):
        total = 0.0
        for n in range(images):
            total += sums[n * 2 * stride + c]
        mean, squares = total / count, 0.0
        for n in range(images):
            apart = sums[n * 2 * stride + c] / pixels - mean
            squares += sums[n * 2 * stride + stride + c] + pixels * apart * apart
        variance = squares / count
        root = 1 / np.sqrt(variance + eps)
        slope = (gamma[c] if affine else 1.0) * root
        line[c], line[stride + c] = slope, (beta[c] if affine else 0.0) - mean * slope
        line[2 * stride + c], line[3 * stride + c] = mean, root
        if tracked:
            running_mean[c] += momentum * (mean - running_mean[c])
            running_var[c] += momentum * (squares / (count - 1) - running_var[c])


@kernel
def batch_norm_given_statistics(
    gamma: Floats,
    beta: Floats,
    mean: Floats,
    variance: Floats,
    line: Floats,
    channels: int,
    stride: int,
    eps: float,
    affine: bool,
    part: int,
    parts: int,
    thread: int,
) -> None:
    """The same from given statistics, as in `eval`."""
    for c in mine(channels, part, parts):
        root = 1 / np.sqrt(variance[c] + eps)
        slope = (gamma[c] if affine else 1.0) * root
        line[c], line[stride + c] = slope, (beta[c] if affine else 0.0) - mean[c] * slope
        line[2 * stride + c], line[3 * stride + c] = mean[c], root


@cache
def batch_norm(V: int, lanes: int, relu: bool, residual: bool) -> Kernel:
    """y = φ(z·slope + shift + r)."""

    @kernel
    def batch_norm(
        z: Image,
        line: Floats,
        r: Image,
        y: Image,
        images: int,
        height: int,
        width: int,
        channels: int,
        part: int,
        parts: int,
        thread: int,
    ) -> None:
        blank = tile(line, 1, V)
        for n in mine(images, part, parts):
            for c in range(0, channels, V * lanes):
                slope, shift = load(blank, line, c, 0), load(blank, line, channels + c, 0)
                for v in range(height):
                    at, rt = row_of(z, thread, n, v) + c, row_of(r, thread, n, v) + c
                    to = row_of(y, thread, n, v) + c
                    for u in range(width):
                        t = fma(load(blank, z.data, at + u * z.column, 0), slope, shift)
                        if residual:
                            t = t + load(blank, r.data, rt + u * r.column, 0)
                        if relu:
                            t = select((t > blank) | (t != t), t, blank)
                        store(t, y.data, to + u * y.column, 0)

    return batch_norm


@cache
def batch_norm_gradient_sums(V: int, lanes: int, relu: bool) -> Kernel:
    """sums[n, 0, c] = Σ g, sums[n, 1, c] = Σ g (z − μ)."""

    @kernel
    def batch_norm_gradient_sums(
        dy: Image,
        y: Image,
        z: Image,
        line: Floats,
        sums: Floats,
        images: int,
        height: int,
        width: int,
        channels: int,
        part: int,
        parts: int,
        thread: int,
    ) -> None:
        blank = tile(line, 1, V)
        for n in mine(images, part, parts):
            for c in range(0, channels, V * lanes):
                mean, plain, weighted = load(blank, line, 2 * channels + c, 0), blank, blank
                for v in range(height):
                    dt, yt = row_of(dy, thread, n, v) + c, row_of(y, thread, n, v) + c
                    zt = row_of(z, thread, n, v) + c
                    for u in range(width):
                        g = load(blank, dy.data, dt + u * dy.column, 0)
                        if relu:
                            output = load(blank, y.data, yt + u * y.column, 0)
                            g = select((output > blank) | (output != output), g, blank)
                        plain = plain + g
                        weighted = fma(g, load(blank, z.data, zt + u * z.column, 0) - mean, weighted)
                store(plain, sums, n * 2 * channels + c, 0)
                store(weighted, sums, n * 2 * channels + channels + c, 0)

    return batch_norm_gradient_sums


@kernel
def batch_norm_parameter_gradients(
    sums: Floats, gamma: Floats, line: Floats, dgamma: Floats, dbeta: Floats, back: Floats, images: int, pixels: int,
    channels: int, stride: int, affine: bool, training: bool, keep_gamma: float, keep_beta: float, part: int,
    parts: int, thread: int,
) -> None:  # fmt: skip
    """∂E/∂γ, ∂E/∂β (added to the fraction `keep_…` of what is there), and back = p, q, s: ∂E/∂z = g·p + z·q + s."""
    for c in mine(channels, part, parts):
        plain, weighted = 0.0, 0.0
        for n in range(images):
            plain += sums[n * 2 * stride + c]
            weighted += sums[n * 2 * stride + stride + c]
        mean, root = line[2 * stride + c], line[3 * stride + c]
        weighted *= root
        if affine:
            dgamma[c] = keep_gamma * dgamma[c] + weighted if keep_gamma != 0 else weighted
            dbeta[c] = keep_beta * dbeta[c] + plain if keep_beta != 0 else plain
        slope, count = (gamma[c] if affine else 1.0) * root, images * pixels
        stretch = slope * root * weighted / count if training else 0.0
        back[c], back[stride + c] = slope, -stretch
        back[2 * stride + c] = stretch * mean - (slope * plain / count if training else 0.0)


@cache
def batch_norm_gradient(V: int, lanes: int, relu: bool, residual: bool, add: bool) -> Kernel:
    """dz = g·p + z·q + s, and dr = g, added to what dr holds with `add`."""

    @kernel
    def batch_norm_gradient(
        dy: Image,
        y: Image,
        z: Image,
        back: Floats,
        dz: Image,
        dr: Image,
        images: int,
        height: int,
        width: int,
        channels: int,
        part: int,
        parts: int,
        thread: int,
    ) -> None:
        blank = tile(back, 1, V)
        for n in mine(images, part, parts):
            for c in range(0, channels, V * lanes):
                p, q = load(blank, back, c, 0), load(blank, back, channels + c, 0)
                s = load(blank, back, 2 * channels + c, 0)
                for v in range(height):
                    dt, yt = row_of(dy, thread, n, v) + c, row_of(y, thread, n, v) + c
                    zt, et = row_of(z, thread, n, v) + c, row_of(dz, thread, n, v) + c
                    rt = row_of(dr, thread, n, v) + c
                    for u in range(width):
                        g = load(blank, dy.data, dt + u * dy.column, 0)
                        if relu:
                            output = load(blank, y.data, yt + u * y.column, 0)
                            g = select((output > blank) | (output != output), g, blank)
                        if residual:
                            old = load(blank, dr.data, rt + u * dr.column, 0) if add else blank
                            store(old + g, dr.data, rt + u * dr.column, 0)
                        store(
                            fma(g, p, fma(load(blank, z.data, zt + u * z.column, 0), q, s)),
                            dz.data,
                            et + u * dz.column,
                            0,
                        )

    return batch_norm_gradient
