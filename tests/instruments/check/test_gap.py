"""Distances and units in the last place, worked by hand."""

import numpy as np
import pytest

from underhood.instruments.check.gap import ENDLESS, NONE, Gap, gap, worst

INF, NAN = float("inf"), float("nan")


def test_the_distance_is_over_the_norm_of_what_is_expected():
    found = gap(np.array([[3.0, 4.5], [0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 0.0]]))
    assert found.relative == pytest.approx(0.1)
    assert found.ulps == pytest.approx(0.5 / np.spacing(4.0))
    assert found.worst == (0, 1)


def test_all_that_is_off_counts_and_the_furthest_is_pointed_at():
    found = gap(np.array([1.0, 1.0, 8.0]), np.array([4.0, 5.0, 20.0]))
    assert found.relative == pytest.approx(13 / 21)
    assert found.ulps == pytest.approx(12 / np.spacing(20.0))
    assert found.worst == (2,)


def test_units_in_the_last_place_are_of_the_precision_that_was_computed_in():
    a, b = np.array([1.5, 2.0], np.float32), np.array([1.0, 2.0])
    assert gap(a, b).ulps == pytest.approx(0.5 / 2**-22)
    assert gap(np.array([1, 3]), np.array([1, 2])).ulps == pytest.approx(1 / 2**-51)


def test_what_is_equal_has_no_gap():
    for x in (np.zeros(3), np.ones((2, 2)), np.zeros(0), np.array([INF, -INF, NAN, 1.0]), np.array([NAN])):
        assert gap(x, x.copy()) == NONE == Gap(0.0, 0.0, ())


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([1.0, 2.0], [[1.0, 2.0]]),
        ([1.0], [1.0, 1.0]),
        ([1.0, INF], [1.0, 2.0]),
        ([1.0, 2.0], [1.0, NAN]),
        ([1.0, INF], [1.0, -INF]),
        ([1.0, INF], [1.0, NAN]),
        ([1.0], [0.0]),
    ],
)
def test_other_shapes_infinities_and_a_right_answer_of_nothing_are_endlessly_far(found, expected):
    off = gap(np.array(found), np.array(expected))
    assert (off.relative, off.ulps) == (INF, INF) == (ENDLESS.relative, ENDLESS.ulps)


def test_infinite_numbers_in_their_places_are_left_out():
    found = gap(np.array([NAN, 3.0, INF, 5.0]), np.array([NAN, 3.0, INF, 4.0]))
    assert found.relative == pytest.approx(0.2)
    assert found.worst == (3,)


def test_complex_numbers_are_pairs():
    found = gap(np.array([3.0 + 4.0j]), np.array([3.0 + 3.5j]))
    assert found.relative == pytest.approx(0.5 / np.hypot(3, 3.5))
    assert found.worst == (0, 1)
    assert gap(np.array([1.0 + 0j]), np.array([1.0])).relative == 0
    assert gap(np.array([1.0]), np.array([1.0 + 1j])).relative == pytest.approx(0.5**0.5)


def test_a_thousandth_of_what_was_summed_is_the_least_that_is_divided_by():
    small, nothing = np.array([1e-9, 0.0, 0.0, 0.0]), np.zeros(4)
    assert gap(small, nothing).relative == INF
    found = gap(small, nothing, scale=2.0)
    assert found.relative == pytest.approx(1e-9 / 2e-3)
    assert found.ulps == pytest.approx(1e-9 / np.spacing(1e-3))
    assert gap(small + 1, nothing + 1, scale=1.0).relative == pytest.approx(1e-9 / 2)
    assert gap(small + 0j, nothing + 0j, scale=2.0).relative == pytest.approx(1e-9 / 2e-3)


def test_the_worst_is_taken_of_each():
    assert worst([]) is None
    assert worst([Gap(1.0, 2.0, (1,)), Gap(0.5, 7.0)]) == Gap(1.0, 7.0)
