"""The index says what the files say, whatever becomes of it."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from underhood.errors import BadInput
from underhood.lab import results
from underhood.lab.files import line_of
from underhood.lab.index import FILE, run_rows, trial_rows

GOLDEN = Path(__file__).with_name("golden") / "store-1"
TRIALS = [({"lr": lr}, seed, {"error": lr + seed}, [{"step": 1, "loss": 1.0}]) for lr in (0.1, 0.2) for seed in (0, 1)]


def as_the_files_say(run):
    """The rows of a run's trials, without the index."""
    group = {trial.id: group for group in run.results.groups for trial in group.trials}
    return [
        {"trial": t.id, "label": group[t.id].label, "seed": t.seed, "settings": group[t.id].values, "state": t.state}
        | {"reason": t.reason, "seconds": t.seconds, "result": t.result}
        for t in run.trials
    ]


def test_rows_are_what_the_files_say(made_run):
    run = made_run([*TRIALS, ({"lr": 0.1}, 2, None, [])])
    for _ in range(2):  # read, then remembered
        assert trial_rows(run.path, run.path.parent) == as_the_files_say(run)
    (row,) = run_rows(run.path.parent)
    assert (row["run"], row["state"], row["trials"], row["finished"], row["failed"]) == ("made", "finished", 5, 4, 1)
    assert row["seconds"] == pytest.approx(run.seconds)


def test_what_is_remembered_is_not_read_again(made_run, monkeypatch):
    run = made_run(TRIALS)
    rows = trial_rows(run.path, run.path.parent)
    monkeypatch.setattr(results, "StoredTrial", None)
    monkeypatch.setattr(results, "Run", None)
    assert trial_rows(run.path, run.path.parent) == rows


def _result(run):
    run.trials[0].folder.write_result({"values": {"error": 5}})


def _result_gone(run):
    (run.trials[0].folder.path / "result.json").unlink()


def _metrics_cut(run):
    run.trials[0].folder.metrics_file.write_text("")


def _failed(run):
    _result_gone(run)
    run.trials[0].folder.write_state("failed", reason="again")


def _trial_gone(run):
    shutil.rmtree(run.trials[1].folder.path)


def _plan_cut(run):
    run.folder.write(run.facts | {"plan": run.facts["plan"][:1]})


@pytest.mark.parametrize("change", [_result, _result_gone, _metrics_cut, _failed, _trial_gone, _plan_cut])
def test_what_changes_is_read_again(made_run, change):
    run = made_run(TRIALS)
    before = trial_rows(run.path, run.path.parent)
    change(run)
    again = type(run)(run.folder, run.folder.read())
    after = trial_rows(run.path, run.path.parent)
    assert after == as_the_files_say(again) != before


def test_a_running_trial_is_read_every_time(made_run):
    run = made_run([({"lr": 1}, 0, None, [])])
    trial = run.trials[0].folder
    with trial.lock():
        trial.write_state("running")
        assert trial_rows(run.path, run.path.parent)[0]["state"] == "running"
    assert trial_rows(run.path, run.path.parent)[0]["state"] == "interrupted"


@pytest.mark.parametrize("damage", ["garbage", "cut", "version", "no rows", "gone", "a folder"])
def test_an_index_that_is_damaged_is_made_anew(made_run, damage):
    run = made_run(TRIALS)
    rows, home = trial_rows(run.path, run.path.parent), run.path.parent
    file = home / FILE
    match damage:
        case "garbage":
            file.write_bytes(bytes(range(256)) * 40)
        case "cut":
            file.write_bytes(file.read_bytes()[:5000])
        case "version":
            with sqlite3.connect(file) as database:
                database.execute("PRAGMA user_version = 99")
                database.execute("ALTER TABLE trials RENAME COLUMN found TO lost")
        case "no rows":
            with sqlite3.connect(file) as database:
                database.execute("UPDATE trials SET found = '{'")
        case "gone":
            file.unlink()
        case "a folder":
            file.unlink()
            file.mkdir()
    assert trial_rows(run.path, home) == rows
    assert run_rows(home)[0]["finished"] == 4


def test_a_store_that_is_not_to_be_written_is_listed(made_run, monkeypatch):
    run = made_run(TRIALS)
    kept = sqlite3.connect

    def refusing(path, **options):
        if str(path) != ":memory:":
            raise sqlite3.OperationalError("attempt to write a readonly database")
        return kept(path, **options)

    monkeypatch.setattr("sqlite3.connect", refusing)
    assert trial_rows(run.path, run.path.parent) == as_the_files_say(run)
    assert not (run.path.parent / FILE).exists()


def test_a_run_elsewhere_is_listed_and_nothing_is_left_beside_it(tmp_path):
    shutil.copytree(GOLDEN, tmp_path / "elsewhere" / "golden")
    rows = trial_rows(tmp_path / "elsewhere" / "golden", tmp_path / "runs")
    assert [row["state"] for row in rows] == ["finished", "failed", "interrupted", "failed"]
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["golden"]


def test_a_damaged_run_is_listed_as_such(made_run):
    run = made_run(TRIALS)
    trial_rows(run.path, run.path.parent)
    (run.path / "run.json").write_text("{")
    (row,) = run_rows(run.path.parent)
    assert (row["run"], row["state"], row["study"], row["trials"]) == ("made", "damaged", None, 0)
    with pytest.raises(BadInput, match=r"run\.json: not a JSON file"):
        trial_rows(run.path, run.path.parent)


def test_no_runs(tmp_path):
    assert run_rows(tmp_path / "none") == []
    assert not (tmp_path / "none").exists()


def test_numbers_that_are_not_finite_are_kept(made_run):
    run = made_run([({"lr": 1}, 0, {"error": float("inf")}, [])])
    for _ in range(2):
        assert line_of(trial_rows(run.path, run.path.parent)[0]["result"]) == '{"error": "Infinity"}'
