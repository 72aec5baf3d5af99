"""What a notebook shows of results: a row a setting, and what is left out, said."""

from types import SimpleNamespace

import pytest

from underhood.lab.results import Group, Results, StoredTrial
from underhood.lab.showing import MOST, table


def trial(seed, result, state="finished", diverged=False):
    return SimpleNamespace(seed=seed, state=state, diverged=diverged, result=result)


def group(label, *trials):
    return Group(label, {"lr": label}, {}, tuple(trials))


def results(*groups):
    return Results(tuple(groups))


def test_a_row_has_the_means_of_the_trials_that_count():
    found = table(
        results(
            group("0.1", trial(0, {"test_error": 0.25, "note": "x"}), trial(1, {"test_error": 0.75, "note": "y"})),
            group(
                "0.2", trial(0, {"test_error": 0.5}), trial(1, {}, "failed"), trial(2, {"test_error": 9}, diverged=True)
            ),
        )
    )
    assert [c.name for c in found.columns] == ["label", "seeds", "number test_error"]
    assert found.columns[2].title == "test error"
    first, second = found.rows
    assert (first["label"], first["seeds"], first["number test_error"].mean) == ("0.1", "2 of 2", 0.5)
    assert (second["seeds"], second["number test_error"].mean) == ("1 of 3", 0.5)
    assert found.foot == ["2 trials of 5 diverged, failed or did not end."]


def test_one_that_is_left_out_and_none():
    assert table(results(group("a", trial(0, {"x": 1}), trial(1, {}, "waiting")))).foot == [
        "1 trial of 2 diverged, failed or did not end."
    ]
    assert table(results(group("a", trial(0, {"x": 1})))).foot == []
    empty = table(results(group("a", trial(0, {}, "failed"))))
    assert [c.name for c in empty.columns] == ["label", "seeds"]


@pytest.mark.parametrize("more", [0, 1, 3])
def test_of_many_numbers_the_first_are_shown(more):
    found = table(results(group("a", trial(0, {f"n{i}": i for i in range(MOST + more)}))))
    assert [c.name for c in found.columns[2:]] == [f"number n{i}" for i in range(MOST)]
    assert found.foot == ([f"{more} more numbers: frame() has all."] if more else [])


def test_a_number_that_one_lacks_is_one_and_what_is_half_a_word_is_none():
    found = table(
        results(
            group("a", trial(0, {"x": 1.0, "y": 1, "z": None}), trial(1, {"x": None, "y": "1", "z": None})),
            group("b", trial(0, {"y": 2})),
        )
    )
    assert [c.name for c in found.columns[2:]] == ["number x"]
    assert found.rows[1]["number x"] is None


def test_results_read_as_their_settings():
    one = results(group("a", trial(0, {})))
    assert repr(one) == "<results of 1 setting: a>"
    assert repr(one.groups[0]) == "<a: 1 trial>"
    assert repr(results(*(group(c, trial(0, {})) for c in "abcd"))) == "<results of 4 settings: a · b · c · d>"
    many = results(*(group(c, trial(0, {}), trial(1, {})) for c in "abcdef"))
    assert repr(many) == "<results of 6 settings: a · b · c · d · and 2 more>"
    assert repr(many.groups[0]) == "<a: 2 trials>"
    assert "<table" in many._repr_html_()
    stored = StoredTrial(
        SimpleNamespace(status=lambda: {"state": "failed"}, read=lambda: ("", None)), {"id": "abc", "seed": 3}
    )
    assert repr(stored) == "<trial abc, seed 3: failed>"


def test_the_best_is_the_smallest_mean_or_the_largest():
    found = results(
        group("a", trial(0, {"x": 1.0}), trial(1, {"x": 4.0})),
        group("b", trial(0, {"x": 2.0}), trial(1, {"x": 2.0})),
        group("c", trial(0, {}, "failed")),
    )
    assert found.best("x").label == "b"
    assert found.best("x", largest=True).label == "a"
    assert results(group("c", trial(0, {}, "failed"))).best("x") is None
    assert found["b"].label == "b"
    with pytest.raises(KeyError, match='no setting "d"'):
        found["d"]
    assert (len(found.trials), len(found.failed), len(found.diverged), len(found.unfinished)) == (5, 1, 0, 0)
    assert found.varying == ("lr",)
    assert results().varying == ()
