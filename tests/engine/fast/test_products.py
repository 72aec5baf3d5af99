"""Fully connected layers' kernels against NumPy, at sizes that fit no tile and on one thread and two."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from underhood.engine.fast import products
from underhood.engine.fast.kernel import Program
from underhood.engine.fast.vectors import lanes

SIZES = st.integers(1, 12) | st.integers(13, 70)
KINDS = {"dtype": st.sampled_from(["float32", "float64"]), "threads": st.sampled_from([1, 2])}


def run(dtype: str, threads: int, kernel: Any, *arguments: Any) -> None:
    program = Program(dtype)
    program.add(kernel, *(x.reshape(-1) if isinstance(x, np.ndarray) else x for x in arguments), parts=threads)
    program.seal()
    program.run(threads)


def close(found: np.ndarray, expected: np.ndarray) -> None:
    tolerance = 1e-4 if found.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def drawn(dtype: str, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(sum(map(sum, shapes)))
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


@settings(max_examples=60, deadline=None)
@given(N=SIZES, K=SIZES, C=SIZES, turned=st.booleans(), relu=st.booleans(), **KINDS)
def test_a_product_is_the_product(N: int, K: int, C: int, turned: bool, relu: bool, dtype: str, threads: int) -> None:
    lane = lanes(np.dtype(dtype))
    a, w, b, around = drawn(dtype, (N, K), (C, K) if turned else (K, C), (C,), (N * C + 2,))
    z = around[1:-1]
    before = around[[0, -1]].copy()
    expected = a @ (w.T if turned else w) + b
    R, V = products.tile_shape(N, C, lane)
    workspace = np.full(threads * products.workspace_size(V, lane, K), np.nan, dtype)
    run(dtype, threads, products.matrix_product(R, V, lane), a, w, b, z, workspace, N, K, C, turned, relu)
    close(z.reshape(N, C), np.maximum(expected, 0) if relu else expected)
    np.testing.assert_array_equal(around[[0, -1]], before)  # nothing beside it is touched


@settings(max_examples=60, deadline=None)
@given(N=SIZES, D=SIZES, P=SIZES, keep=st.sampled_from([0.0, 0.9]), update=st.booleans(), **KINDS)
def test_a_weights_gradient_and_its_update(
    N: int, D: int, P: int, keep: float, update: bool, dtype: str, threads: int
) -> None:
    lane = lanes(np.dtype(dtype))
    dz, a, dw, w = drawn(dtype, (N, P), (N, D), (P, D), (P, D))
    gradient = keep * dw + dz.T @ a
    weights = w - 0.1 * gradient if update else w.copy()
    if not keep:
        dw[:] = np.nan  # what is not kept is not read
    R, V = products.tile_shape(P, D, lane)
    workspace = np.full(threads * products.workspace_size(V, lane, N, products.WIDE), np.nan, dtype)
    constants = np.array([0.1], dtype)
    run(
        dtype,
        threads,
        products.linear_weight_gradient(R, V, lane),
        dz,
        a,
        dw,
        w,
        constants,
        workspace,
        N,
        D,
        P,
        keep,
        update,
    )
    close(dw, gradient)
    close(w, weights)


@settings(max_examples=30, deadline=None)
@given(N=SIZES, P=st.integers(1, 100), keep=st.sampled_from([0.0, 0.9]), **KINDS)
def test_rows_add_up(N: int, P: int, keep: float, dtype: str, threads: int) -> None:
    dz, db = drawn(dtype, (N, P), (P,))
    expected = keep * db + dz.sum(0)
    run(dtype, threads, products.linear_bias_gradient(lanes(np.dtype(dtype))), dz, db, N, P, keep)
    close(db, expected)


@pytest.mark.parametrize("count", [1, 31, 32, 100])
def test_a_mask_lets_through_where_z_is_not_below_zero(count: int) -> None:
    dz, z = drawn("float32", (count,), (count,))
    z[0], dz[count // 2] = np.nan, np.nan
    expected = np.where(z <= 0, 0, dz)  # nan goes through, as in PyTorch
    run("float32", 2, products.relu_gradient(lanes(np.dtype("float32"))), dz, z, count)
    np.testing.assert_array_equal(dz, expected)


def test_a_tile_has_the_vectors_that_waste_less() -> None:
    assert products.tile_shape(128, 1000, 8)[1] == 3
    assert products.tile_shape(128, 10, 8)[1] == 2
    assert products.tile_shape(2, 10, 8)[0] == 2
