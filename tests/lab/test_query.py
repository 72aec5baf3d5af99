"""Conditions and orders, on rows whose answers one sees."""

import pytest

from underhood.errors import BadInput
from underhood.lab.query import selected

ROWS = [
    {"run": "a", "error": 0.3, "optimizer.lr": 0.1, "state": "finished", "on": True, "name": None},
    {"run": "b", "error": None, "optimizer.lr": 0.01, "state": "failed", "on": False, "name": "x"},
    {"run": "c", "error": 0.1, "optimizer.lr": 1, "state": "finished", "on": 1, "name": "1"},
    {"run": "d", "error": float("nan"), "optimizer.lr": 0.1, "state": "Finished", "on": True},
]


def names(*args, **options):
    return "".join(row["run"] for row in selected(ROWS, *args, **options))


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (["state=finished"], "ac"),
        (["state != finished"], "bd"),
        (["state ~ finish"], "acd"),
        (["error < 0.2"], "c"),
        (["error<=0.3"], "ac"),
        (["error > 0.2", "state=finished"], "a"),
        (["error >= 5"], ""),
        (["error = none"], "b"),
        (["error != none"], "acd"),
        (["lr=0.1"], "ad"),
        (["optimizer.lr = 1"], "c"),
        (["on=true"], "ad"),
        (["on=1"], "c"),
        (["run > b"], "cd"),
        (['name="1"'], "c"),
        ([], "abcd"),
        (["error ~ 0.3"], "a"),  # what lacks it has no part
        (["name ~ X"], "b"),
        (["error > 0.3"], ""),
        (["error >= 0.3"], "a"),
        (["error < 0.3"], "c"),
        (["error < 0.1"], ""),
        (["run >= b", "run < d"], "bc"),
        (["on != 1"], "abd"),  # true is not 1
        (["name = none"], "ad"),
        (["run=a", "run=b"], ""),
    ],
)
def test_rows_that_fit(where, found):
    assert names(where) == found


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"sort": "error"}, "cadb"),  # NaN after the numbers, what lacks last
        ({"sort": "error", "reverse": True}, "dacb"),
        ({"sort": "lr"}, "badc"),
        ({"sort": "state"}, "dbac"),
        ({"reverse": True}, "dcba"),
        ({"sort": "error", "where": ["state=finished"]}, "ca"),
        ({"sort": "state", "reverse": True}, "acbd"),
        ({"sort": "name"}, "cbad"),
        ({"sort": "name", "reverse": True}, "bcad"),
    ],
)
def test_rows_in_order(options, found):
    assert names(**options) == found


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"where": ["stat=finished"]}, '--where stat: unknown "stat"; did you mean "state"'),
        ({"where": ["state"]}, "--where state: write it as KEY=VALUE"),
        ({"where": ["=3"]}, "--where =3: write it as KEY=VALUE"),
        ({"where": ["state < 3"]}, "--where state < 3: 'finished' and 3 can't be compared by <"),
        ({"where": ["error < low"]}, "--where error < low: 0.3 and 'low' can't be compared"),
        ({"where": ["error < [1]"]}, "can't be compared"),
        ({"sort": "eror"}, '--sort eror: unknown "eror"; did you mean "error"'),
    ],
)
def test_mistakes_name_the_nearest(options, said):
    with pytest.raises(BadInput) as caught:
        selected(ROWS, **options)
    assert said in str(caught.value)


def test_an_ending_that_two_keys_have_is_asked_back():
    with pytest.raises(BadInput, match=r"it may be a\.lr or b\.lr"):
        selected([{"a.lr": 1, "b.lr": 2}], ["lr=1"])


def test_values_of_many_kinds_have_an_order():
    """Numbers, NaN, texts, and what else there is as it is written."""
    rows = [{"x": value} for value in (["b"], "a", float("nan"), 2, None, True, ["a"], 1.5, "A")]
    found = [row["x"] for row in selected(rows, sort="x")]
    assert [str(x) for x in found] == ["True", "1.5", "2", "nan", "A", "a", "['a']", "['b']", "None"]


def test_a_key_goes_by_its_last_part_where_that_is_one_keys_alone():
    rows = [{"a.lr": 1, "b.c.lr": 2, "b.c.size": 3}, {"a.lr": 2, "b.c.lr": 1, "b.c.size": 1}]
    assert selected(rows, ["size = 3"]) == rows[:1]
    assert selected(rows, sort="size") == rows[::-1]
    with pytest.raises(BadInput, match=r'--sort lr: unknown "lr"; it may be a.lr or b.c.lr'):
        selected(rows, sort="lr")
    with pytest.raises(BadInput, match=r'--where c.lr: unknown "c.lr"'):
        selected(rows, ["c.lr = 2"])
    assert selected([], ["anything = 2"], sort="whatever") == []
