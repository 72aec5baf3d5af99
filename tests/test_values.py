"""Values as words of a command line, read and written."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from underhood.errors import BadInput
from underhood.values import is_number, read_value, read_values, seconds_of, write_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1", 0.1),
        ("1e-3", 1e-3),
        ("3", 3),
        (" 3 ", 3),
        (".5", 0.5),
        ("-2.", -2.0),
        ("true", True),
        ("True", True),
        ("[64, 64]", [64, 64]),
        ('"3"', "3"),
        ("{a = 1}", {"a": 1}),
        ("adam", "adam"),
        ("a=b", "a=b"),
        ("", ""),
        ("[NOT,AND]", ["NOT", "AND"]),
        ("[[NOT, 1], [true]]", [["NOT", 1], [True]]),
        ("[flip,{name=crop,padding=4}]", ["flip", {"name": "crop", "padding": 4}]),
        ('["a, b", c]', ["a, b", "c"]),
        ("{no pair}", "{no pair}"),
        ("inf", math.inf),
        ("1\nother = 2", "1\nother = 2"),
    ],
)
def test_words_are_read_as_toml_or_else_as_text(text, value):
    read = read_value(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,2", [1, 2]),
        ("adam,sgd", ["adam", "sgd"]),
        ("[64],[64,64]", [[64], [64, 64]]),
        (".5,none", [0.5, "none"]),
        ("true", [True]),
        ("[NOT,AND],[OR]", [["NOT", "AND"], ["OR"]]),
        ("{name=sgd,lr=0.1},adam", [{"name": "sgd", "lr": 0.1}, "adam"]),
        ("it's,so", ["it's", "so"]),
    ],
)
def test_grids_are_read_value_by_value(text, values):
    assert read_values(text) == values


names = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
values = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)


@given(values)
def test_what_is_written_is_read_again(value):
    read = read_value(write_value(value))
    assert read == value
    assert type(read) is type(value)


@given(st.lists(values.filter(lambda value: value != ""), min_size=1, max_size=3))
def test_several_values_in_one_word_are_read_again(several):
    assert read_values(",".join(map(write_value, several))) == several


def test_words_are_short():
    assert write_value(["NOT", "AND"]) == "[NOT,AND]"
    assert write_value({"name": "crop", "padding": 4}) == "{name=crop,padding=4}"
    assert [write_value(v) for v in (None, True, 1e-5, "1", "", "a b")] == ["none", "true", "1e-05", '"1"', '""', "a b"]


@pytest.mark.parametrize(
    ("duration", "seconds"), [("30s", 30), ("2m", 120), ("1.5h", 5400), (" .5 s", 0.5), (7, 7), (0.1, 0.1)]
)
def test_durations(duration, seconds):
    assert seconds_of(duration, "--every") == seconds


@pytest.mark.parametrize("duration", ["30", "2 min", "-1s", "", "s", "1d", "1e3s"])
def test_durations_without_a_unit_are_refused(duration):
    with pytest.raises(BadInput, match=f'--every "{duration}": write it as 30s, 2m or 1h'):
        seconds_of(duration, "--every")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, True), (-1.5, True), (float("nan"), True), (True, False), (False, False), ("1", False), (None, False)],
)
def test_what_is_a_number(value, expected):
    assert is_number(value) is expected
