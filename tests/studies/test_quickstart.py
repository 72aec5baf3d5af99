"""The quickstart, run as a newcomer runs it, in worker processes, at its smallest scale."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import underhood
from underhood.lab import Results, Summary
from underhood.service.reporting import document_of
from underhood.studies import find, quickstart

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return underhood.run("quickstart", "smoke", seeds=2, runs=tmp_path_factory.mktemp("runs"), parallel=2)


def test_every_optimiser_learns(run):
    assert run.state == "finished"
    names = [group.values["optimizer.name"] for group in run.results.groups]
    assert names == ["sgd", "nesterov", "adam"]
    for group in run.results.groups:
        error = group.summary("test_error")
        assert error.n == 2
        assert error.mean < 0.5  # guessing gives 0.9
        assert group.summary("initial_loss").mean == pytest.approx(np.log(10), abs=0.4)


def test_the_report_has_words_with_the_run_s_own_numbers(run):
    document = document_of(run)
    adam = next(g for g in run.results.groups if g.values["optimizer.name"] == "adam")
    assert f"{100 * adam.summary('test_error').mean:.2f}" in document.answer
    for name in ("SGD", "Nesterov", "Adam"):
        assert name in document.answer
    html = (run.path / "report.html").read_text()
    assert document.question in html
    assert len(html) < 2_000_000


@pytest.mark.parametrize(
    ("early", "said"),
    [
        (
            {"a": 0.5, "b": 0.25},
            "After one epoch **b** is ahead, with 25.0 % of the validation images wrong (a 50.0 %).",
        ),
        (
            {"a": 0.25, "b": 0.25, "c": 0.5},
            "**a and b** are ahead, with 25.0 % of the validation images wrong (c 50.0 %).",
        ),
        ({"a": 0.25, "b": 0.25}, "After one epoch a and b have 25.0 % of the validation images wrong."),
        ({"a": 0.25}, "After one epoch a has 25.0 % of the validation images wrong."),
    ],
)
def test_only_who_has_fewer_errors_is_ahead(early, said):
    assert said in quickstart._answer(Results(()), early)


def summary(mean, half=None):
    low, high = (None, None) if half is None else (mean - half, mean + half)
    return Summary(mean, low, high, 1 if half is None else 2, (mean,))


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (summary(0.5, 0.125), "do not overlap: **sgd** is better"),
        (summary(0.375, 0.125), "**not told apart**"),  # one ends where the other begins
        (summary(0.25, 0.125), "**not told apart**"),
        (summary(0.5), "One seed cannot say"),
    ],
)
def test_the_best_two_are_told_apart_by_their_intervals(second, said):
    assert said in quickstart._verdict((summary(0.125, 0.125), "sgd"), (second, "adam"))


def test_in_the_end_the_best_two_are_judged(monkeypatch):
    def group(label, mean):
        return SimpleNamespace(
            label=label, summary=lambda metric: summary(mean, 0.05) if metric == "test_error" else None
        )

    groups = [group("adam", 0.5), group("sgd", 0.25), group("lion", 0.35), group("none", 0.9)]
    found = quickstart._answer(SimpleNamespace(groups=groups), {"sgd": 0.5})
    order = [found.index(f"with {label}") for label in ("sgd", "lion", "adam", "none")]
    assert order == sorted(order)
    assert "overlap: over these seeds" in found
    groups = [groups[1], groups[0]]
    assert "**sgd** is better here" in quickstart._answer(SimpleNamespace(groups=groups), {"sgd": 0.5})
    assert "better" not in quickstart._answer(SimpleNamespace(groups=groups[:1]), {"sgd": 0.5})


def test_the_report_survives_trials_that_have_no_numbers(tmp_path):
    run = underhood.run("quickstart", "smoke", set={"optimizer.lr": 1e30}, runs=tmp_path, parallel=1)
    assert len(run.results.diverged) >= 1
    groups = tuple(replace(group, among=()) for group in run.results.groups)  # as reports get them
    answer = find("quickstart").report(Results(groups)).answer
    assert "compare" in answer or "%" in answer
