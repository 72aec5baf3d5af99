"""The power of the paired t-test, against published figures and against simulation."""

import numpy as np
import pytest

from underhood.lab.comparing.power import detectable, pairs_needed, power


@pytest.mark.parametrize(("effect", "pairs"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10)])
def test_the_number_of_pairs_is_the_published_one(effect, pairs):
    """Two-sided, 5 %, power 0.8, as G*Power 3.1 and Cohen's tables have it."""
    assert pairs_needed(effect) == pairs
    assert power(pairs, effect) >= 0.8 > power(pairs - 1, effect)


def test_what_so_many_pairs_detect_is_the_inverse():
    for n in (3, 5, 30):
        assert power(n, detectable(n)) == pytest.approx(0.8, abs=1e-6)


def test_the_ends():
    assert pairs_needed(0.0) is None
    assert pairs_needed(1e-3) is None
    assert pairs_needed(40.0) == pairs_needed(float("inf")) == 2
    assert power(np.array([5, 500]), 0.0) == pytest.approx(0.05)  # nothing there: found in 5 of 100
    assert power(500, 8.0) == 1.0
