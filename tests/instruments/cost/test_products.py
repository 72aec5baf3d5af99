"""Dot products, counted and written."""

import pytest

from underhood.instruments.cost.products import times


@pytest.mark.parametrize(
    ("factors", "written"), [((32, 3, 3), "32·3·3"), ((1, 10), "10"), ((1, 1), "1"), ((), "1"), ((0, 5), "0·5")]
)
def test_ones_go_without_saying_but_for_the_last(factors, written):
    assert times(*factors) == written
