"""What keeps two settings from being compared, and what is said of those that can be."""

from types import SimpleNamespace

import pytest

from underhood.errors import BadInput
from underhood.lab.comparing.alike import changed, check, lost, notes

PLAIN = {"codes": ["c1"], "versions": {"numpy": "2"}, "machine": {"cpu": "one"}}


def groups(stored, name="run", a=None, b=None, of=("a", "b"), settings=None):
    """Two groups of one run, whose trials' facts are given by seed."""
    run = stored(name, {of[0]: a or {0: {"test_error": 0.1}}, of[1]: b or {0: {"test_error": 0.2}}}, settings=settings)
    return run.results.groups


def said(a, b, seeds=(0,), metric="test_error", settings=(("rule", "a", "b"),)):
    return list(notes(a, b, ("A", "B"), seeds, metric, settings))


def test_the_same_trials_are_not_compared(stored):
    a, _ = groups(stored)
    with pytest.raises(BadInput, match=r"^A and B: there are trials that are in both; a trial differs from others al"):
        check(a, a, "A", "B")


def test_other_data_are_named_by_set_and_fingerprint(stored, errors):
    (a,) = stored("one", {"a": errors(0.1)}, data="d" * 20, settings={"data": {"name": "digits"}}).results.groups
    (b,) = stored("two", {"b": errors(0.1)}, data="e" * 20).results.groups
    (c,) = stored("three", {"b": errors(0.1)}, data=None).results.groups
    with pytest.raises(BadInput) as caught:
        check(a, b, "A", "B")
    assert str(caught.value) == (
        "A and B were measured on other data (digits dddddddddddd; data eeeeeeeeeeee): their numbers cannot be compared"
    )
    with pytest.raises(BadInput, match=r"\(data eeeeeeeeeeee; data without a fingerprint\)"):
        check(b, c, "A", "B")
    check(a, *stored("four", {"b": errors(0.1)}, data="d" * 20).results.groups, "A", "B")


@pytest.mark.parametrize("turned", [False, True])
def test_a_side_without_a_number_is_named_with_what_became_of_it(stored, turned):
    a, b = groups(stored, b={0: None, 2: None, 1: {"diverged": True}})
    sides = [(a, "A"), (b, "B")][:: -1 if turned else 1]
    with pytest.raises(BadInput) as caught:
        check(sides[0][0], sides[1][0], sides[0][1], sides[1][1])
    assert str(caught.value) == "B: no trial of it has a number to compare: seeds 0, 2 failed, seed 1 diverged"
    assert lost(b) == "seeds 0, 2 failed, seed 1 diverged"
    assert lost(a) == ""


def test_seeds_of_one_side_alone_make_no_pair(stored, errors):
    a, b = groups(stored, a=errors(0.1, 0.2), b={5: {"test_error": 0.3}})
    with pytest.raises(BadInput) as caught:
        check(a, b, "A", "B")
    assert str(caught.value) == ("nothing is paired: A has seeds 0, 1, B seed 5; run both with the same seeds")
    check(*groups(stored, "other", a=errors(0.1, 0.2), b={1: {"test_error": 0.3}}), "A", "B")


def test_settings_that_differ_and_that_one_lacks():
    a = SimpleNamespace(settings={"x": 1, "y": {"z": 2, "w": 0}, "same": [1]})
    b = SimpleNamespace(settings={"y": {"z": 3}, "x": 1, "same": [1], "new": None})
    assert [(key, *map(str, values)) for key, *values in changed(a, b)] == [
        ("y.z", "2", "3"),
        ("y.w", "0", "–"),
        ("new", "–", "None"),
    ]
    assert changed(a, a) == ()


def test_of_two_that_were_computed_alike_nothing_is_said_but_of_times(stored):
    a, b = groups(stored)
    assert said(a, b) == []
    assert said(a, b, settings=()) == [
        "No setting differs between the two: a difference comes from code, versions or machine alone."
    ]
    assert said(a, b, metric="seconds", seeds=())[-1:] == [
        "A time depends on what else ran on the machine: that differs from trial to trial, too."
    ]
    data = (("data.train", 1, 2), ("datum", 1, 2), ("data.name", "a", "b"))
    assert said(a, b, settings=data) == [
        "Settings of the data differ (data.train, data.name): test_error may not be of the same images."
    ]


def test_trials_in_no_pair_are_told_by_side_and_state(stored):
    a, b = groups(
        stored,
        a={0: {"test_error": 0.1}, 1: {"test_error": float("nan")}, 2: None},
        b={0: {"test_error": 0.1}, 3: {"test_error": 0.1}},
    )
    of_a, of_b = said(a, b)
    assert of_b == "In no pair, of B: seed 3 finished."
    assert of_a == "In no pair, of A: seed 1 finished without a finite test error, seed 2 failed."
    assert said(a, a, seeds=(0, 1, 2)) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        (
            {"epochs": 2, "steps": 8},
            {"epochs": 3, "steps": 9},
            "The two trained for other numbers of epochs: A 2, B 3.",
        ),
        ({"epochs": 2, "steps": 8}, {"epochs": 2, "steps": 9}, "The two took other numbers of steps: A 8, B 9."),
        ({"steps": 8}, {}, "The two took other numbers of steps: A 8, B unknown."),
    ],
)
def test_other_lengths_are_said_once(stored, ours, theirs, words):
    a, b = groups(stored, a={0: {"test_error": 0.1} | ours}, b={0: {"test_error": 0.1} | theirs})
    assert said(a, b) == [words]


def trial(seed=0, function="f", result=None, facts=None):
    return SimpleNamespace(
        seed=seed, diverged=False, state="finished", result={"test_error": 0.1} | (result or {}),
        spec={"function": function}, stored_result=PLAIN | (facts or {}),
    )  # fmt: skip


def side(*trials):
    return SimpleNamespace(trials=list(trials), counted=list(trials), settings={})


@pytest.mark.parametrize(
    ("a", "b", "settings", "words"),
    [
        ({"function": "g"}, {}, True, ["The trials are of other functions (g; f): test_error may not mean the same."]),
        ({"facts": {"codes": ["c2"]}}, {}, True, []),
        ({"facts": {"codes": ["c2"]}}, {}, False, ["The two were computed by other code: A c2, B c1."]),
        ({"facts": {"codes": ["c2", "c1"]}}, {"facts": {"codes": ["c1", "c2"]}}, True,
         ["The trials of A come from several versions of the code: c1 and c2.",
          "The trials of B come from several versions of the code: c1 and c2."]),
        ({"facts": {"versions": {"numpy": "1", "scipy": "1"}}}, {}, True,
         ["The two were computed with other versions of numpy, scipy."]),
        ({"facts": {"machine": {"cpu": "two"}}}, {}, True, ["The two were computed on other machines: two; one."]),
        ({"facts": {"machine": {}}}, {}, True, ["The two were computed on other machines: unknown; one."]),
    ],
)  # fmt: skip
def test_what_computed_them_otherwise_is_said(a, b, settings, words):
    differ = (("rule", "a", "b"),) if settings else ()
    alone = [] if settings else ["No setting differs between the two: a difference comes from code, versions or machi"]
    found = said(side(trial(**a)), side(trial(**b)), settings=differ)
    assert found[len(alone) :] == words
    assert all(one.startswith(other) for one, other in zip(found, alone, strict=False))


def test_trials_of_seeds_that_are_not_paired_say_nothing_of_the_code():
    b = side(trial(), trial(1, facts={"machine": {"cpu": "two"}}))
    assert said(side(trial()), b) == ["In no pair, of B: seed 1 finished."]
