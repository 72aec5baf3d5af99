"""Fully connected layers in registers, the loss on top of them, and what adds rows up.

    z = φ(a wᵀ + b)        ∂E/∂a = δ w        ∂E/∂w = δᵀ a        ∂E/∂b = Σ_n δ

All three are sums of products of one element with a row of a *panel*: V vectors of columns of the right factor. A panel
is packed once, where the second cache keeps it, and every row of the left factor goes over it, in tiles of R rows ×
V vectors (vectors.py). A part makes some columns of z or ∂E/∂a, or of ∂E/∂w, so that no two write to the same memory.

The bias is what z begins with, and φ is done while z is still in registers. ∂E/∂w may be added to a fraction of what is
there already: with momentum as that fraction, gradient and old momentum become the new momentum, and w ← w − η v is
done in the same pass.

Source: panels and tiles as in Goto & van de Geijn 2008, "Anatomy of high-performance matrix multiplication".
"""

from functools import cache

import numpy as np

from underhood.engine.compile import inner
from underhood.engine.fast.edges import load_first, prefetch, store_first
from underhood.engine.fast.kernel import Floats, Kernel, Longs, kernel, mine
from underhood.engine.fast.shuffles import transpose
from underhood.engine.fast.vectors import REGISTERS, add_outer, broadcast, fits, fma, load, rows, select, store, tile

WIDE = 8  # panels side by side whose columns of ∂E/∂w are made row by row


