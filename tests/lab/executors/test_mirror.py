"""A trial's folder kept alike elsewhere: whole after every change, and the same in the end."""

import hashlib
import json
import threading

import numpy as np
import pytest

from underhood.lab import checkpoints
from underhood.lab.executors.mirror import Appended, Dropped, Mirror, Put, files_of, make
from underhood.lab.store import TrialFolder
from underhood.lab.trial import TrialSpec
from underhood.lab.worker import Task, run_trial


@pytest.fixture
def folders(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "here").mkdir()
    return tmp_path / "there", tmp_path / "here"


def content(folder):
    return {name: path.read_bytes() for name, path in files_of(folder)}


def brought(mirror, here):
    changes = list(mirror.changes())
    for change in changes:
        make(here, change)
    return changes


def test_what_grows_what_is_replaced_and_what_goes(folders):
    there, here = folders
    mirror = Mirror(there)
    (there / "metrics.jsonl").write_bytes(b"one\n")
    (there / "state.json").write_bytes(b"1")
    (there / "artefacts").mkdir()
    (there / "artefacts" / "a.txt").write_bytes(b"a")
    (there / "lock").write_bytes(b"not yours")
    (there / ".state.json.7.tmp").write_bytes(b"half")
    assert brought(mirror, here) == [
        Appended("metrics.jsonl", 0, b"one\n"),
        Put("artefacts/a.txt", b"a"),
        Put("state.json", b"1"),
    ]
    assert brought(mirror, here) == []
    with (there / "metrics.jsonl").open("ab") as file:
        file.write(b"two\n")
    (there / "artefacts" / "a.txt").unlink()
    assert brought(mirror, here) == [Appended("metrics.jsonl", 4, b"two\n"), Dropped("artefacts/a.txt")]
    (there / "metrics.jsonl").write_bytes(b"one\n")  # gone on with from an earlier checkpoint
    assert brought(mirror, here) == [Appended("metrics.jsonl", 4, b"")]
    assert content(here) == content(there)


def test_what_was_there_before_is_not_told(folders):
    there, here = folders
    for folder in folders:
        (folder / "metrics.jsonl").write_bytes(b"one\n")
        (folder / "trial.json").write_bytes(b"{}")
    mirror = Mirror.of(there)
    assert brought(mirror, here) == []
    with (there / "metrics.jsonl").open("ab") as file:
        file.write(b"two\n")
    assert brought(mirror, here) == [Appended("metrics.jsonl", 4, b"two\n")]


@pytest.mark.parametrize("name", ["../elsewhere", "/etc/elsewhere"])
def test_nothing_is_written_outside(folders, name):
    with pytest.raises(ValueError, match="outside the trial's folder"):
        make(folders[1], Put(name, b""))


def test_a_hole_in_what_grows_is_an_error(folders):
    with pytest.raises(ValueError, match="has lost what was written"):
        make(folders[1], Appended("metrics.jsonl", 5, b"x"))


def test_at_every_moment_the_copy_can_be_gone_on_with(folders, tiny):
    """A trial runs while its folder is copied: each copy's newest checkpoint fits the metrics, and so does a result."""
    there, here = folders
    spec = TrialSpec.of(tiny.walk, tiny.TinySettings(steps=400), 3)
    task = Task(spec.to_json(), there, "c0de", checkpoint_every=0.002)
    trial = threading.Thread(target=run_trial, args=(task, lambda event: None, lambda: False))
    mirror, seen = Mirror(there), 0
    trial.start()
    over = False
    while not over:
        over = not trial.is_alive()
        for change in mirror.changes():
            make(here, change)
            metrics = here / "metrics.jsonl"
            length = metrics.stat().st_size if metrics.exists() else 0
            for file in checkpoints.checkpoint_files(here):
                assert checkpoints.read(file).metrics_bytes <= length
                seen += 1
            if (result := TrialFolder(here).result()) is not None:
                digest = {"bytes": length, "sha256": hashlib.sha256(metrics.read_bytes()).hexdigest()}
                assert result["metrics"] == digest
    trial.join()
    assert seen
    assert content(here) == content(there)
    assert TrialFolder(here).status()["state"] == "finished"
    assert json.loads((here / "trial.json").read_text())["id"] == spec.id
    assert np.isfinite(TrialFolder(here).result()["values"]["test_error"])
