"""kill −9 at random moments of a training, gone on with each time: the final weights are the undisturbed run's."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from underhood.lab.executors.local import worker_environment
from underhood.lab.files import read_lines
from underhood.lab.store import TrialFolder
from underhood.lab.trial import TrialSpec
from underhood.lab.worker import Task
from underhood.training.loop import CLOCKED, train
from underhood.training.settings import TrainingSettings

WORK = "import json, sys; from underhood.lab.worker import Task, run_trial; "
WORK += "run_trial(Task.from_json(json.loads(sys.argv[1])), lambda event: None, lambda: False)"


@pytest.fixture
def pictures(tmp_path):
    """320 images to learn from: noise, with one channel brighter, which is the class."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 400)
    images = rng.integers(0, 200, (400, 32, 32, 3)).astype(np.uint8)
    for label in range(3):
        images[labels == label, :, :, label] += 20
    np.savez(tmp_path / "pictures.npz", images=images, labels=labels)
    return str(tmp_path / "pictures.npz")


def settings(pictures, backend, epochs):
    """What has state of every kind: momentum, running statistics, an average, draws of every epoch."""
    return TrainingSettings(
        network={"name": "speed-net", "widths": [8, 12, 16]},
        data={"name": pictures, "validation": 0.1, "augmentation": [{"name": "crop", "padding": 2}, "flip"]},
        optimizer={"name": "sgd", "lr": 0.05, "momentum": 0.9},
        schedule="one-cycle",
        averaging={"name": "ema", "decay": 0.95},
        batch_size=16,
        epochs=epochs,
        log_every=5,
        weights="best",
        backend=backend,
    )


def start(spec, folder, every):
    task = Task(spec.to_json(), folder, "c0de", checkpoint_every=every)
    return subprocess.Popen([sys.executable, "-c", WORK, json.dumps(task.to_json())], env=worker_environment(1))


def last_step(folder):
    return max((line["step"] for line in read_lines(folder / "metrics.jsonl")), default=-1)


def killed(spec, folder, moments, rng):
    """Start the trial, kill it when it has come to a step of `moments` and a little further, and go on, to the end."""
    kills = []
    for moment in moments:
        process = start(spec, folder, every=0.02)
        while process.poll() is None and last_step(folder) < moment:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.05))
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills.append(last_step(folder))
        assert process.wait() == -signal.SIGKILL
    assert start(spec, folder, every=60).wait() == 0
    return kills


def left(folder):
    """Hashes of what it trained and of its answers, its metrics and result but for the clock."""
    trial = TrialFolder(folder)
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in trial.artefacts.iterdir()}
    metrics = [{k: v for k, v in line.items() if k not in CLOCKED} for line in trial.metrics()]
    return files, metrics, {k: v for k, v in trial.result()["values"].items() if k not in CLOCKED}


def same_after_kills(tmp_path, pictures, backend, epochs, times):
    spec = TrialSpec.of(train, settings(pictures, backend, epochs), 0)
    assert start(spec, tmp_path / "whole", every=60).wait() == 0
    steps, rng = 20 * epochs * 9 // 10, random.Random(times)
    moments = sorted(rng.randrange(steps - 10) for _ in range(times))
    kills = killed(spec, tmp_path / "killed", moments, rng)
    assert len(kills) == times
    files, metrics, result = left(tmp_path / "killed")
    assert "model.safetensors" in files
    assert (files, metrics, result) == left(tmp_path / "whole")
    return kills, files["model.safetensors"]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["underhood", "torch"])
def test_two_kills_change_nothing(tmp_path, pictures, backend):
    same_after_kills(tmp_path, pictures, backend, epochs=5, times=2)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["underhood", "torch"])
def test_twenty_kills_change_nothing(tmp_path, pictures, backend):
    kills, weights = same_after_kills(tmp_path, pictures, backend, epochs=40, times=20)
    print(f"{backend}: killed at about step {', '.join(map(str, kills))} of 720; weights {weights}")
