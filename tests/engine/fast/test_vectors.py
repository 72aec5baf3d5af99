"""What is held in registers, against NumPy."""

from typing import Any

import numpy as np
import pytest

from underhood.engine.fast.edges import load_first, prefetch, store_first
from underhood.engine.fast.kernel import Bytes, Floats, Program, kernel
from underhood.engine.fast.shuffles import interleave, transpose
from underhood.engine.fast.vectors import (
    add_outer,
    add_rows,
    broadcast,
    bytes_as,
    fma,
    lanes,
    load,
    row,
    rows,
    select,
    store,
    tile,
)

DTYPES = ["float32", "float64"]


def call(function: Any, *arguments: Any, dtype: str) -> None:
    program = Program(dtype)
    program.add(function, *arguments)
    program.seal()
    program.run(1)


@kernel
def _add_outer(a: Floats, w: Floats, z: Floats, step: int, width: int, part: int, parts: int, thread: int) -> None:
    t = load(tile(a, 3, 2), z, 0, width)
    for k in range(4):
        t = add_outer(t, a, k, step, w, k * width)
    store(t, z, 0, width)


@pytest.mark.parametrize("dtype", DTYPES)
def test_grow_adds_products_of_numbers_and_rows(dtype: str) -> None:
    rng, width = np.random.default_rng(0), 2 * lanes(np.dtype(dtype))
    a, w, z = (rng.normal(size=size).astype(dtype) for size in ((3, 7), (4, width), (3, width)))
    expected = z + a[:, :4] @ w
    call(_add_outer, a.reshape(-1), w.reshape(-1), z.reshape(-1), 7, width, dtype=dtype)
    np.testing.assert_allclose(z, expected, rtol=1e-5 if dtype == "float32" else 1e-14, atol=1e-6)


@kernel
def _arithmetic(x: Floats, y: Floats, z: Floats, size: int, part: int, parts: int, thread: int) -> None:
    blank = tile(x, 1, 1)
    a, b = load(blank, x, 0, 0), load(blank, y, 0, 0)
    store(a + b, z, 0, 0)
    store(a - b, z, size, 0)
    store(a * b, z, 2 * size, 0)
    store(a / b, z, 3 * size, 0)
    store(fma(a, b, a), z, 4 * size, 0)
    store(select(a > b, a, b), z, 5 * size, 0)
    store(select(a == b, a, broadcast(blank, x.dtype.type(7))), z, 6 * size, 0)
    store(select((a != a) | (b != b), blank, a), z, 7 * size, 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tiles_compute_like_numbers(dtype: str) -> None:
    n = lanes(np.dtype(dtype))
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=n).astype(dtype), rng.normal(size=n).astype(dtype)
    x[0], y[1], x[2] = np.nan, np.nan, y[2]
    z = np.empty(8 * n, dtype)
    call(_arithmetic, x, y, z, n, dtype=dtype)
    found = z.reshape(8, n)
    tolerance = {"rtol": 1e-6 if dtype == "float32" else 1e-14}
    for line, expected in zip(found, (x + y, x - y, x * y, x / y, x * y + x), strict=False):
        np.testing.assert_allclose(line, expected, **tolerance)
    np.testing.assert_array_equal(found[5], np.where(x > y, x, y))
    np.testing.assert_array_equal(found[6], np.where(x == y, x, 7))
    np.testing.assert_array_equal(found[7], np.where(np.isnan(x) | np.isnan(y), 0, x))


@kernel
def _rows(b: Floats, z: Floats, places: Bytes, width: int, part: int, parts: int, thread: int) -> None:
    t = rows(tile(b, 3, 1), b, 0)
    add_rows(t, z, 0, width, 1)  # rows 1 and 2
    store(bytes_as(row(t, 0), places, 0), z, 3 * width, 0)
    store(row(t, 2), places, width, 0)


def test_rows_bytes_and_partial_sums() -> None:
    width = lanes(np.dtype("float32"))
    b, z = np.arange(width, dtype="float32"), np.ones((4, width), "float32")
    places = np.concatenate([np.full(width, 4), np.zeros(width)]).astype(np.uint8)
    call(_rows, b, z.reshape(-1), places, width, dtype="float32")
    np.testing.assert_array_equal(z, [np.ones(width), 1 + b, 1 + b, np.full(width, 4)])
    np.testing.assert_array_equal(places[width:], b)


@kernel
def _some(a: Floats, z: Floats, count: int, first: int, part: int, parts: int, thread: int) -> None:
    t = load_first(tile(a, 3, 2), a, 0, count, count)
    prefetch(t, z, 0, count)
    store_first(t + t, z, 1, count, count, first)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("first", [0, 1, 3])
def test_some_of_a_row_is_loaded_and_stored_and_nothing_beside_it(dtype: str, first: int) -> None:
    for count in range(2 * lanes(np.dtype(dtype)) + 1):
        a = np.random.default_rng(count).normal(size=3 * count).astype(dtype)
        z = np.full(3 * count + 2, -1, dtype)
        expected = z.copy()
        expected[1 + first * count : -1] = 2 * a[first * count :]
        call(_some, a, z, count, first, dtype=dtype)
        np.testing.assert_array_equal(z, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_square_turns(dtype: str) -> None:
    n = lanes(np.dtype(dtype))

    @kernel
    def turned(a: Floats, z: Floats, part: int, parts: int, thread: int) -> None:
        store(transpose(load(tile(a, n, 1), a, 0, n)), z, 0, n)

    a, z = np.arange(n * n, dtype=dtype), np.zeros(n * n, dtype)
    call(turned, a, z, dtype=dtype)
    np.testing.assert_array_equal(z.reshape(n, n), a.reshape(n, n).T)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_rows_interleave(dtype: str, channels: int) -> None:
    n = lanes(np.dtype(dtype))

    @kernel
    def mixed(a: Floats, z: Floats, part: int, parts: int, thread: int) -> None:
        store(interleave(load(tile(a, channels, 1), a, 0, n)), z, 0, 0)

    a, z = np.arange(channels * n, dtype=dtype), np.zeros(channels * n, dtype)
    call(mixed, a, z, dtype=dtype)
    np.testing.assert_array_equal(z, a.reshape(channels, n).T.reshape(-1))
