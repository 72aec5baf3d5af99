"""two-back-ends: pairs of seeds, what they say of agreement, and what it takes to say anything."""

from math import exp, log

import pytest

import underhood
from underhood.lab.results import Results
from underhood.studies import find


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return underhood.run("two-back-ends", "smoke", seeds=2, runs=tmp_path_factory.mktemp("runs"))


def test_both_start_alike_and_are_compared_seed_by_seed(run):
    ours, theirs = run.results.groups
    assert [group.settings["backend"] for group in (ours, theirs)] == ["underhood", "torch"]
    for a, b in zip(ours.trials, theirs.trials, strict=True):
        assert a.seed == b.seed
        assert a.result["initial_loss"] == pytest.approx(b.result["initial_loss"], rel=1e-5)
    document = find("two-back-ends").report(run.results)
    assert "over 2 pairs of seeds: they **agree** within it" in document.answer
    ratios = [b.result["seconds"] / a.result["seconds"] for a, b in zip(ours.trials, theirs.trials, strict=True)]
    assert f"PyTorch takes **{exp(sum(map(log, ratios)) / 2):.2f}" in document.answer
    pairs = document.sections[0].blocks[1]
    assert [row["ratio"] for row in pairs.rows] == pytest.approx(ratios)


def test_a_row_of_the_list_is_a_number_of_one_back_end(run):
    rows = find("two-back-ends").report(run.results).listed
    assert [(row.what, row.format, row.epochs) for row in rows] == [
        ("test accuracy, underhood", ".2%", 2),
        ("seconds of training, underhood", ",.1f", 2),
        ("test accuracy, torch", ".2%", 2),
        ("seconds of training, torch", ",.1f", 2),
    ]
    for group, (right, took) in zip(run.results.groups, (rows[:2], rows[2:]), strict=True):
        assert right.ours.mean == pytest.approx(1 - group.summary("test_error").mean)
        assert took.ours.mean == group.summary("seconds").mean
        assert right.seconds == took.seconds == sum(trial.seconds for trial in group.trials)


def test_errors_that_differ_more_than_seeds_do_are_said_to(run, monkeypatch):
    from underhood.studies import two_back_ends

    pairs = [({"test_error": 0.30 + s, "seconds": 1}, {"test_error": 0.35 + s, "seconds": 2}) for s in (0, 1e-3, 2e-3)]
    monkeypatch.setattr(two_back_ends, "_paired", lambda results: pairs)
    said = two_back_ends._answer(run.results)
    assert "PyTorch's test error is +5.00 [" in said
    assert "they do **not agree** within it" in said
    assert "PyTorch takes **2.00 [2.00, 2.00]** times" in said


def test_times_that_scatter_without_bounds_are_no_ratio(run, monkeypatch):
    from underhood.studies import two_back_ends

    pairs = [({"test_error": 0.5, "seconds": 1}, {"test_error": 0.5, "seconds": t}) for t in (0.25, 4.0)]
    monkeypatch.setattr(two_back_ends, "_paired", lambda results: pairs)
    said = two_back_ends._answer(run.results)
    assert said.endswith(
        "**1.00** times the engine's time, but 0.25 to 4.00 times over 2 pairs: too few, or too unlike, to say."
    )


def test_one_back_end_alone_says_nothing(run):
    assert "on both back ends" in find("two-back-ends").report(Results(run.results.groups[:1])).answer
