"""The work of a step, by hand."""

import pytest

from benchmarks.cases import CASES
from benchmarks.floor import Work, work


def test_an_mlp():
    found = work(CASES["mlp"])
    first, second, parameters = 784 * 256, 256 * 10, 784 * 256 + 256 + 256 * 10 + 10
    assert found.flops == 2 * 64 * (2 * first + 3 * second)
    assert found.moved == 4 * (5 * parameters + 2 * 64 * 784 + 5 * 64 * 256)
    assert found.touched == 4 * (2 * parameters + 64 * 784 + 64 * 256)


def test_a_convolution_counts_its_pooled_output_once():
    found = work(CASES["simple-conv-net"])
    conv, fc1, fc2 = 24 * 24 * 20 * 25, 2880 * 500, 500 * 10
    assert found.flops == 2 * 64 * (2 * conv + 3 * (fc1 + fc2))
    assert found.touched == 4 * (2 * 1_446_030 + 64 * (28 * 28 + 2880 + 500))


def test_the_copy_that_is_large_enough_is_the_measure():
    peaks = {"gflops": 100.0, "copies": {"1000": 50.0, "2000": 20.0, "4000": 10.0}}
    assert Work(flops=10**9, moved=10**6, touched=1500).milliseconds(peaks) == pytest.approx((10.0, 0.05))
    assert Work(flops=0, moved=10**6, touched=9000).milliseconds(peaks) == pytest.approx((0.0, 0.1))
