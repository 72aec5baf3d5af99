"""The node's side of a trial on Ray, without Ray: what it tells makes the same folder elsewhere."""

import os
import threading

import pytest

from underhood import weights
from underhood.lab import own_networks
from underhood.lab.arrival import files_with, left_for
from underhood.lab.code import code_fingerprint
from underhood.lab.executors import ray_relay
from underhood.lab.executors.mirror import Appended, Dropped, Put, make
from underhood.lab.executors.ray_relay import Relay
from underhood.lab.run_events import TrialEnded, TrialStep
from underhood.lab.store import TrialFolder
from underhood.lab.trial import TrialSpec
from underhood.lab.worker import Task
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings

WALK = """
from pathlib import Path
from beside import ADDED
from underhood.settings import Settings
from underhood.trials import Artefact, Checkpoint, Metric, Result

class Walk(Settings):
    steps: int = 50
    holds: int = -1

def walk(settings, seed, context):
    at = float(context.resume.tensors["at"]) if context.resume else float(seed)
    for step in range(context.resume.state["step"] if context.resume else 0, settings.steps):
        at = at / 2 + ADDED
        yield Metric(step + 1, {"at": at})
        while step == settings.holds and not context.resume and not context.stopping():
            pass
        if context.stopping():
            import numpy as np
            yield Checkpoint({"at": np.array(at)}, {"step": step + 1})
            return
    yield Artefact("at.txt", lambda path: path.write_text(repr(at)))
    yield Result({"at": at, "file": str(Path(__file__)), "cwd": str(Path.cwd())})
"""


@pytest.fixture
def planned(tmp_path, monkeypatch):
    """A task of a user's file, which stands only where it was planned once it has been read; and what goes with it."""
    from underhood.lab.trial import load_file

    there = tmp_path / "planned"
    there.mkdir()
    (there / "walks_elsewhere.py").write_text(WALK)
    (there / "beside.py").write_text("ADDED = 0.25\n")
    module = load_file(there / "walks_elsewhere.py")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def make_task(**settings):
        spec = TrialSpec.of(module.walk, module.Walk(**settings), 3)
        folder = tmp_path / "here" / "trials" / spec.id
        folder.mkdir(parents=True, exist_ok=True)
        return Task(spec.to_json(), folder, code_fingerprint(spec)), files_with(spec)

    yield make_task, there
    os.chdir(tmp_path)


def left_by(task):
    return left_for(TrialSpec.from_json(task.spec), TrialFolder(task.folder))


def heard(relay, task, files, there, at=lambda event: None):
    """All that a relay tells of a trial; the folder is made as it says."""
    try:
        return told_by(relay, task, files, there, at)
    finally:
        relay.end()


def told_by(relay, task, files, there, at=lambda event: None):
    events = []
    for words in relay.run(task.to_json(), left_by(task), files, str(there)):
        for word in words:
            if isinstance(word, Appended | Put | Dropped):
                make(task.folder, word)
            else:
                events.append(word)
                at(word)
    return events


@pytest.mark.processes
def test_a_trial_comes_back_as_if_it_had_run_here(planned, tmp_path):
    make_task, there = planned
    task, files = make_task()
    assert sorted(os.path.basename(name) for name in files) == ["beside.py", "walks_elsewhere.py"]
    for name in files:
        os.rename(name, name + ".gone")
    try:
        events = heard(Relay(), task, files, there)
    finally:
        for name in files:
            os.rename(name + ".gone", name)
    ended = events[-1]
    assert isinstance(ended, TrialEnded)
    assert ended.state == "finished", ended.reason
    folder = TrialFolder(task.folder)
    at = 3.0
    for line in folder.metrics():
        at = at / 2 + 0.25
        assert line["at"] == at
    assert ended.values["at"] == at
    assert (folder.artefacts / "at.txt").read_text() == repr(at)
    assert folder.status()["state"] == "finished"
    assert folder.damage() == ""
    assert folder.identity()["file"] == str(there / "walks_elsewhere.py")  # as it was planned
    assert ended.values["cwd"].endswith(str(there))
    assert ended.values["cwd"] != str(there)
    assert list((tmp_path / f"underhood-{os.getuid()}").iterdir()) == []