def tile_shape(length: int, columns: int, lanes: int) -> tuple[int, int]:
    """Rows and vectors of a tile for `length` rows of so many columns: three vectors, or two where that wastes less."""
    V = min((3, 2), key=lambda v: -(-columns // (v * lanes)) * v)
    return min(length, max(r for r in range(1, REGISTERS) if fits(r, V))), V


def workspace_size(V: int, lanes: int, depth: int, panels: int = 1) -> int:
    """How many elements a thread needs for its panels and one more row."""
    return (panels * depth + 1) * V * lanes


@inner
def columns_of(count: int, width: int, part: int, parts: int) -> range:
    """Where the panels of a part begin."""
    panels = mine(-(-count // width), part, parts)
    return range(panels.start * width, panels.stop * width, width)


@cache
def matrix_product(R: int, V: int, lanes: int) -> Kernel:
    """z (N, C) = φ(a (N, K) · w + b), w (K, C), or (C, K) where it is `turned`; φ is ReLU or the identity.

    Where R does not divide N, the last tile overlaps the one before.
    """
    width = V * lanes

    @kernel
    def matrix_product(
        a: Floats,
        w: Floats,
        b: Floats,
        z: Floats,
        workspace: Floats,
        N: int,
        K: int,
        C: int,
        turned: bool,
        relu: bool,
        part: int,
        parts: int,
        thread: int,
    ) -> None:
        square, line, blank = tile(z, lanes, 1), tile(z, 1, V), tile(z, R, V)
        bias = thread * (workspace.size // parts)
        panel = bias + width
        for c in columns_of(C, width, part, parts):
            count = min(width, C - c)
            store(load_first(line, b, c, 0, count), workspace, bias, 0)
            for k in range(0 if turned else K):
                store(load_first(line, w, k * C + c, 0, count), workspace, panel + k * width, 0)
            for j in range(0, width if turned else 0, lanes):
                squares = K - K % lanes if j + lanes <= count else 0
                for k in range(0, squares, lanes):
                    store(transpose(load(square, w, (c + j) * K + k, K)), workspace, panel + k * width + j, width)
                for k in range(squares, K):
                    for i in range(j, j + lanes):
                        workspace[panel + k * width + i] = w[(c + i) * K + k] if i < count else 0
            for first in range(0, N, R):
                n = min(first, N - R)
                t, row = rows(blank, workspace, bias), panel
                for k in range(n * K, n * K + K):
                    t = add_outer(t, a, k, K, workspace, row)
                    row += width
                if relu:
                    t = select((t > blank) | (t != t), t, blank)
                store_first(t, z, n * C + c, C, count, 0)

    return matrix_product


@cache
def relu_gradient(lanes: int) -> Kernel:
    """δ ← 0 where z ≤ 0, in place; where z is nan it stays, as in PyTorch."""
    width = 4 * lanes

    @kernel
    def relu_gradient(dz: Floats, z: Floats, count: int, part: int, parts: int, thread: int) -> None:
        blank = tile(dz, 1, 4)
        for i in columns_of(count, width, part, parts):
            some = count - i
            t = load_first(blank, dz, i, 0, some)
            output = load_first(blank, z, i, 0, some)
            store_first(select((output > blank) | (output != output), t, blank), dz, i, 0, some, 0)

    return relu_gradient


@cache
def linear_weight_gradient(R: int, V: int, lanes: int) -> Kernel:
    """∂E/∂w ← keep · ∂E/∂w + δᵀ (P, N) · a (N, D), and with `update` w ← w − η ∂E/∂w.

    Where R does not divide P, the last tile overlaps the one before, and its first rows are dropped.
    """
    width = V * lanes

    @kernel
    def linear_weight_gradient(
        dz: Floats,
        a: Floats,
        dw: Floats,
        w: Floats,
        constants: Floats,
        workspace: Floats,
        N: int,
        D: int,
        P: int,
        keep: float,
        update: bool,
        part: int,
        parts: int,
        thread: int,
    ) -> None:
        line, blank = tile(dw, 1, V), tile(dw, R, V)
        begin, minus = thread * (workspace.size // parts), broadcast(blank, -constants[0])
        columns = columns_of(D, width, part, parts)
        for left in range(columns.start, columns.stop, WIDE * width):
            right, row = min(left + WIDE * width, columns.stop), begin
            for d in range(left, right, width):
                for n in range(N):
                    store(load_first(line, a, n * D + d, 0, D - d), workspace, row, 0)
                    row += width
            for top in range(0, P, R):
                p, row = min(top, P - R), begin
                for d in range(left, right, width):
                    at, count, t = p * D + d, D - d, blank
                    prefetch(blank, dw, at + width, D)
                    if update:
                        prefetch(blank, w, at + width, D)
                    if keep != 0:
                        t = load_first(blank, dw, at, D, count) * broadcast(blank, keep)
                    for n in range(p, N * P, P):
                        t = add_outer(t, dz, n, 1, workspace, row)
                        row += width
                    store_first(t, dw, at, D, count, top - p)
                    if update:
                        store_first(fma(t, minus, load_first(blank, w, at, D, count)), w, at, D, count, top - p)

    return linear_weight_gradient


@cache
def linear_bias_gradient(lanes: int) -> Kernel:
    """db (P,) ← keep · db + Σ_n δ (N, P)."""

    @kernel
    def linear_bias_gradient(
        dz: Floats, db: Floats, N: int, P: int, keep: float, part: int, parts: int, thread: int
    ) -> None:
        blank = tile(db, 1, 4)
        width = 4 * lanes
        for p in columns_of(P, width, part, parts):
            count, t = P - p, blank
            for n in range(N):
                t = t + load_first(blank, dz, n * P + p, 0, count)
            if keep != 0:
                t = fma(load_first(blank, db, p, 0, count), broadcast(blank, keep), t)
            store_first(t, db, p, 0, count, 0)

    return linear_bias_gradient


@kernel
def cross_entropy(
    x: Floats,
    t: Longs,
    loss: Floats,
    dx: Floats,
    N: int,
    C: int,
    smoothing: float,
    ignored: int,
    part: int,
    parts: int,
    thread: int,
) -> None:
    """The mean of −Σ_k q log softmax(x)_k and ∂loss/∂x = (softmax(x) − q)/N, q the smoothed target; one part."""
    total, count = 0.0, 0
    even = smoothing / C
    for n in range(N):
        if t[n] != ignored:
            count += 1
    for n in range(N):
        row = n * C
        top = x[row]
        for k in range(1, C):
            top = x[row + k] if x[row + k] > top or x[row + k] != x[row + k] else top
        mass = x[row] * 0
        for k in range(C):
            dx[row + k] = np.exp(x[row + k] - top)
            mass += dx[row + k]
        normal = np.log(mass)
        for k in range(C):
            q = even + (1 - smoothing if k == t[n] else smoothing * 0)
            if t[n] == ignored:
                dx[row + k] = 0
                continue
            if q > 0:
                total -= q * (x[row + k] - top - normal)
            dx[row + k] = (dx[row + k] / mass - q) / count
    loss[0] = total / count
