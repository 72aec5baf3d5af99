"""The quickstart, run as a newcomer runs it, in worker processes, at its smallest scale."""

from dataclasses import replace

import numpy as np
import pytest

import underhood
from underhood.lab import Results
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


def test_the_report_survives_trials_that_have_no_numbers(tmp_path):
    run = underhood.run("quickstart", "smoke", set={"optimizer.lr": 1e30}, runs=tmp_path, parallel=1)
    assert len(run.results.diverged) >= 1
    groups = tuple(replace(group, among=()) for group in run.results.groups)  # as reports get them
    answer = find("quickstart").report(Results(groups)).answer
    assert "compare" in answer or "%" in answer
