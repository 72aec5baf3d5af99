"""Bounds of arguments: what lies on a bound is allowed, unless that end is open."""

import pytest

from underhood.settings import SettingError
from underhood.training.checks import number, whole


@pytest.mark.parametrize(
    ("value", "least", "most", "open_ends", "said"),
    [
        (0, 0, None, "", None),
        (0.0, 0, 1, "", None),
        (1, 0, 1, "", None),
        (0.5, 0, 1, "<>", None),
        (2.5, 0, None, "<", None),
        (1, 0, 1, "<", None),
        (0, 0, 1, ">", None),
        (-1e-9, 0, None, "", "a number from 0 on, not -1e-09"),
        (0, 0, None, "<", "a number above 0, not 0"),
        (-1, 0, None, "<", "a number above 0, not -1"),
        (1.5, 0, 1, "", "a number from 0 on up to 1, not 1.5"),
        (1, 0, 1, ">", "a number from 0 on and below 1, not 1"),
        (2, 0, 1, "<>", "a number above 0 and below 1, not 2"),
        (True, 0, None, "", "not True"),
        ("1", 0, None, "", "not '1'"),
        (None, 0, None, "", "not None"),
        (float("nan"), 0, None, "", "not nan"),
    ],
)
def test_a_number_lies_between_its_bounds(value, least, most, open_ends, said):
    if said is None:
        number("rate", value, least, most, open_ends=open_ends)
    else:
        with pytest.raises(SettingError, match=said):
            number("rate", value, least, most, open_ends=open_ends)


@pytest.mark.parametrize("value", [0, 1.0, True, "2", None])
def test_a_count_is_a_whole_number_from_the_least_on(value):
    whole("steps", 1, 1)
    whole("steps", 7, 1)
    with pytest.raises(SettingError, match=f"whole number from 1 on, not {value!r}"):
        whole("steps", value, 1)
