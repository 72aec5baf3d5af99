"""What each argument of a schedule and of an average may be, to its bounds, and curves at points worked by hand."""

import inspect
import re
from math import nan, sqrt

import pytest

from underhood.settings import SettingError
from underhood.training.averaging import AVERAGES, EMA, Lookahead
from underhood.training.checks import truth
from underhood.training.schedules import (
    SCHEDULES,
    Cosine,
    Decay,
    Exponential,
    Linear,
    Moment,
    MultiStep,
    OneCycle,
    Plateau,
    Polynomial,
)

TINY = 1e-12
NOT_NUMBERS = ("1", None, True, nan)
FRACTION = ((0, 0.5, 1), (-TINY, 1 + TINY), "a number from 0 on up to 1")
KEPT = ((TINY, 0.5, 1), (0, -1, 1 + TINY), "a number above 0 up to 1")
# what is allowed, what is not, and what is asked for
BOUNDS = {
    (Decay, "factor"): KEPT,
    (Decay, "period"): ((TINY, 1, 0.5, 1000), (0, -1), "a number above 0"),
    (Exponential, "factor"): KEPT,
    (MultiStep, "factor"): KEPT,
    (Cosine, "end"): FRACTION,
    (Linear, "end"): FRACTION,
    (Polynomial, "power"): ((TINY, 1, 9.0), (0, -1), "a number above 0"),
    (Polynomial, "end"): FRACTION,
    (OneCycle, "peak"): ((0, 0.5, 1 - TINY), (-TINY, 1), "a number from 0 on and below 1"),
    (OneCycle, "start"): FRACTION,
    (OneCycle, "end"): FRACTION,
    (Plateau, "factor"): ((TINY, 1 - TINY), (0, 1), "a number above 0 and below 1"),
    (Plateau, "patience"): ((0, 1, 100), (-1, 1.0), "a whole number from 0 on"),
    (Plateau, "threshold"): FRACTION,
    (EMA, "decay"): ((0, 0.5, 1 - TINY), (-TINY, 1), "a number from 0 on and below 1"),
    (Lookahead, "steps"): ((1, 2, 100), (0, -1, 2.0), "a whole number from 1 on"),
    (Lookahead, "share"): KEPT,
}
OTHERS = {(OneCycle, "curve"), (MultiStep, "at"), (EMA, "warmup")}


def test_no_argument_is_forgotten():
    pages = (*SCHEDULES.values(), *AVERAGES.values())
    assert {(page, name) for page in pages for name in inspect.signature(page).parameters} == {*BOUNDS, *OTHERS}


@pytest.mark.parametrize(("page", "key"), BOUNDS)
def test_an_argument_may_be_what_lies_within_its_bounds(page, key):
    allowed, refused, asked = BOUNDS[page, key]
    for value in allowed:
        assert getattr(page(**{key: value}), key) == value
    for value in (*refused, *NOT_NUMBERS):
        with pytest.raises(SettingError, match=re.escape(f"{asked}, not {value!r}")) as error:
            page(**{key: value})
        assert error.value.key == key


@pytest.mark.parametrize("value", [0, 1, "true", None, 1.0])
def test_a_truth_is_true_or_false(value):
    truth("warmup", True)
    truth("warmup", False)
    with pytest.raises(SettingError, match=f"true or false, not {value!r}") as error:
        truth("warmup", value)
    assert error.value.key == "warmup"
    with pytest.raises(SettingError, match="true or false"):
        EMA(warmup=value)


def test_the_epochs_of_steps_are_a_list_of_numbers():
    for at in ((), (0,), [1, 2.5], (3, 3)):
        assert MultiStep(at=at).at == at
    for at in (3, "3", None, {3}):
        with pytest.raises(SettingError, match=re.escape(f"a list of epochs, not {at!r}")) as error:
            MultiStep(at=at)
        assert error.value.key == "at"
    for at in ((1, -1), ("1",), (True,)):
        with pytest.raises(SettingError, match=f"a number from 0 on, not {at[-1]!r}"):
            MultiStep(at=at)


def test_a_curve_that_there_is_not():
    with pytest.raises(SettingError, match=r'unknown "lines".*line') as error:
        OneCycle(curve="lines")
    assert error.value.key == "curve"


