"""The verdict: on simulated cases it errs as often as it says, and finds what it says it would."""

import math

import numpy as np
import pytest
import scipy.stats

from underhood.lab.comparing.kinds import kind_of
from underhood.lab.comparing.pairs import Difference, paired, written
from underhood.lab.comparing.power import pairs_needed, power


def difference(a, b, metric="test_error"):
    return Difference.of(metric, kind_of(metric, [*a, *b]), list(zip(a, b, strict=True)))


def simulated(effect, n, count=1000, seed=0):
    """The differences of `count` comparisons: seeds that are common to both, and luck of each."""
    draw = np.random.default_rng(seed)
    common = draw.normal(0.3, 0.05, (count, n))
    luck = draw.normal(0, 0.01 / math.sqrt(2), (2, count, n))
    return [difference(a, b) for a, b in zip(common + luck[0], common + luck[1] - effect * 0.01, strict=True)]


@pytest.mark.parametrize("n", [3, 5, 10])
def test_equal_settings_are_undecided_in_95_of_100_comparisons(n):
    decided = sum(found.decided for found in simulated(0.0, n))
    assert abs(decided - 50) < 4 * math.sqrt(1000 * 0.05 * 0.95)


@pytest.mark.parametrize("n", [5, 10, 15])
def test_a_difference_of_one_standard_deviation_is_found_with_the_power_that_is_claimed(n):
    cases = simulated(1.0, n)
    claimed = float(power(n, 1.0))
    found = sum(case.decided for case in cases)
    assert abs(found - 1000 * claimed) < 4 * math.sqrt(1000 * claimed * (1 - claimed))
    assert sum(case.better == "a" for case in cases) <= 2  # the wrong one, hardly ever
    assert {case.better for case in cases if case.decided} <= {"a", "b"}


def test_with_as_many_pairs_as_would_decide_it_is_decided_so_often():
    n = pairs_needed(1.0)
    assert sum(case.decided for case in simulated(1.0, n, seed=1)) > 800 - 4 * math.sqrt(1000 * 0.8 * 0.2)


def test_the_verdict_is_that_of_the_paired_t_test():
    draw = np.random.default_rng(3)
    for shift in np.linspace(-0.03, 0.03, 25):
        a = draw.uniform(0.2, 0.3, 6)
        b = a + shift + draw.normal(0, 0.01, 6)
        assert difference(a, b).decided == (scipy.stats.ttest_rel(b, a).pvalue < 0.05)


def test_words_of_a_verdict():
    a, b = [0.05, 0.06, 0.07], [0.04, 0.05, 0.061]
    assert difference(a, b).verdict("sgd", "adam") == "adam is better in test error by 0.97 ± 0.14 points, n = 3 pairs"
    assert difference(b, a).verdict("sgd", "adam") == "sgd is better in test error by 0.97 ± 0.14 points, n = 3 pairs"
    higher = difference(a, b, "test_accuracy")
    assert higher.verdict("sgd", "adam").startswith("sgd is better in test accuracy by 0.97")
    neither = difference([1.0, 2.0, 3.0], [11.0, 12.0, 13.1], "norm")
    assert neither.verdict("sgd", "adam") == "adam is higher in norm by 10.03 ± 0.14, n = 3 pairs"
    assert neither.better == ""
    assert neither.decided


def test_words_where_it_is_not_decided():
    undecided = difference([0.05, 0.06, 0.07], [0.045, 0.062, 0.065])
    d = np.array([-0.005, 0.002, -0.005])  # an effect of 0.66 standard deviations, which takes 21 pairs
    assert undecided.more_pairs == pairs_needed(d.mean() / d.std(ddof=1)) - 3 == 18
    assert undecided.verdict("sgd", "adam") == (
        "not decided: adam is ahead in test error by 0.3 ± 1.0 points, n = 3 pairs; about 18 more pairs would"
    )
    assert undecided.detectable == pytest.approx(3.264043549716007 * d.std(ddof=1), rel=1e-6)


def test_one_pair_decides_nothing():
    one = difference([0.05], [0.01])
    assert not one.decided
    assert one.more_pairs is None
    assert one.detectable is None
    assert one.verdict("a", "b").endswith("n = 1 pair; one pair decides nothing, for it has no spread")
    assert "one pair decides nothing" in difference([0.05], [0.05]).verdict("a", "b")


