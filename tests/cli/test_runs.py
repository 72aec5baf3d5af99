"""`underhood runs`: from a study that ran to its rows, its exports, and nothing."""

import csv
import io

import pytest

from underhood.lab.store import RunFolder


@pytest.fixture
def ran(underhood, study):
    assert underhood("run", study, "--scale", "smoke").status == 0
    assert underhood("run", study, "--set", "breaks=true").status == 1
    return study


def test_runs_are_listed_with_how_far_they_are(underhood, ran):
    said = underhood("runs", "ls")
    lines = [line.split() for line in said.out.splitlines() if line.startswith("descent")]
    assert [line[:7] for line in lines] == [
        ["descent-quick", "descent", "quick", "failed", "4", "2", "2"],
        ["descent-smoke", "descent", "smoke", "finished", "2", "2", "0"],
    ]
    assert underhood("runs", "ls", "--where", "state=failed", "--json").json["runs"][0]["run"] == "descent-quick"
    rows = underhood("runs", "ls", "--sort", "failed", "--json").json
    assert rows["schema"] == "underhood.runs/1"
    assert [row["run"] for row in rows["runs"]] == ["descent-smoke", "descent-quick"]


def test_trials_are_shown_sorted_and_filtered(underhood, ran):
    rows = underhood("runs", "show", "descent-quick", "--json").json["trials"]
    assert [(row["label"], row["seed"], row["state"]) for row in rows] == [
        ("lr 0.1", 0, "finished"), ("lr 0.4", 0, "finished"), ("lr 0.1", 1, "failed"), ("lr 0.4", 1, "failed"),
    ]  # fmt: skip
    assert rows[0]["loss"] == pytest.approx(0.8**20)
    assert "it was told to break" in rows[2]["reason"]
    best = underhood("runs", "show", "descent-quick", "--where", "loss < 0.1", "--sort", "loss", "--json").json[
        "trials"
    ]
    assert [row["lr"] for row in best] == [0.4, 0.1]
    table = underhood("runs", "show", "descent-quick", "--columns", "label,loss", "--sort", "loss", "--reverse").out
    assert [line.split()[:2] for line in table.splitlines()[4:6]] == [["lr", "0.1"], ["lr", "0.4"]]
    assert underhood("runs", "show", "descent-smoke").out.startswith("descent-smoke: 2 trials")


def test_trials_are_exported_to_a_pipe_or_a_file(underhood, ran, tmp_path):
    rows = list(csv.DictReader(io.StringIO(underhood("runs", "export", "descent-smoke").out)))
    assert [float(row["loss"]) for row in rows] == [pytest.approx(0.8**10), pytest.approx(0.2**10)]
    said = underhood(
        "runs", "export", "descent-smoke", "--of", "metrics", "--format", "jsonl", "--out", str(tmp_path / "m")
    )
    assert (said.status, said.out, said.err) == (0, "", f"written: {tmp_path / 'm'}\n")
    assert len((tmp_path / "m").read_text().splitlines()) == 10
    said = underhood("runs", "export", "descent-smoke", "--format", "tensorboard")
    assert (said.status, said.err) == (
        2,
        "--format tensorboard: is no text for a pipe; name a file or folder with --out\n",
    )


def test_a_run_is_removed_when_that_is_said_twice(underhood, ran, runs):
    said = underhood("runs", "rm", "descent-smoke")
    assert (said.status, "nothing was removed; --yes" in said.err) == (2, True)
    assert underhood("runs", "rm", "descent-smoke", "descent-quik", "--yes").status == 2
    assert sorted(path.name for path in runs.glob("descent*")) == ["descent-quick", "descent-smoke"]
    with RunFolder(runs / "descent-smoke").lock():
        assert "a process is working on this run" in underhood("runs", "rm", "descent-smoke", "--yes").err
    assert underhood("runs", "rm", "descent-smoke", "--yes", "--json").json["removed"] == [str(runs / "descent-smoke")]
    assert [path.name for path in runs.glob("descent*")] == ["descent-quick"]
    (runs / "linked").symlink_to(runs / "descent-quick")
    assert "a link" in underhood("runs", "rm", "linked", "--yes").err
    (runs / "descent-quick" / "run.json").write_text("garbage")
    assert underhood("runs", "rm", "descent-quick", "--yes").status == 0


def test_no_runs_are_no_mistake(underhood, runs):
    said = underhood("runs", "ls")
    assert (said.status, said.out) == (0, "")
    assert "no runs yet" in said.err
    assert underhood("runs", "rm").err.startswith("RUN: a value is missing")