@pytest.fixture
def own_network(planned, tmp_path):
    """A task that trains a network in a user's file, kept with its run; the file is gone from where it was planned."""
    nets = tmp_path / "nets" / "nets.py"
    nets.parent.mkdir()
    (nets.parent / "parts.py").write_text("WIDTH = 4\n")
    nets.write_text(
        "from parts import WIDTH\n\n"
        "def Small(nn, inputs, classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, WIDTH), nn.ReLU(), nn.Linear(WIDTH, classes))\n"
    )
    settings = TrainingSettings(network=f"{nets}:Small", data={"name": "digits", "train": 64, "test": 32}, epochs=1)
    spec = TrialSpec.of(train, settings, 0)
    folder = tmp_path / "run" / "trials" / spec.id
    folder.mkdir(parents=True)
    own_networks.keep([spec], tmp_path / "run")
    task = Task(spec.to_json(), folder, code_fingerprint(spec))
    nets.parent.rename(tmp_path / "elsewhere")
    return task, nets


@pytest.mark.processes
def test_a_network_in_a_file_comes_with_its_trial(own_network, tmp_path):
    task, nets = own_network
    spec = TrialSpec.from_json(task.spec)
    assert sorted(map(os.path.basename, left_for(spec, TrialFolder(task.folder)))) == ["nets.py", "parts.py"]
    ended = heard(Relay(), task, files_with(spec), nets.parent)[-1]
    assert ended.state == "finished", ended.reason
    assert TrialFolder(task.folder).identity()["settings"]["network"]["source_file"] == str(nets)  # as it was planned
    assert weights.load(task.folder / "artefacts" / "model.safetensors")["1.weight"].shape == (4, 64)


@pytest.mark.processes
def test_a_network_that_came_as_another_is_not_trained(own_network, tmp_path):
    task, nets = own_network
    (kept,) = (tmp_path / "run" / "networks").glob("*/parts.py")
    kept.write_text("WIDTH = 5\n")
    ended = heard(Relay(), task, {}, nets.parent)[-1]
    assert ended.state == "failed"
    assert f"{os.uname().nodename}: {nets}: is not there any more; nets.py:Small cannot be built" in ended.reason
    assert TrialFolder(task.folder).status()["exit_code"] == 2


@pytest.mark.processes
def test_a_stop_brings_a_checkpoint_and_it_goes_on_elsewhere(planned, tmp_path):
    make_task, there = planned
    task, files = make_task(holds=20)
    relay = Relay()

    def stop(event):
        if isinstance(event, TrialStep):
            threading.Thread(target=relay.stop, args=(event.trial, False)).start()

    events = heard(relay, task, files, there, stop)
    assert events[-1].state == "interrupted"
    assert len(list(task.folder.glob("checkpoint-*"))) == 1
    events = heard(Relay(), task, files, there)
    assert events[-1].state == "finished"
    assert [line["step"] for line in TrialFolder(task.folder).metrics()] == list(range(1, 51))
    assert not list(task.folder.glob("checkpoint-*"))


@pytest.mark.processes
def test_other_code_than_was_planned_is_a_failure_that_names_the_machine(planned):
    make_task, there = planned
    task, files = make_task()
    changed = {name: content.replace(b"0.25", b"0.75") for name, content in files.items()}
    ended = heard(Relay(), task, changed, there)[-1]
    assert ended.state == "failed"
    assert f"{os.uname().nodename}: the code behind the trial is not the coordinator's" in ended.reason
    assert TrialFolder(task.folder).status()["exit_code"] == 2
    assert not (task.folder / "result.json").exists()


def test_what_a_killed_relay_left_is_removed_and_what_one_holds_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with ray_relay._Scratch() as held:
        left = held.with_name("left")
        left.mkdir()
        (left / "file").write_text("x")
        with ray_relay._Scratch() as other:
            assert held.is_dir()
            assert other.is_dir()
            assert not left.exists()
    assert not held.exists()


@pytest.mark.processes
def test_one_relay_serves_trial_after_trial_in_one_worker(planned, tmp_path):
    make_task, there = planned
    relay, folders = Relay(), []
    try:
        for steps in (5, 7):
            task, files = make_task(steps=steps)
            assert told_by(relay, task, files, there)[-1].state == "finished"
            folders.append(TrialFolder(task.folder))
    finally:
        relay.end()
    first, second = (folder.status()["pid"] for folder in folders)
    assert first == second
    assert [len(list(folder.metrics())) for folder in folders] == [5, 7]
    assert list((tmp_path / f"underhood-{os.getuid()}").iterdir()) == []
