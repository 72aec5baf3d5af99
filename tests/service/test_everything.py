"""Every study in turn: a failure stops none, the same call goes on, and a page leads to the reports."""

import re
from dataclasses import replace

import pytest

from tests.in_process import trials_in_process
from underhood import studies
from underhood.service.everything import Outcome, Ticker, run_all
from underhood.studies import find, sheets


def failing(settings, seed, context):
    raise ArithmeticError("on purpose")
    yield


def broken(results):
    raise ValueError("a report that breaks down")


FEW = ("conv-arithmetic", "gelu-descent", "vgg19-table", "logic-gates", "cutout")


@pytest.fixture
def few():
    """Five studies: one of them fails, one reports nothing but an error, one wants what is not there."""
    first, fails, breaks, last, wants = map(find, FEW)
    nowhere = replace(wants, data=lambda settings: "nowhere.npz")
    return [first, replace(fails, trial=failing), replace(breaks, report=broken), last, nowhere]


def run_them(few, tmp_path, lines, **more):
    with trials_in_process():
        return run_all("smoke", runs=tmp_path / "runs", say=lines.append, studies=few, **more)


def test_a_failure_stops_none_and_has_its_line_and_its_place(few, tmp_path):
    lines = []
    code, page = run_them(few, tmp_path, lines)
    assert code == 1
    assert [re.sub(r"\d[\d.]* m?s$", "T", line) for line in lines[::3]] == [
        "[1/5] conv-arithmetic: 1 trial, T",
        "[4/5] logic-gates: 1 trial, T",
    ]
    assert lines[1].startswith("[2/5] gelu-descent: ")
    assert re.search(r"; (\d) of \1 trials failed: ArithmeticError: on purpose$", lines[1])
    assert re.fullmatch(
        r"\[3/5\] vgg19-table: not run: \S+test_everything\.py:\d+: ValueError: a report that breaks down\.", lines[2]
    )
    assert lines[4].startswith("[5/5] cutout: not run: data: there is no nowhere.npz, ")
    text = page.read_text(encoding="utf-8")
    assert page == tmp_path / "runs" / "all-smoke.html"
    links = re.findall(r'<a href="([^#"]+)"', text)
    assert links == ["logic-gates-smoke/report.html", "conv-arithmetic-smoke/report.html"]  # in the sheet's order
    assert all((page.parent / link).is_file() for link in links)
    assert "The smallest perceptrons that are logic gates" in text
    assert "trials failed: ArithmeticError: on purpose" in text
    assert "2 of 5 studies have a report" in text
    assert "with 3 something went wrong" in text


def test_an_early_failure_is_not_made_good_by_what_comes_after(few, tmp_path):
    code, _ = run_them([few[1], few[0]], tmp_path, [])
    assert code == 1


def test_the_same_call_goes_on(few, tmp_path):
    run_them(few[:1], tmp_path, [])
    lines = []
    code, _ = run_them([few[0], few[3]], tmp_path, lines)
    assert code == 0
    assert lines[0] == "[1/2] conv-arithmetic: 1 trial, finished before"
    assert "finished before" not in lines[1]


def test_an_interruption_ends_it_and_says_what_was_not_begun(few, tmp_path, monkeypatch):
    from underhood.service import everything

    real = everything.run

    def interrupted(study, *given, **how):
        done = real(study, *given, **how)
        done.facts["exit_code"] = 130
        return done

    monkeypatch.setattr(everything, "run", interrupted)
    lines = []
    code, page = run_them([few[0], few[3]], tmp_path, lines)
    assert code == 130
    assert len(lines) == 1
    assert "Not begun: the run was interrupted before." in page.read_text(encoding="utf-8")


def test_the_count_is_shown_while_they_run(few, tmp_path):
    shown = []
    run_them([few[3]], tmp_path, [], show=shown.append)
    assert shown == ["[1/1] logic-gates: 0 of 1 trials", "[1/1] logic-gates: 1 of 1 trials"]


def test_a_line_says_what_is_new():
    run = type("Run", (), {"trials": (1, 2, 3)})()
    assert Outcome(find("cutout"), run, "", 61.0, 2).text == "cutout: 3 trials, 2 of them new, 1 min 01 s"
    assert Ticker("x", print).fresh == 0


def test_every_question_of_a_sheet_names_a_study_that_ships_and_none_twice():
    asked = [question.study for sheet in sheets.SHEETS for question in sheet.questions]
    assert set(asked) <= set(studies.names())
    assert len(asked) == len(set(asked))
    grouped = sheets.by_sheet({study.name: study.question for study in studies.every()})
    assert sorted(each.study for _, questions in grouped for each in questions) == sorted(studies.names())
    assert grouped[-1][0] == sheets.OWN
