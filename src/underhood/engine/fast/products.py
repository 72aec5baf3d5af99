"""Fully connected layers in registers, the loss on top of them, and what adds rows up.

    z = φ(a wᵀ + b)        ∂E/∂a = δ w        ∂E/∂w = δᵀ a        ∂E/∂b = Σ_n δ

All three are sums of products of one number with a row of a *panel*: V vectors of columns of the right factor. A panel
is packed once, where the second cache keeps it, and every row of the left factor goes over it, in tiles of R rows ×
V vectors (vectors.py). A part makes some columns of z or ∂E/∂a, or of ∂E/∂w, so that no two write to the same place.

The bias is what z begins with, and φ is done while z is still in registers. ∂E/∂w may be added to a share of what is
there already: with momentum as that share, gradient and old momentum become the new momentum, and w ← w − η v is done
in the same pass.

Source: panels and tiles as in Goto & van de Geijn 2008, "Anatomy of high-performance matrix multiplication".
"""

from functools import cache

import numpy as np

from underhood.engine.compile import inner
from underhood.engine.fast.edges import fetch, load_some, store_some
from underhood.engine.fast.kernel import Floats, Kernel, Longs, kernel, mine
from underhood.engine.fast.shuffles import turn
from underhood.engine.fast.vectors import REGISTERS, choose, fits, fma, grow, load, rows, spread, store, tile

WIDE = 8  # panels side by side whose columns of ∂E/∂w are made row by row


def tile_of(length: int, columns: int, lanes: int) -> tuple[int, int]:
    """Rows and vectors of a tile for `length` rows of so many columns: three vectors, or two where that wastes less."""
    V = min((3, 2), key=lambda v: -(-columns // (v * lanes)) * v)
    return min(length, max(r for r in range(1, REGISTERS) if fits(r, V))), V


def room_for(V: int, lanes: int, depth: int, panels: int = 1) -> int:
    """How many numbers a thread needs for its panels and one more row."""
    return (panels * depth + 1) * V * lanes


@inner
def columns_of(count: int, width: int, part: int, parts: int) -> range:
    """Where the panels of a part begin."""
    panels = mine(-(-count // width), part, parts)
    return range(panels.start * width, panels.stop * width, width)


@cache
def product(R: int, V: int, lanes: int) -> Kernel:
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
        room: Floats,
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
        bias = thread * (room.size // parts)
        panel = bias + width
        for c in columns_of(C, width, part, parts):
            count = min(width, C - c)
            store(load_some(line, b, c, 0, count), room, bias, 0)
            for k in range(0 if turned else K):
                store(load_some(line, w, k * C + c, 0, count), room, panel + k * width, 0)
            for j in range(0, width if turned else 0, lanes):
                squares = K - K % lanes if j + lanes <= count else 0
                for k in range(0, squares, lanes):
                    store(turn(load(square, w, (c + j) * K + k, K)), room, panel + k * width + j, width)
                for k in range(squares, K):
                    for i in range(j, j + lanes):
                        room[panel + k * width + i] = w[(c + i) * K + k] if i < count else 0
            for first in range(0, N, R):
                n = min(first, N - R)
                t, row = rows(blank, room, bias), panel
                for k in range(n * K, n * K + K):
                    t = grow(t, a, k, K, room, row)
                    row += width
                if relu:
                    t = choose((t > blank) | (t != t), t, blank)
                store_some(t, z, n * C + c, C, count, 0)

    return matrix_product


@cache
def relu_mask(lanes: int) -> Kernel:
    """δ ← 0 where z is not positive, in place."""
    width = 4 * lanes

    @kernel
    def relu_mask(dz: Floats, z: Floats, count: int, part: int, parts: int, thread: int) -> None:
        blank = tile(dz, 1, 4)
        for i in columns_of(count, width, part, parts):
            some = count - i
            t = load_some(blank, dz, i, 0, some)
            store_some(choose(load_some(blank, z, i, 0, some) > blank, t, blank), dz, i, 0, some, 0)

    return relu_mask


@cache
def to_weight(R: int, V: int, lanes: int) -> Kernel:
    """∂E/∂w ← keep · ∂E/∂w + δᵀ (P, N) · a (N, D), and with `follow` w ← w − η ∂E/∂w.

    Where R does not divide P, the last tile overlaps the one before, and its first rows are dropped.
    """
    width = V * lanes

    @kernel
    def to_weight(
        dz: Floats,
        a: Floats,
        dw: Floats,
        w: Floats,
        constants: Floats,
        room: Floats,
        N: int,
        D: int,
        P: int,
        keep: float,
        follow: bool,
        part: int,
        parts: int,
        thread: int,
    ) -> None:
        line, blank = tile(dw, 1, V), tile(dw, R, V)
        begin, minus = thread * (room.size // parts), spread(blank, -constants[0])
        columns = columns_of(D, width, part, parts)
        for left in range(columns.start, columns.stop, WIDE * width):
            right, row = min(left + WIDE * width, columns.stop), begin
            for d in range(left, right, width):
                for n in range(N):
                    store(load_some(line, a, n * D + d, 0, D - d), room, row, 0)
                    row += width
            for top in range(0, P, R):
                p, row = min(top, P - R), begin
                for d in range(left, right, width):
                    at, count, t = p * D + d, D - d, blank
                    fetch(blank, dw, at + width, D)
                    if follow:
                        fetch(blank, w, at + width, D)
                    if keep != 0:
                        t = load_some(blank, dw, at, D, count) * spread(blank, keep)
                    for n in range(p, N * P, P):
                        t = grow(t, dz, n, 1, room, row)
                        row += width
                    store_some(t, dw, at, D, count, top - p)
                    if follow:
                        store_some(fma(t, minus, load_some(blank, w, at, D, count)), w, at, D, count, top - p)

    return to_weight


@cache
def add_rows_up(lanes: int) -> Kernel:
    """db (P,) ← keep · db + Σ_n δ (N, P)."""

    @kernel
    def bias_gradient(dz: Floats, db: Floats, N: int, P: int, keep: float, part: int, parts: int, thread: int) -> None:
        blank = tile(db, 1, 4)
        width = 4 * lanes
        for p in columns_of(P, width, part, parts):
            count, t = P - p, blank
            for n in range(N):
                t = t + load_some(blank, dz, n * P + p, 0, count)
            if keep != 0:
                t = fma(load_some(blank, db, p, 0, count), spread(blank, keep), t)
            store_some(t, db, p, 0, count, 0)

    return bias_gradient


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
