"""The store's layout, and a copy of it from the day it was made, which every later version must read."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from underhood.errors import BadInput
from underhood.lab import open_run
from underhood.lab.checkpoints import checkpoint_files, read
from underhood.lab.store import RunFolder, TrialFolder, runs_folder

GOLDEN = Path(__file__).with_name("golden") / "store-1"


# ---- the golden copy


def test_the_golden_copy_is_untouched():
    """A store is not to be changed to suit a new version: the version must read what there is."""
    digest = hashlib.sha256()
    for path in sorted(GOLDEN.rglob("*")):
        if path.is_file() and path.name != "lock":
            digest.update(path.relative_to(GOLDEN).as_posix().encode() + path.read_bytes())
    assert digest.hexdigest()[:16] == "9fd1a7a6b42371ad"


def test_the_golden_copy_is_read():
    run = open_run(GOLDEN)
    assert (run.study, run.scale, run.state, run.exit_code) == ("tiny", "smoke", "failed", 1)
    assert run.command.startswith("underhood run tiny_study.py --scale smoke --set steps=4")
    states = [(trial.settings["fails_at"], trial.seed, trial.state) for trial in run.trials]
    assert states == [(-1, 0, "finished"), (2, 0, "failed"), (-1, 1, "interrupted"), (2, 1, "failed")]

    finished, failed, interrupted, _ = run.trials
    assert finished.id == "19ae84e4af5f"
    assert finished.result["threads"] == 1
    assert finished.metric("train_loss")[1] == 0.1430044937881375
    assert sorted(finished.metric("mean")) == [1, 2, 3, 4]
    assert finished.artefact("at.txt").read_text() == repr(finished.result["at"])
    assert failed.reason == "ArithmeticError: no step 2"
    assert failed.folder.log_tail().splitlines()[-1] == "ArithmeticError: no step 2"
    assert interrupted.result == {}

    saved = read(checkpoint_files(interrupted.folder.path)[-1])
    assert saved.checkpoint.state["step"] == 2
    assert saved.checkpoint.tensors["at"].shape == (3,)
    assert saved.metrics_bytes == interrupted.folder.metrics_file.stat().st_size

    groups = run.results.groups
    assert [group.label for group in groups] == ["fails_at -1", "fails_at 2"]
    assert groups[0].summary("test_error").values == (finished.result["test_error"],)


def test_a_run_from_the_golden_copy_is_gone_on_with(run_tiny, tmp_path):
    """Its finished trial stays, its interrupted one goes on from its checkpoint."""
    shutil.copytree(GOLDEN, tmp_path / "tiny-smoke")
    run, heard = run_tiny("steps=4", "walk.name=plain", changed="keep")
    assert run.trials[0].id in heard[0].finished
    assert run.trials[0].stored_result["finished"].startswith("2026-11-21")
    assert "going on" not in run.trials[1].folder.log_tail().splitlines()[0]
    assert "begins at step 2" in run.trials[1].folder.log_tail()
    assert run.exit_code == 0


@pytest.mark.parametrize("name", ["run.json", "trials/19ae84e4af5f/result.json", "trials/19ae84e4af5f/state.json"])
def test_a_newer_schema_is_refused_by_name(tmp_path, name):
    copy = tmp_path / "copy"
    shutil.copytree(GOLDEN, copy)
    (copy / name).write_text((copy / name).read_text().replace("underhood.store/1", "underhood.store/2"))

    def look():
        trial = open_run(copy).trials[0]
        return trial.state, trial.result

    with pytest.raises(BadInput, match="written by a newer underhood") as caught:
        look()
    assert str(copy / name) in str(caught.value)


# ---- a trial's folder


@pytest.fixture
def trial(tmp_path):
    folder = TrialFolder(tmp_path / "abc")
    folder.path.mkdir()
    return folder


def test_a_trial_that_never_began_waits(trial):
    assert trial.status() == {"state": "waiting", "reason": "", "seconds": 0.0, "attempt": 0, "exit_code": 1}
    assert trial.identity() is None
    assert trial.result() is None
    assert list(trial.metrics()) == []
    assert trial.log_tail() == ""
    assert not trial.has_work()


def test_running_is_what_a_living_worker_does(trial):
    trial.write_state("running")
    assert trial.status()["state"] == "interrupted"
    with trial.lock():
        assert trial.status()["state"] == "running"


def test_a_result_is_the_last_word(trial):
    trial.write_state("running")
    trial.write_result({"values": {}})
    assert trial.status()["state"] == "finished"
    assert trial.has_work()


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({"schema": "underhood.store/1", "state": "resting"}),
        json.dumps({"schema": "underhood.store/1", "state": "finished"}),  # and its result is gone
    ],
)
def test_a_state_that_cannot_be_is_interrupted(trial, content):
    (trial.path / "state.json").write_text(content)
    assert trial.status()["state"] == "interrupted"


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"[1, 2]", b'{"a": 1}', b"null", b'{"schema": "under'])
def test_a_file_that_is_damaged_is_told_and_never_read(trial, content):
    trial.write_state("running")
    trial.write_identity({"settings": {}})
    trial.write_result({"values": {}})
    assert trial.damage() == ""
    (trial.path / "state.json").write_bytes(content)
    assert (trial.damage(), trial.status()["state"]) == ("", "finished")  # the result is the last word
    for name in ("result.json", "trial.json"):
        (trial.path / name).write_bytes(content)
        assert trial.damage().startswith(str(trial.path / name))


def test_metrics_that_are_not_what_they_were_are_damage(trial):
    trial.metrics_file.write_bytes(b'{"step": 1}\n')
    trial.write_result({"values": {}})
    assert trial.damage() == ""
    for content in (b'{"step": 2}\n', b'{"step": 1}\n{"step": 2}\n', b""):
        trial.metrics_file.write_bytes(content)
        assert "is not what it was when the trial finished" in trial.damage()
    trial.metrics_file.unlink()
    assert trial.damage()


def test_a_newer_store_is_refused_not_healed(trial):
    (trial.path / "result.json").write_text(json.dumps({"schema": "underhood.store/9"}))
    with pytest.raises(BadInput, match="newer underhood"):
        trial.damage()


def test_the_logs_tail(trial):
    trial.log("one\ntwo")
    trial.log("three\n")
    assert trial.log_tail(2) == "two\nthree"
    trial.log_file.write_bytes(b"\xff broken\n")
    assert trial.log_tail() == "\ufffd broken"


def test_clearing_leaves_nothing_but_the_lock(trial):
    trial.write_state("running")
    trial.write_result({"values": {}})
    trial.artefacts.mkdir()
    (trial.artefacts / "a").touch()
    with trial.lock():
        trial.clear()
        assert [path.name for path in trial.path.iterdir()] == ["lock"]


# ---- where runs are kept


def test_where_runs_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("UNDERHOOD_RUNS", str(tmp_path))
    assert runs_folder() == tmp_path
    assert runs_folder(Path("mine")) == Path("mine")
    monkeypatch.delenv("UNDERHOOD_RUNS")
    assert runs_folder() == Path("runs")
    monkeypatch.setenv("UNDERHOOD_RUNS", "")
    assert runs_folder() == Path("runs")


def test_a_run_that_never_began(tmp_path):
    assert RunFolder(tmp_path / "none").read() is None
    assert not RunFolder(tmp_path / "none").is_locked()
