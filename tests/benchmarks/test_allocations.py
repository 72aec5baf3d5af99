"""The counting allocator sees every block of NumPy's."""

import numpy as np

from benchmarks.allocations import ALLOCATOR, measure


def test_blocks_and_bytes_are_counted():
    with ALLOCATOR.counting() as count:
        kept = [np.empty(1000), np.zeros((3, 4), np.float32)]
    assert (count.blocks, count.bytes) == (2, 8048)
    with ALLOCATOR.counting() as count:
        kept[0].resize(2000, refcheck=False)
    assert count.bytes == 16000


def test_views_and_work_in_place_need_none():
    x = np.ones((10, 10))
    with ALLOCATOR.counting() as count:
        np.multiply(x, x, out=x)
        np.add(x[2:, ::2].T, x[2:, 1::2].T, out=x[2:, ::2].T)
    assert count.blocks == 0


def test_arrays_outlive_the_counting():
    with ALLOCATOR.counting():
        x = np.arange(1000)
    assert (x + 1).sum() == 500_500
    del x


def test_a_step_is_measured_after_its_warm_up():
    kept = []

    def step(x, t):
        if len(kept) < 8:
            kept.append(np.empty(10**6))  # what is allocated once
        np.empty(100)

    found = measure(step, [(None, None)])
    assert (found["blocks"], found["bytes"], found["compiled"]) == (1, 800, 0)
    assert 800 <= found["python"] < 100_000
