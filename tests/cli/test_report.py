"""`underhood report`: a run's report again, in other formats and places."""

import os
from pathlib import Path


def test_the_latest_run_is_reported_by_default(underhood, study, runs):
    underhood("run", study, "--scale=smoke", "--name=old")
    underhood("run", study, "--scale=smoke", "--name=new")
    stored = runs / "old" / "run.json"
    stored.write_text(stored.read_text().replace('"began": "2', '"began": "1'))  # long ago
    os.remove(runs / "new" / "report.html")
    said = underhood("report")
    assert said.status == 0
    assert said.out.split() == [str(runs / "new" / "report.html"), str(runs / "new" / "report.md")]
    assert (runs / "new" / "report.html").is_file()


def test_a_run_by_name_into_a_folder(underhood, study, tmp_path):
    underhood("run", study, "--scale=smoke")
    said = underhood("report", "descent-smoke", "--format=md", "--out", str(tmp_path / "out"), "--json")
    assert said.json == {
        "schema": "underhood.report/1",
        "run": "descent-smoke",
        "files": [str(tmp_path / "out" / "report.md")],
    }
    assert "# Descent" in (tmp_path / "out" / "report.md").read_text()


def test_mistakes(underhood, study):
    assert underhood("report").err.endswith("holds no runs yet; `underhood run quickstart` makes one\n")
    underhood("run", study, "--scale=smoke")
    assert 'did you mean "descent-smoke"?' in underhood("report", "descent-smok").err
    assert '--format: unknown "pfd"; did you mean "pdf"?' in underhood("report", "--format=pfd").err
    assert underhood("report", "--format=pfd").status == 2


def test_a_run_of_which_nothing_finished_has_nothing_to_report(underhood, study):
    Path(study).write_text(Path(study).read_text().replace("seed == 1", "True"))
    underhood("run", study, "--scale=smoke", "--set=breaks=true")
    said = underhood("report", "descent-smoke")
    assert said.status == 2
    assert "no trial of it has finished" in said.err


def test_a_short_page_in_a_folder_of_results(underhood, study, tmp_path):
    underhood("run", study, "--scale=smoke")
    said = underhood("report", "descent-smoke", "--results", str(tmp_path / "results"))
    assert [Path(line).name for line in said.out.split()] == ["descent.md", "README.md"]  # it draws no figure
    assert "[descent](descent.md) | smoke | Descent" in (tmp_path / "results" / "README.md").read_text()
    assert underhood("report", "--results=x", "--format=md").status == 2
