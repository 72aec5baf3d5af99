"""Fully connected layers by BLAS, the loss on top of them, and what adds rows up.

    z = φ(a wᵀ + b)        ∂E/∂a = δ w        ∂E/∂w = δᵀ a        ∂E/∂b = Σ_n δ

Each part makes some columns of z, some columns of ∂E/∂a, or some rows of ∂E/∂w, so that no two write to the same
place. The bias goes first and the product is added to it. ∂E/∂w may be added to a share of what is there already:
with momentum as that share, gradient and old momentum become the new momentum in one go.
"""

from functools import cache

import numpy as np

from underhood.engine.fast.blas import gemm
from underhood.engine.fast.kernel import Floats, Kernel, Longs, kernel, mine


@cache
def linear(relu: bool, bias: bool) -> Kernel:
    """z (N, P) = φ(a (N, D) · w (P, D)ᵀ + b)."""

    @kernel
    def linear_layer(
        a: Floats, w: Floats, b: Floats, z: Floats, N: int, D: int, P: int, part: int, parts: int, thread: int
    ) -> None:
        first, last = P * part // parts, P * (part + 1) // parts
        one, zero = z.dtype.type(1), z.dtype.type(0)
        if bias:
            for n in range(N):
                for p in range(first, last):
                    z[n * P + p] = b[p]
        gemm(False, True, N, last - first, D, one, a, 0, D, w, first * D, D, one if bias else zero, z, first, P)
        if relu:
            for n in range(N):
                for i in range(n * P + first, n * P + last):
                    z[i] = z[i] if z[i] > 0 or z[i] != z[i] else zero

    return linear_layer


@kernel
def relu_mask(dz: Floats, z: Floats, count: int, part: int, parts: int, thread: int) -> None:
    """δ ← 0 where z is not positive, in place."""
    for i in mine(count, part, parts):
        dz[i] = dz[i] if z[i] > 0 else dz[i] * 0


@kernel
def to_input(
    dz: Floats, w: Floats, da: Floats, N: int, D: int, P: int, add: bool, part: int, parts: int, thread: int
) -> None:
    """∂E/∂a (N, D) = δ (N, P) · w (P, D), added to what is there if asked."""
    first, last = D * part // parts, D * (part + 1) // parts
    one, zero = da.dtype.type(1), da.dtype.type(0)
    gemm(False, False, N, last - first, P, one, dz, 0, P, w, first, D, one if add else zero, da, first, D)


@kernel
def to_weight(
    dz: Floats, a: Floats, dw: Floats, N: int, D: int, P: int, keep: float, part: int, parts: int, thread: int
) -> None:
    """∂E/∂w ← keep · ∂E/∂w + δᵀ (P, N) · a (N, D)."""
    first, last = P * part // parts, P * (part + 1) // parts
    one = dw.dtype.type(1)
    gemm(True, False, last - first, D, N, one, dz, first, P, a, 0, D, dw.dtype.type(keep), dw, first * D, D)


@kernel
def add_rows_up(dz: Floats, db: Floats, N: int, P: int, keep: float, part: int, parts: int, thread: int) -> None:
    """db ← keep · db + Σ_n δ."""
    for p in mine(P, part, parts):
        db[p] = keep * db[p] if keep != 0 else keep
    for n in range(N):
        for p in mine(P, part, parts):
            db[p] += dz[n * P + p]


@kernel
def cross_entropy(
    x: Floats, t: Longs, loss: Floats, dx: Floats, N: int, C: int, smoothing: float, ignored: int, part: int,
    parts: int, thread: int,
) -> None:  # fmt: skip
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