@pytest.mark.parametrize(
    ("epoch", "epochs", "warmup", "fraction"),
    [
        (0, 10, 0, 0),
        (2.5, 10, 0, 0.25),
        (10, 10, 0, 1),
        (11, 10, 0, 1),
        (1, 10, 2, 0),
        (2, 10, 2, 0),
        (4, 10, 2, 0.25),
        (10, 10, 2, 1),
        (5, 5, 5, 0),
        (5, 5, 6, 0),
        (7, 5.5, 5, 1),
    ],
)
def test_the_fraction_is_of_what_the_warm_up_leaves(epoch, epochs, warmup, fraction):
    assert Moment(epoch, epochs, warmup).fraction == pytest.approx(fraction)


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (Cosine(), [1, 0.5 + sqrt(2) / 4, 0.5, 0.5 - sqrt(2) / 4, 0]),
        (Cosine(0.2), [1, 0.6 + 0.2 * sqrt(2), 0.6, 0.6 - 0.2 * sqrt(2), 0.2]),
        (Linear(), [1, 0.75, 0.5, 0.25, 0]),
        (Linear(0.2), [1, 0.8, 0.6, 0.4, 0.2]),
        (Linear(1), [1] * 5),
        (Polynomial(2), [1, 9 / 16, 1 / 4, 1 / 16, 0]),
        (Polynomial(1, 0.2), [1, 0.8, 0.6, 0.4, 0.2]),
        (OneCycle(0.5, 0.2, 0.1, "line"), [0.2, 0.6, 1, 0.55, 0.1]),
        (OneCycle(0.5, 0.2, 0.1), [0.2, 0.6, 1, 0.55, 0.1]),
        (OneCycle(0.25, 0.5, 0.0, "line"), [0.5, 1, 2 / 3, 1 / 3, 0]),
        (OneCycle(0.25, 0.5, 0.0), [0.5, 1, 0.75, 0.25, 0]),
        (OneCycle(0.0, 0.5, 0.0, "line"), [1, 0.75, 0.5, 0.25, 0]),
        (Decay(0.5, 4), [1, 0.5, 0.25, 0.125, 0.0625]),
        (Decay(0.5, 8), [1, 1, 0.5, 0.5, 0.25]),
        (Decay(0.5, 5), [1, 1, 0.5, 0.25, 0.125]),
        (Exponential(0.5), [1, 1 / 16, 1 / 256, 1 / 4096, 1 / 65536]),
        (MultiStep((4, 8.5), 0.5), [1, 0.5, 0.5, 0.25, 0.25]),
        (MultiStep((16, 0), 0.5), [0.5, 0.5, 0.5, 0.5, 0.25]),
    ],
)
def test_quarters_of_sixteen_epochs_by_hand(schedule, rates):
    assert [schedule.rate(Moment(epoch, 16)) for epoch in (0, 4, 8, 12, 16)] == pytest.approx(rates, abs=1e-12)


@pytest.mark.parametrize(
    ("schedule", "watched", "falls"),
    [
        (Plateau(0.5, 0, 0), [3, 2, 1], 0),
        (Plateau(0.5, 0, 0), [3, 3], 1),
        (Plateau(0.5, 0, 0), [3, 3, 3], 2),
        (Plateau(0.5, 1, 0), [3, 3], 0),
        (Plateau(0.5, 1, 0), [3, 4, 3], 1),
        (Plateau(0.5, 1, 0), [3, 4, 2, 4], 0),
        (Plateau(0.5, 1, 0), [3, 3, 3, 3], 1),
        (Plateau(0.5, 1, 0), [3, 3, 3, 3, 3], 2),
        (Plateau(0.5, 0, 0.5), [4, 2.5], 1),
        (Plateau(0.5, 0, 0.5), [4, 2], 1),
        (Plateau(0.5, 0, 0.5), [4, 1.9], 0),
        (Plateau(0.5, 0, 0.5), [4, 2.5, 1.9], 1),
        (Plateau(0.5, 0, 0), [nan, 1], 1),
        (Plateau(0.5, 0, 0), [], 0),
    ],
)
def test_the_rate_falls_after_so_many_that_were_no_better(schedule, watched, falls):
    assert schedule.rate(Moment(0, 10, watched=watched)) == 0.5**falls
