"""Medians, quartiles and when to stop: with clocks that do as they are told."""

import gc
import time

import pytest

from underhood.instruments.stopwatch import Rule, Timing, measure, processor_clock, quartiles, wall_clock


class Machine:
    """A clock whose calls take the seconds of a list, over and over; `now` is their sum."""

    def __init__(self, *seconds):
        self.seconds, self.calls, self.time = seconds, 0, 0.0

    def __call__(self, work):
        took = self.seconds[self.calls % len(self.seconds)]
        self.calls += 1
        self.time += took
        return work(), took

    def now(self):
        return self.time


def job(clock):
    return (clock(lambda: None)[1],)


def undisturbed():
    return 0


def test_quartiles_are_interpolated():
    assert quartiles([4, 1, 3, 2]) == (1.75, 2.5, 3.25)
    assert quartiles([7]) == (7, 7, 7)


def test_calls_that_are_all_alike_settle_with_the_least_number():
    machine = Machine(0.001)
    ((timing,),) = measure([job], Rule(warmup=3, least=10, seconds=100), machine, machine.now, undisturbed)
    assert timing == Timing(0.001, 0.001, 0.001, timing.n)
    assert 10 <= timing.n < 40
    assert timing.settled


def test_the_warm_up_does_not_count():
    first = iter([9.0, 9.0, 9.0])
    machine = Machine(0.001)

    def job(clock):
        return (next(first, None) or clock(lambda: None)[1],)

    ((timing,),) = measure([job], Rule(warmup=3), machine, machine.now, undisturbed)
    assert timing.high == 0.001


def test_bursts_of_quick_calls_keep_to_the_limit():
    machine = Machine(1e-6, 3e-6, 5e-6)
    rule = Rule(warmup=1, most=20, within=1e-9, seconds=100)
    ((timing,),) = measure([job], rule, machine, machine.now, undisturbed)
    assert timing.n == 20


def test_scattered_calls_go_on_to_the_limit_and_say_so():
    machine = Machine(1.0, 3.0, 5.0)
    rule = Rule(warmup=1, least=4, most=1000, seconds=60)
    ((timing,),) = measure([job], rule, machine, machine.now, undisturbed)
    assert not timing.settled
    assert 1.0 <= timing.low < timing.median < timing.high <= 5.0
    assert 8 <= timing.n < 60


def test_no_more_calls_than_the_most():
    machine = Machine(0.001, 0.1)
    ((timing,),) = measure([job], Rule(warmup=1, most=30, seconds=1e9), machine, machine.now, undisturbed)
    assert 30 <= timing.n <= 50  # a burst is finished


def test_jobs_take_turns():
    machine, order = Machine(0.01), []

    def named(name):
        def job(clock):
            order.append(name)
            return (clock(lambda: None)[1],)

        return job

    measure([named("a"), named("b")], Rule(warmup=1, least=4), machine, machine.now, undisturbed)
    assert "".join(order[2:10]) == "aabbaabb"  # two warm, then a call that does not count and one that does, each


def test_phases_are_kept_apart_and_may_be_missing():
    machine = Machine(0.001)
    ((forward, backward, none),) = measure(
        [lambda clock: (0.5, 0.25, None)], Rule(least=2, most=4), machine, machine.now, undisturbed
    )
    assert (forward.median, backward.median, none) == (0.5, 0.25, None)


def test_disturbed_calls_are_left_out_while_enough_others_are_there():
    machine, switches = Machine(0.001, 0.001, 0.5), iter(range(10**9))

    def interrupted():
        # asked before and after every call: a new number only after the long ones
        return next(switches) if machine.calls % 3 == 0 else 0

    ((timing,),) = measure([job], Rule(warmup=3, most=60), machine, machine.now, interrupted)
    assert timing.disturbed > 0
    assert timing.high == 0.001


def test_when_all_are_disturbed_all_are_kept():
    machine, switches = Machine(0.001), iter(range(10**9))
    ((timing,),) = measure([job], Rule(most=20), machine, machine.now, lambda: next(switches))
    assert timing.n >= 10
    assert timing.disturbed == 0


@pytest.mark.parametrize("running", [True, False])
def test_the_garbage_collector_rests_and_is_put_back(running):
    seen = []

    def job(clock):
        seen.append(gc.isenabled())
        return (0.001,)

    before = gc.isenabled()
    try:
        (gc.enable if running else gc.disable)()
        measure([job], Rule(least=2, most=2), wall_clock)
        assert gc.isenabled() is running
        assert not any(seen)
    finally:
        (gc.enable if before else gc.disable)()


def test_the_wall_clock_gives_the_result_and_a_time():
    result, seconds = wall_clock(lambda: 42)
    assert result == 42
    assert seconds >= 0


def test_processor_time_passes_over_what_sleeps():
    result, seconds = processor_clock(lambda: time.sleep(0.05) or 42)
    assert result == 42
    assert 0 <= seconds < 0.05
