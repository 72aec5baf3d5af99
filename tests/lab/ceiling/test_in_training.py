"""The ceiling strikes in the middle of a training: its checkpoint stays, and it goes on as if undisturbed."""

import sys
import time
from dataclasses import replace

import pytest

from underhood.lab.checkpoints import checkpoint_files
from underhood.lab.executors.local import LocalPool
from underhood.lab.run_events import TrialEnded, TrialStarted
from underhood.lab.store import TrialFolder
from underhood.lab.trial import TrialSpec, load_file
from underhood.lab.worker import Task
from underhood.training.settings import TrainingSettings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")

# Memory is asked for and never touched: it is the data-segment limit that refuses it, and costs nothing without one.
TRIAL = """
import importlib
from underhood.training.learner import NetworkLearner
from underhood.training.loop import train

class Greedy(NetworkLearner):
    def step(self, x, t):
        if self.number == 7:
            empty = importlib.import_module("torch" if self.back.name == "torch" else "numpy").empty
            empty((1 << 28,))
        return super().step(x, t)

def greedy(settings, seed, context):
    yield from train(settings, seed, context, Greedy)
"""


@pytest.fixture
def attempt(tmp_path):
    file = tmp_path / "greedy_trial.py"
    file.write_text(TRIAL)
    module, pool = load_file(file), LocalPool(1)

    def run(name, backend, limit):
        given = {"data": {"name": "digits", "train": 160, "test": 40}, "batch_size": 16, "epochs": 1}
        spec = TrialSpec.of(module.greedy, TrainingSettings(**given, backend=backend), 0)
        folder = TrialFolder(tmp_path / name)
        pool.submit(replace(Task(spec=spec.to_json(), folder=folder.path, code="c0de"), memory_limit=limit))
        heard, deadline = [], time.monotonic() + 120
        while not any(isinstance(event, TrialEnded) for event in heard):
            assert time.monotonic() < deadline, heard
            heard += pool.events(timeout=1.0)
        return folder, heard

    yield run
    pool.close()


@pytest.mark.parametrize("backend", ["underhood", pytest.param("torch", marks=pytest.mark.slow)])
def test_its_checkpoint_is_kept_and_it_goes_on_from_there(attempt, backend):
    folder, heard = attempt("struck", backend, 10**9)
    assert heard[-1].state == "failed"
    assert "its memory limit of 1,000.0 MB was reached" in heard[-1].reason
    assert "Its checkpoint is kept: with a higher --memory-limit it goes on from there" in heard[-1].reason
    assert checkpoint_files(folder.path)
    assert folder.result() is None

    folder, heard = attempt("struck", backend, None)
    assert next(event.step for event in heard if isinstance(event, TrialStarted)) > 0
    assert heard[-1].state == "finished", heard[-1].reason
    undisturbed, _ = attempt("undisturbed", backend, None)
    weights = [each.artefacts / "model.safetensors" for each in (folder, undisturbed)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
