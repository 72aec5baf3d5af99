"""When the stopwatch stops, how often it calls in a turn, and what it leaves out: numbers worked by hand."""

import gc

import pytest

from underhood.instruments.stopwatch import Rule, Timing, interruptions, measure, quartiles


@pytest.fixture(autouse=True)
def nothing_to_collect(monkeypatch):
    """A collection of all that the tests have imported takes longer than each of them."""
    monkeypatch.setattr(gc, "collect", lambda: 0)


def steady(seconds):
    """A clock whose calls all take so long."""

    def clock(work):
        return work(), seconds

    return clock


def counting(calls):
    def job(clock):
        calls.append(1)
        return (clock(lambda: None)[1],)

    return job


@pytest.mark.parametrize(
    ("timing", "spread"),
    [(Timing(2.0, 1.5, 3.0, 4), 0.75), (Timing(4.0, 4.0, 4.0, 4), 0.0), (Timing(0.0, 0.0, 1.0, 4), 0.0)],
)
def test_the_spread_is_a_fraction_of_the_median(timing, spread):
    assert timing.spread == spread


# of 0, 1, …, 16 the quartiles are 4, 8, 12: the notch is 1.57 · 8 / √17 = 3.046, and 0.3808 of the median
SEVENTEEN = [float(i) for i in range(17)]


@pytest.mark.parametrize(
    ("least", "within", "settled"),
    [(17, 0.39, True), (17, 0.37, False), (18, 0.39, False), (10, 0.39, True), (10, 0.37, False)],
)
def test_the_median_is_known_by_the_notch_and_the_least_number(least, within, settled):
    rule = Rule(least=least, within=within)
    assert rule.settled(SEVENTEEN) is settled
    assert rule.timing(SEVENTEEN, 3) == Timing(8.0, 4.0, 12.0, 17, settled, 3)


def test_what_is_exactly_within_is_settled():
    assert Rule(least=2, within=0.0).settled([5.0, 5.0])
    assert not Rule(least=2, within=0.0).settled([5.0, 5.1])
    assert not Rule(least=3, within=0.0).settled([5.0, 5.0])


def test_a_timing_says_what_nobody_disturbed():
    assert Rule(least=1).timing([2.0]) == Timing(2.0, 2.0, 2.0, 1, True, 0)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([1.0, 2.0], (1.25, 1.5, 1.75)),
        ([3.0, 1.0, 2.0], (1.5, 2.0, 2.5)),
        ([0.0, 10.0, 20.0, 30.0, 40.0], (10.0, 20.0, 30.0)),
        ([0.0, 0.0, 4.0, 8.0, 8.0, 100.0], (1.0, 6.0, 8.0)),
    ],
)
def test_quartiles_by_hand(values, found):
    assert quartiles(values) == found


@pytest.mark.parametrize(
    ("seconds", "calls"),
    [
        (0.005, 1),  # longer than a turn: once all the same
        (0.004, 1),
        (0.0021, 1),
        (0.0019, 2),
        (0.0009, 4),
        (1e-5, 20),  # no more than twenty
        (0.0, 20),
    ],
)
def test_a_turn_is_four_thousandths_of_a_second_long(seconds, calls):
    """One call for the warm-up; in each turn one that does not count, and so many that do."""
    made = []
    rule = Rule(warmup=1, least=calls, most=1000, within=1.0)
    ((timing,),) = measure([counting(made)], rule, steady(seconds), lambda: 0.0, lambda: 0)
    assert timing.n == calls
    assert len(made) == 1 + 1 + calls


@pytest.mark.parametrize(("warmup", "warm"), [(0, 1), (1, 1), (2, 2), (5, 5)])
def test_so_many_calls_to_warm_up(warmup, warm):
    made = []
    measure([counting(made)], Rule(warmup=warmup, least=2, most=2), steady(0.01), lambda: 0.0, lambda: 0)
    assert len(made) == warm + 2 * 2  # two turns of one call, each with one that does not count


@pytest.mark.parametrize("most", [1, 2, 3, 5])
def test_the_most_ends_it_though_nothing_is_settled(most):
    made = []
    ((timing,),) = measure([counting(made)], Rule(1, 100, most), steady(0.01), lambda: 0.0, lambda: 0)
    assert (timing.n, timing.settled) == (most, False)
    assert len(made) == 1 + 2 * most


def test_time_is_up_after_the_seconds_but_not_before_two_calls_of_each():
    times = iter([0.0, *[5.0] * 3, 10.0, 10.0, 10.1, 99.0])
    made = []
    rule = Rule(warmup=1, least=100, seconds=10.0)
    ((timing,),) = measure([counting(made)], rule, steady(0.01), lambda: next(times), lambda: 0)
    assert timing.n == 6  # asked after each turn: 5, 5, 5, 10, 10 are not more than 10; 10.1 is
    ((timing,),) = measure([counting(made)], rule, steady(0.01), iter([0.0, *[99.0] * 9]).__next__, lambda: 0)
    assert timing.n == 2


def test_all_jobs_go_on_until_the_last_is_settled():
    quick = []
    rule = Rule(warmup=1, least=4, most=50, within=0.1)
    scattered = iter([1.0, *[2.0, 9.0, 5.0] * 100])

    def job(clock):
        return (next(scattered),)

    first, second = measure([counting(quick), job], rule, steady(0.01), lambda: 0.0, lambda: 0)
    assert first[0].n == second[0].n == 50


def by(numbers):
    given = iter(numbers)
    return lambda: next(given)


@pytest.mark.parametrize(
    ("disturbed", "kept", "left_out"),
    [
        (0, 4, 0),
        (1, 3, 1),
        (2, 2, 2),  # half of the least are still enough
        (3, 4, 0),  # one is not: all are taken
        (4, 4, 0),
    ],
)
def test_disturbed_calls_are_left_out_while_half_of_the_least_remain(disturbed, kept, left_out):
    numbers = []
    for i in range(4):
        numbers += [i, i + 1] if i < disturbed else [i, i]
    rule = Rule(warmup=1, least=4, most=4)
    ((timing,),) = measure([counting([])], rule, steady(0.01), lambda: 0.0, by(numbers))
    assert (timing.n, timing.disturbed) == (kept, left_out)


def test_the_turn_counts_what_all_phases_took():
    """Two phases of 1 ms: two calls of 2 ms fill the 4 ms; a phase that is missing takes no time."""
    for phases, n in [((0.001, 0.00099), 2), ((0.001, None), 4), ((None, 0.0021), 1)]:
        ((*timings,),) = measure(
            [lambda clock, phases=phases: phases], Rule(1, n, 1000, 1.0), steady(0.0), lambda: 0.0, lambda: 0
        )
        assert [each and each.n for each in timings] == [each and n for each in phases]


def test_interruptions_are_a_number_that_does_not_fall():
    first = interruptions()
    assert isinstance(first, int)
    assert 0 <= first <= interruptions()


def test_the_garbage_collector_runs_again_after_an_error():
    def fails(clock):
        raise ValueError("no")

    before = gc.isenabled()
    try:
        gc.enable()
        with pytest.raises(ValueError, match="no"):
            measure([fails], Rule(), steady(0.0))
        assert gc.isenabled()
    finally:
        (gc.enable if before else gc.disable)()
