"""An elementwise function and its slope on all threads, for arrays that are large enough to be worth it."""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numba.np.unsafe.ndarray import to_fixed_tuple

from underhood.engine.fast.call import Call
from underhood.engine.fast.kernel import Floats, Kernel, kernel, mine

KEPT = 256  # calls of a kind that are kept: of sizes that were met last
_as_tuple: Any = to_fixed_tuple


@lru_cache(KEPT)
def forward(f: Callable[..., Any], size: int, settings: tuple[float, ...], dtype: Any, threads: int) -> Call:
    """x, z: z = f(x, *settings)."""
    call = Call(dtype, threads)
    x, z = call.given(size), call.given(size)
    call.emit(_forward(f, len(settings)), x, z, call.held(np.array([*settings, 0], dtype)))
    return call.sealed()


@lru_cache(KEPT)
def backward(slope: Callable[..., Any], size: int, settings: tuple[float, ...], dtype: Any, threads: int) -> Call:
    """dz, x, dx: dx = dz · slope(x, *settings)."""
    call = Call(dtype, threads)
    dz, x, dx = (call.given(size) for _ in range(3))
    call.emit(_backward(slope, len(settings)), dz, x, dx, call.held(np.array([*settings, 0], dtype)))
    return call.sealed()


@cache
def _forward(f: Any, count: int) -> Kernel:
    @kernel
    def elementwise(x: Floats, z: Floats, settings: Floats, part: int, parts: int, thread: int) -> None:
        constants, own = _as_tuple(settings, count), mine(x.size, part, parts)
        source, target = x[own.start : own.stop], z[own.start : own.stop]
        for i in range(source.size):
            target[i] = f(source[i], *constants)

    return elementwise


@cache
def _backward(slope: Any, count: int) -> Kernel:
    @kernel
    def elementwise_gradient(
        dz: Floats, x: Floats, dx: Floats, settings: Floats, part: int, parts: int, thread: int
    ) -> None:
        constants, own = _as_tuple(settings, count), mine(x.size, part, parts)
        delta, source, target = dz[own.start : own.stop], x[own.start : own.stop], dx[own.start : own.stop]
        for i in range(source.size):
            target[i] = delta[i] * slope(source[i], *constants)

    return elementwise_gradient
