"""The roofline's arithmetic, with peaks that are given."""

import inspect

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
    found = measure_roofline("float32", "cpu", lambda job: (job(), 1.0), rule=Rule(warmup=1, least=2, most=2))
    assert found == Roofline(flops=2 * 1024**3, bytes=2 * (64 << 20))


QUICK = Rule(warmup=1, least=4, most=4)
ONE_TRY = 2 * (1 + 4 * 2)  # of both: a call to warm up, and four turns of one that does not count and one that does


def clock_of(*seconds):
    """A clock that says one after the other, again and again."""
    times = iter(list(seconds) * 1000)
    return lambda job: (None, next(times))


def test_a_steady_roofline_is_measured_once():
    calls = []
    clock = clock_of(1.0)
    found = measure_roofline("float32", "cpu", lambda job: (calls.append(job), clock(job))[1], rule=QUICK)
    assert found.doubt == ""
    assert len(calls) == ONE_TRY


def test_calls_that_vary_are_measured_again_and_doubted():
    calls = []
    clock = clock_of(1.0, 1.0, 4.0)
    found = measure_roofline("float32", "cpu", lambda job: (calls.append(job), clock(job))[1], rule=QUICK)
    assert len(calls) > ONE_TRY
    assert "vary by" in found.doubt


def test_a_layer_faster_than_the_product_makes_the_roof_doubtful():
    peak = 2 * 1024**3
    assert measure_roofline("float32", "cpu", clock_of(1.0), reached=1.1 * peak, rule=QUICK).doubt == ""
    assert "4.9 times" in measure_roofline("float32", "cpu", clock_of(1.0), reached=4.86 * peak, rule=QUICK).doubt


def test_a_second_try_that_is_quicker_takes_the_doubt_away():
    tries = iter((3.0, 1.0))
    now = [0.0, 0]

    def clock(job):
        if now[1] % ONE_TRY == 0:
            now[0] = next(tries)
        now[1] += 1
        return None, now[0]

    found = measure_roofline("float32", "cpu", clock, reached=2 * 1024**3, rule=QUICK)
    assert found == Roofline(2 * 1024**3, 2 * (64 << 20))


@pytest.mark.parametrize("work", [roofline._torch_work, roofline._numpy_work])
def test_as_many_bytes_are_copied_as_are_counted(work):
    arguments = ("float32", "cpu") if work is roofline._torch_work else ("float32",)
    copied = inspect.getclosurevars(work(*arguments)[0]).nonlocals
    assert {array.nbytes for array in copied.values()} == {roofline.COPIED}
