"""A disk that is full, or not ours to write: one clear line with the path and the next step; what is there stays."""

import contextlib
import errno
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import STUDY
from tests.in_process import InProcess, trials_in_process
from underhood.cli import main
from underhood.errors import BadInput, MissingPiece, disk_error
from underhood.lab import How, checkpoints, open_run, run_study
from underhood.lab.files import read_json, write_json
from underhood.lab.index import trial_rows
from underhood.lab.store import runs_folder
from underhood.trials import Checkpoint


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 300 kB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path, leave: int = 0) -> Path:
    """Take all the room but `leave` bytes."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    os.truncate(filler, max(0, filler.stat().st_size - leave))
    return filler


def test_a_file_is_replaced_whole_or_not_at_all(small_disk):
    write_json(small_disk / "run.json", {"a": 1})
    filler = fill(small_disk)
    with pytest.raises(OSError, match="No space left") as caught:
        write_json(small_disk / "run.json", {"a": "x" * 10_000})
    assert caught.value.filename == str(small_disk / "run.json")
    assert read_json(small_disk / "run.json")["a"] == 1
    assert not list(small_disk.glob(".*.tmp"))
    filler.unlink()
    write_json(small_disk / "run.json", {"a": 2})
    assert read_json(small_disk / "run.json")["a"] == 2


def test_a_checkpoint_that_finds_no_room_leaves_the_last(small_disk, monkeypatch):
    monkeypatch.setattr(checkpoints, "SPARE", 0)
    first = checkpoints.save(small_disk, Checkpoint({"at": np.ones(100)}, {"step": 1}), 0)
    fill(small_disk, leave=8192)
    monkeypatch.setattr(checkpoints, "_check_room", lambda folder, needed: None)  # another process took it meanwhile
    with pytest.raises(checkpoints.NoRoomError, match="No space left"):
        checkpoints.save(small_disk, Checkpoint({"at": np.ones(10_000)}, {"step": 2}), 0)
    saved, notes = checkpoints.latest(small_disk, 0)
    assert (saved.checkpoint.state["step"], notes) == (1, [])
    assert checkpoints.checkpoint_files(small_disk) == [first]


def test_a_trial_whose_metrics_find_no_room_has_failed_for_that_and_goes_on_later(small_disk, tiny):
    how = How(runs=small_disk, executor=InProcess)
    filler = small_disk / "filler"

    def full(event):
        if type(event).__name__ == "RunStarted":
            fill(small_disk, leave=40_000)

    with pytest.raises(OSError, match="No space left") as caught:  # nor has its state any
        run_study(tiny.study, "smoke", ["walk.name=plain", "steps=2000"], 1, How(**vars(how) | {"listener": full}))
    said = disk_error(caught.value)
    assert isinstance(said, MissingPiece)
    assert str(small_disk) in str(said)
    assert "Make room" in str(said)
    filler.unlink()
    run = run_study(tiny.study, "smoke", ["walk.name=plain", "steps=100"], 1, how)
    assert run.exit_code == 0
    assert [line["step"] for line in run.trials[0].metrics] == list(range(1, 101))


def test_metrics_that_find_no_room_are_a_reason_with_its_path_and_next_step(run_tiny, monkeypatch):
    def full(recorder, metric):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as a file that is open says it

    monkeypatch.setattr("underhood.lab.worker._Recorder._metric", full)
    run, _ = run_tiny("walk.name=plain", seeds=1, executor=InProcess)
    (trial,) = run.trials
    assert trial.state == "failed"
    assert trial.reason.startswith(f"{trial.folder.path}: No space left on device. Make room")
    assert run.exit_code == 3


def test_a_report_that_finds_no_room_is_told(small_disk, capfd):
    study = small_disk.parent / "descent.py"
    study.write_text(STUDY)
    with trials_in_process():
        assert main(["run", str(study), "--scale", "smoke", "--runs", str(small_disk.parent / "runs")]) == 0
    fill(small_disk)
    capfd.readouterr()
    home = small_disk.parent / "runs"
    status = main(["report", "descent-smoke", "--runs", str(home), "--out", str(small_disk)])
    said = capfd.readouterr().err
    assert status == 3
    assert said.count("\n") == 1
    assert "No space left on device. Make room" in said
    assert str(small_disk) in said


def test_a_store_that_is_not_ours_to_write_is_read(made_run, monkeypatch):
    run = made_run([({"lr": 1}, 0, {"error": 1.0}, [{"step": 1, "loss": 1.0}])])
    for path in [*run.path.rglob("*"), run.path, run.path.parent]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert open_run(run.path).results.groups[0].summary("error").mean == 1.0
        assert trial_rows(run.path, run.path.parent)[0]["state"] == "finished"
    finally:
        for path in [run.path.parent, run.path, *run.path.rglob("*")]:
            path.chmod(0o755)


@pytest.mark.parametrize(
    ("number", "kind", "said"),
    [
        (errno.ENOSPC, MissingPiece, "Make room"),
        (errno.EDQUOT, MissingPiece, "Make room"),
        (errno.EROFS, MissingPiece, "yours to write"),
        (errno.EACCES, MissingPiece, "yours to write"),
        (errno.ENOTDIR, BadInput, "Name another path"),
        (errno.EIO, type(None), "None"),
    ],
)
def test_what_a_disk_refuses_is_said_with_the_path(number, kind, said):
    error = disk_error(OSError(number, os.strerror(number)), "runs/x")
    assert isinstance(error, kind)
    assert said in str(error)
    assert error is None or str(error).startswith("runs/x: ")


def test_a_file_where_the_folder_of_runs_should_be(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="file: is a file; the folder of runs is expected"):
        runs_folder(tmp_path / "file")
    monkeypatch.setenv("UNDERHOOD_RUNS", str(tmp_path / "file"))
    with pytest.raises(BadInput, match="is a file"):
        runs_folder()