def test_what_is_equal_and_what_is_even():
    equal = difference([0.1, 0.2], [0.1, 0.2])
    assert not equal.decided
    assert equal.verdict("a", "b") == "no difference in test error: the two are equal to the last digit, n = 2 pairs"
    even = difference([0.125, 0.25], [0.25, 0.125])
    assert even.leading == ""
    assert even.verdict("a", "b").startswith("not decided: even, n = 2 pairs; more than 1,000 pairs would be needed")


def test_a_difference_that_is_the_same_in_all_pairs_is_decided():
    exact = difference([1.0, 1.0], [3.0, 3.0], "parameters")  # which hang on no seed
    assert exact.decided
    assert exact.size == "2.0 ± 0.0"


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("spread", [0.5, 1.0, 2.0])
def test_equal_settings_are_rarely_decided_where_errors_are_counted_in_few_images(n, spread):
    """Differences of whole images, of 360, are often the same in two or three pairs."""
    draw = np.random.default_rng(n)
    wrong = draw.integers(20, 40, (2000, n))
    other = wrong + np.round(draw.normal(0, spread, wrong.shape))
    cases = [difference(a / 360, b / 360) for a, b in zip(wrong, other, strict=True)]
    assert sum(case.coincides for case in cases) > 0
    assert sum(case.decided for case in cases) <= 100 + 4 * math.sqrt(2000 * 0.05 * 0.95)


def test_counted_differences_that_coincide_are_decided_by_their_signs():
    few, many = (difference([k / 360 for k in range(n)], [(k + 1) / 360 for k in range(n)]) for n in (2, 6))
    assert (few.coincides, few.decided, few.more_pairs, few.detectable) == (True, False, 4, None)
    assert few.verdict("sgd", "adam") == (
        "not decided: sgd is ahead in test error by 0.28 points in each, n = 2 pairs; "
        "4 more pairs that say the same would"
    )
    assert many.verdict("sgd", "adam") == "sgd is better in test error by 0.28 points in each, n = 6 pairs"
    assert not difference([5.0, 6.0], [7.0, 8.0], "mistakes").decided
    assert difference([0.5, 0.75], [1.5, 1.75], "loss").decided  # no count
    with_rounding = difference([0.1, 0.2, 0.3], [0.1 + 1 / 360, 0.2 + 1 / 360, 0.3 + 1 / 360])
    assert with_rounding.coincides
    assert not with_rounding.decided


@pytest.mark.parametrize(
    ("value", "half", "metric", "text"),
    [
        (0.006, 0.004, "test_error", "0.60 ± 0.40 points"),
        (0.1234, 0.0567, "loss", "0.123 ± 0.057"),
        (1234.5, 67.8, "seconds", "1,234 ± 68 s"),
        (3e-9, 2e-9, "loss", "3e-09 ± 2e-09"),
        (0.05, None, "loss", "0.050"),
        (0.0, 0.0, "loss", "0 ± 0"),
        (0.0, 0.05, "loss", "0.000 ± 0.050"),
        (0.5, 0.0, "loss", "0.50 ± 0.00"),  # the size itself, where all pairs are alike
        (1e6, 10.0, "loss", "1e+06 ± 10"),
        (999999.0, 10.0, "loss", "999,999 ± 10"),
        (-12.5, 0.25, "loss", "-12.50 ± 0.25"),
        (0.5, 1e-5, "loss", "0.500000 ± 0.000010"),
        (0.5, 1.5e-6, "loss", "0.5 ± 1.5e-06"),
        (12.0, 9.9, "loss", "12.0 ± 9.9"),
        (12.0, 10.0, "loss", "12 ± 10"),
    ],
)
def test_digits(value, half, metric, text):
    assert written(value, half, kind_of(metric, [0.5])) == text


def test_pairs_are_seeds_that_count_on_both_sides(stored):
    a = {0: {"test_error": 0.1}, 1: {"test_error": 0.2}, 2: {"test_error": 0.3}, 3: None, 4: {"test_error": 0.5}}
    b = {4: {"test_error": 0.4}, 1: {"test_error": 0.15}, 2: {"test_error": 0.9, "diverged": True}, 3: {}, 0: {"n": 1}}
    run = stored("r", {"sgd": a, "adam": b})
    assert paired(run.results["sgd"], run.results["adam"], "test_error") == {1: (0.2, 0.15), 4: (0.5, 0.4)}


def test_what_is_no_number_is_no_pair(stored):
    a = {0: {"x": True}, 1: {"x": float("nan")}, 2: {"x": "1"}, 3: {"x": 1}}
    run = stored("r", {"sgd": a, "adam": {seed: {"x": 2.0} for seed in range(4)}})
    assert paired(run.results["sgd"], run.results["adam"], "x") == {3: (1.0, 2.0)}
