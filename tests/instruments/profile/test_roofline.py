"""The roofline's arithmetic, with peaks that are given."""

import pytest

from underhood.instruments.profile import roofline
from underhood.instruments.profile.roofline import Roofline, measure_roofline
from underhood.instruments.stopwatch import Rule

ROOF = Roofline(flops=100e9, bytes=10e9)


def test_below_the_ridge_memory_is_the_limit_and_above_it_arithmetic():
    assert ROOF.ridge == 10
    assert ROOF.attainable(1) == 10e9
    assert ROOF.attainable(10) == ROOF.attainable(1000) == 100e9


def test_the_least_time_is_the_longer_of_the_two():
    assert ROOF.least_seconds(200e9, 1e9) == 2.0
    assert ROOF.least_seconds(1e9, 50e9) == 5.0


@pytest.mark.parametrize("work", ["_torch_work", "_numpy_work"])
def test_peaks_are_work_by_time(work, monkeypatch):
    """With a clock that says a second for everything, the peaks are the work itself."""
    if work == "_numpy_work":
        monkeypatch.setattr(roofline, "find_spec", lambda name: None)
    found = measure_roofline("float32", "cpu", lambda job: (job(), 1.0), Rule(warmup=1, least=2, most=2))
    assert found == Roofline(flops=2 * 1024**3, bytes=2 * (64 << 20))
