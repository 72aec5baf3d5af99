"""What a profile holds: clocks of devices, sums of medians, the fastest layer."""

from dataclasses import replace

import pytest

from underhood.instruments.profile.result import Conditions, LayerTime, Run
from underhood.instruments.stopwatch import Timing, gpu_clock, processor_clock, wall_clock

LINEAR = LayerTime(
    "0", "0", "Linear", macs=600, moved=400, forward=Timing(2e-6, 1e-6, 3e-6, 9), backward=Timing(4e-6, 3e-6, 6e-6, 8)
)
RELU = LayerTime("1", "1", "ReLU", depth=1, forward=Timing(1e-6, 1e-6, 1e-6, 9))
RUN = Run("torch", 2, "2×3", [LINEAR, RELU], Timing(3e-6, 2e-6, 5e-6, 7), Timing(5e-6, 4e-6, 6e-6, 7))


@pytest.mark.parametrize(
    ("how", "clock"),
    [
        (Conditions(), wall_clock),
        (Conditions(clock="processor"), processor_clock),
        (Conditions("cuda"), gpu_clock),
        (Conditions("cuda:1", clock="processor"), gpu_clock),
    ],
)
def test_each_device_has_its_clock(how, clock):
    assert how.timer is clock


def test_the_fastest_layer_is_one_that_took_long_enough_to_tell():
    def row(macs, seconds):
        return LayerTime("x", "x", "Linear", macs=macs, forward=seconds and Timing(seconds, 0, 0, 1))

    def fastest(*rows):
        return replace(RUN, rows=list(rows)).fastest

    assert fastest(row(500, 1e-3), row(800, 1e-3), row(10**6, 0.9e-4)) == pytest.approx(1.6e6)
    assert fastest(row(500, 1e-4)) == pytest.approx(1e7)
    assert fastest(row(None, 1.0), row(0, 1.0), row(5, None)) == 0.0


def test_seconds_are_of_both_phases_and_of_leaves_alone():
    run = replace(RUN, rows=[LINEAR, RELU, replace(LINEAR, name="g", group=True)])
    assert (LINEAR.seconds, RELU.seconds) == (pytest.approx(6e-6), pytest.approx(1e-6))
    assert run.sum == pytest.approx(7e-6)
    assert [row.name for row in run.leaves] == ["0", "1"]
    assert run.seconds == pytest.approx(8e-6)
    assert replace(run, backward=None).seconds == pytest.approx(3e-6)


def test_a_row_is_found_by_its_name():
    assert RUN["1"] is RELU
    with pytest.raises(KeyError, match=r'there is no layer .*11.*: did you mean "1"'):
        RUN["11"]
