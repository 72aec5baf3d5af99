"""Numbers as LaTeX, and what a check comes to."""

import math

import pytest

from underhood.studies.by_hand.worked import _verdict, number


@pytest.mark.parametrize(
    ("value", "latex"),
    [
        (0, "0"),
        (-0.1736481, "-0.1736"),
        (0.05, "0.05"),
        (1234.56, "1235"),
        (123456.7, "123500"),
        (999999.0, "1000000"),
        (1e6, r"1\cdot 10^{6}"),
        (-2.34567e7, r"-2.346\cdot 10^{7}"),
        (1e-4, "0.0001"),
        (0.99e-4, r"9.9\cdot 10^{-5}"),
        (2.3e-5, r"2.3\cdot 10^{-5}"),
        (math.inf, r"\infty"),
        (-math.inf, r"-\infty"),
        (math.nan, r"\text{undefined}"),
    ],
)
def test_four_digits_without_zeros_at_the_end(value, latex):
    assert number(value) == latex


def test_other_numbers_of_digits():
    assert number(math.pi, 2) == "3.1"
    assert number(1.23456e-7, 2) == r"1.2\cdot 10^{-7}"
    assert number(1.23456e-7, 1) == r"1\cdot 10^{-7}"


@pytest.mark.parametrize(("gap", "said"), [(None, "not asked"), (0.0, "equal"), (0.5, "equal"), (0.51, "differs")])
def test_a_difference_is_held_against_its_tolerance(gap, said):
    assert _verdict(gap, 0.5) == said
