"""Formulas against sums worked by hand, and the ring against one that is played through."""

from fractions import Fraction

import pytest

from underhood.instruments.scaling.formulas import (
    bus_bandwidth,
    efficiency,
    ring_bytes,
    ring_seconds,
    strong_speedup,
    weak_speedup,
)


@pytest.mark.parametrize("workers", [2, 3, 4, 8])
def test_a_ring_played_through_sends_what_the_formula_says(workers):
    """Each worker holds its own number in k chunks; after reduce-scatter and all-gather all hold the sums."""
    chunks = [[Fraction(10**rank) for _ in range(workers)] for rank in range(workers)]
    sent = [0] * workers
    for step in range(workers - 1):
        moving = [chunks[rank][(rank - step) % workers] for rank in range(workers)]
        for rank in range(workers):
            chunks[(rank + 1) % workers][(rank - step) % workers] += moving[rank]
            sent[rank] += 1
    for step in range(workers - 1):
        moving = [chunks[rank][(rank + 1 - step) % workers] for rank in range(workers)]
        for rank in range(workers):
            chunks[(rank + 1) % workers][(rank + 1 - step) % workers] = moving[rank]
            sent[rank] += 1
    total = sum(Fraction(10**rank) for rank in range(workers))
    assert all(chunk == total for each in chunks for chunk in each)
    size = 120.0
    assert all(count * size / workers == pytest.approx(ring_bytes(size, workers)) for count in sent)


def test_the_sheets_gradients_on_a_gigabit_link():
    size = 4 * 11_173_962
    assert ring_seconds(size, 2, 125e6) == pytest.approx(44.695848 / 125, rel=1e-9)
    assert ring_seconds(size, 4, 125e6, 1e-4) == pytest.approx(6e-4 + 1.5 * 44.695848 / 125, rel=1e-9)
    assert bus_bandwidth(size, 4, 1.5 * 44.695848 / 125) == pytest.approx(125e6)


def test_speedups_of_a_table_worked_by_hand():
    """A step of 1 s alone and of 1.25 s among four: 3.2 times the images; shared, 0.4 s is 2.5 times."""
    assert weak_speedup(1.0, 1.25, 4) == 3.2
    assert efficiency(weak_speedup(1.0, 1.25, 4), 4) == 0.8
    assert strong_speedup(1.0, 0.4) == 2.5
    assert efficiency(2.5, 4) == 0.625
