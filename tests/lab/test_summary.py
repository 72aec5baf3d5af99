"""Mean and interval, against SciPy's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from underhood.lab.summary import Curve, Summary

numbers = st.floats(-1e6, 1e6)


@given(st.lists(numbers, min_size=2, max_size=8).filter(lambda values: np.std(values) > 1e-6))
def test_the_interval_is_students(values):
    found = Summary.of(values)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.low == pytest.approx(expected.low, rel=1e-9, abs=1e-6)
    assert found.high == pytest.approx(expected.high, rel=1e-9, abs=1e-6)
    assert (found.n, found.values) == (len(values), tuple(values))


def test_by_hand():
    """1, 2, 3: mean 2, s = 1, t(0.975, 2) = 4.3027, half width 4.3027/√3 = 2.4841."""
    found = Summary.of([1, 2, 3])
    assert (found.mean, found.low, found.high) == pytest.approx((2, -0.48414, 4.48414), abs=1e-5)
    assert str(found) == "2 [-0.4841, 4.484], n = 3"


def test_one_seed_has_no_interval():
    found = Summary.of([0.25])
    assert found == Summary(0.25, None, None, 1, (0.25,))
    assert str(found) == "0.25, n = 1"


def test_a_curve_is_a_summary_at_every_step():
    values = [[1.0, 2.0, 4.0], [3.0, 2.0, 5.0]]
    curve = Curve.of([10, 20, 30], values)
    for index in range(3):
        expected = Summary.of([series[index] for series in values])
        assert curve.mean[index] == expected.mean
        assert curve.low[index] == pytest.approx(expected.low)
        assert curve.high[index] == pytest.approx(expected.high)
    assert curve.rows(optimizer="adam")[1] == {"optimizer": "adam", "step": 20, "mean": 2.0, "low": 2.0, "high": 2.0}
    assert curve.n == 2


def test_a_curve_of_one_seed_is_its_own_band():
    curve = Curve.of([1, 2], [[0.5, 0.25]])
    assert (curve.low, curve.high, curve.n) == (None, None, 1)
    assert curve.rows() == [
        {"step": 1, "mean": 0.5, "low": 0.5, "high": 0.5},
        {"step": 2, "mean": 0.25, "low": 0.25, "high": 0.25},
    ]


def test_a_curve_has_its_seeds_one_by_one():
    curve = Curve.of([10, 20], [[1.0, 2.0], [3.0, 2.5]])
    assert curve.seed_rows(rule="adam") == [
        {"rule": "adam", "step": 10, "mean": 1.0, "seed": 1},
        {"rule": "adam", "step": 20, "mean": 2.0, "seed": 1},
        {"rule": "adam", "step": 10, "mean": 3.0, "seed": 2},
        {"rule": "adam", "step": 20, "mean": 2.5, "seed": 2},
    ]
    assert Curve.of([10], [[1.0]]).seed_rows() == []
