"""The report of a study without one: who comes first, by what, and what is in no mean."""

import csv

import pytest

from tests.in_process import InProcess
from underhood.lab import How, Scale, Study, run_study
from underhood.report.html import render_html
from underhood.service.reporting import document_of, facts_of
from underhood.settings import Settings
from underhood.trials import Metric, Result


class Walk(Settings):
    to: float = 1.0
    names: str = "loss"
    diverges: bool = False
    fails_at: int = -1
    fails_to: float = -1.0
    diverges_to: float = -1.0


def walk(settings, seed, context):
    if seed == settings.fails_at or settings.to == settings.fails_to:
        raise ArithmeticError("it was told to")
    end = settings.to + 0.01 * seed
    for step in range(3):
        yield Metric(step, {settings.names: end + 2 - step})
    yield Result(
        {settings.names: end, "diverged": (settings.diverges and seed == 1) or settings.to == settings.diverges_to}
    )


def study(**more):
    scales = {"quick": Scale("three seeds", seeds=3)}
    return Study("walk", settings=Walk, trial=walk, axes={"to": [2.0, 1.0, 3.0]}, scales=scales, **more)


def told(runs, *sets, **more):
    run = run_study(study(**more), "quick", sets, how=How(runs=runs, executor=InProcess))
    document = document_of(run, study(**more))
    assert render_html(document, facts_of(run, study(**more)))
    return document


def table(document, name):
    return next(b for s in document.sections for b in s.blocks if getattr(b, "name", "") == name)


def test_the_smallest_loss_comes_first_and_the_seeds_say_by_how_much(runs):
    document = told(runs)
    assert document.answer.startswith("**to 1.0** comes first, with a loss of 1.01 [0.9852, 1.035] over 3 seeds.")
    # the same seed moves both alike, so each pair is exactly 1 apart
    assert "to 2.0 follows" in document.answer
    assert "Seed by seed the difference is +1 [+1, +1], more than the luck of these 3 seeds." in document.answer
    assert [row["setting"] for row in table(document, "leaderboard").rows] == ["to 1.0", "to 2.0", "to 3.0"]
    drawn = table(document, "loss").data_csv()
    assert all(f"to {end}" in drawn for end in ("1.0", "2.0", "3.0"))


def test_the_largest_accuracy_comes_first(runs):
    assert told(runs, "names=accuracy").answer.startswith("**to 3.0** comes first")


def test_what_has_no_better_way_is_not_ranked(runs):
    document = told(runs, "names=height")
    assert "unranked" in document.answer
    assert [row["setting"] for row in table(document, "leaderboard").rows] == ["to 2.0", "to 1.0", "to 3.0"]
    assert any("nothing is ranked" in str(block) for block in document.sections[0].blocks)


def test_what_diverged_and_what_failed_is_in_no_mean_and_listed(runs):
    document = told(runs, "diverges=true", "fails_at=2")
    rows = table(document, "leaderboard").rows
    assert [(row["n"], row["diverged"], row["failed"]) for row in rows] == [(1, 1, 1)] * 3
    lost = table(document, "lost").rows
    assert {row["what"] for row in lost} == {"diverged", "failed: ArithmeticError: it was told to"}
    assert len(lost) == 6
    assert "One seed in common cannot say" in document.answer


@pytest.mark.parametrize("names", ["loss", "height"])
def test_a_setting_whose_every_seed_failed_or_diverged_is_there_without_a_number(runs, names):
    document = told(runs, f"names={names}", "fails_to=1", "diverges_to=2")
    rows = table(document, "leaderboard").rows
    assert {row["setting"]: (row["n"], row["diverged"], row["failed"]) for row in rows} == {
        "to 1.0": (0, 0, 3),
        "to 2.0": (0, 3, 0),
        "to 3.0": (3, 0, 0),
    }
    if names == "loss":
        assert [row["rank"] for row in rows] == [1, None, None]
        assert {row["setting"]: row["value"] for row in rows[1:]} == {"to 2.0": "diverged", "to 1.0": "failed"}
        assert document.answer.endswith("No other setting has a number to set beside it.")
        marks = csv.DictReader(table(document, "against").data_csv().splitlines())
        assert {(float(row["x"]), row["what"]) for row in marks} >= {(1.0, "failed"), (2.0, "diverged"), (3.0, "mean")}


def test_one_setting_is_its_number(runs):
    assert told(runs, "to=1.0").answer == "The loss is **1.01 [0.9852, 1.035]** over 3 seeds."


def test_a_study_that_trains_needs_a_name_and_what_differs(runs):
    """Settings, trial, report and data are those of training; choices go by the images held out for them."""
    of = Study(
        "tiny",
        base={"data": {"name": "digits", "validation": 50, "train": 100, "test": 50}, "epochs": 1},
        axes={"optimizer": [{"name": "sgd", "lr": 0.1}, {"name": "adam", "lr": 0.01}]},
    )
    run = run_study(of, "quick", seeds=2, how=How(runs=runs, executor=InProcess))
    assert all(len(trial.spec["data"]) == 64 for trial in run.trials)
    document = document_of(run, of)
    leaders = table(document, "leaderboard")
    assert leaders.columns[2].header == "Best validation error (%)"
    assert {"loss", "error", "results"} <= {getattr(b, "name", "") for s in document.sections for b in s.blocks}


def test_without_held_out_images_it_says_what_ranks(runs):
    of = Study(
        "tiny", base={"data": {"name": "digits", "train": 60, "test": 50}, "epochs": 1}, axes={"batch_size": [8, 16]}
    )
    run = run_study(of, "quick", seeds=1, how=How(runs=runs, executor=InProcess))
    blocks = document_of(run, of).sections[0].blocks
    assert any("ranked by the test images" in str(block) for block in blocks)


@pytest.mark.parametrize("name", ["../../evil", "", "a/b", "..", ".hidden", "a\0"])
def test_a_study_s_name_is_a_folder_s(name):
    from underhood.errors import BadInput

    with pytest.raises(BadInput, match="names a folder"):
        Study(name)
