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
