"""Kernels that update weights: an optimiser's rule, compiled into one pass over a parameter and its buffers."""

from collections.abc import Callable
from functools import cache
from typing import Any

from numba.np.unsafe.ndarray import to_fixed_tuple

from underhood.engine.compile import compiled
from underhood.engine.fast.kernel import Floats, Kernel, kernel, mine

_as_tuple: Any = to_fixed_tuple


@kernel
def momentum_update(w: Floats, v: Floats, constants: Floats, count: int, part: int, parts: int, thread: int) -> None:
    """w ← w − η v."""
    lr = constants[0]
    for i in mine(count, part, parts):
        w[i] -= lr * v[i]


@cache
def rule_update(rule: Callable[..., Any], buffers: int, count: int) -> Kernel:
    """An optimiser's rule for `buffers` elements a weight, with `count` constants, as a kernel."""
    f: Any = compiled(rule)

    def none(w: Floats, g: Floats, constants: Floats, size: int, part: int, parts: int, thread: int) -> None:
        numbers, own = _as_tuple(constants, count), mine(size, part, parts)
        ws, gs = w[own.start : own.stop], g[own.start : own.stop]
        for i in range(ws.size):
            (ws[i],) = f(ws[i], gs[i], *numbers)

    def one(w: Floats, g: Floats, a: Floats, constants: Floats, size: int, part: int, parts: int, thread: int) -> None:
        numbers, own = _as_tuple(constants, count), mine(size, part, parts)
        ws, gs, x = w[own.start : own.stop], g[own.start : own.stop], a[own.start : own.stop]
        for i in range(ws.size):
            ws[i], x[i] = f(ws[i], gs[i], x[i], *numbers)

    def two(
        w: Floats, g: Floats, a: Floats, b: Floats, constants: Floats, size: int, part: int, parts: int, thread: int
    ) -> None:
        numbers, own = _as_tuple(constants, count), mine(size, part, parts)
        ws, gs, x = w[own.start : own.stop], g[own.start : own.stop], a[own.start : own.stop]
        y = b[own.start : own.stop]
        for i in range(ws.size):
            ws[i], x[i], y[i] = f(ws[i], gs[i], x[i], y[i], *numbers)

    def three(
        w: Floats, g: Floats, a: Floats, b: Floats, c: Floats, constants: Floats, size: int, part: int, parts: int,
        thread: int,
    ) -> None:  # fmt: skip
        numbers, own = _as_tuple(constants, count), mine(size, part, parts)
        ws, gs, x = w[own.start : own.stop], g[own.start : own.stop], a[own.start : own.stop]
        y, z = b[own.start : own.stop], c[own.start : own.stop]
        for i in range(ws.size):
            ws[i], x[i], y[i], z[i] = f(ws[i], gs[i], x[i], y[i], z[i], *numbers)

    return kernel((none, one, two, three)[buffers])
