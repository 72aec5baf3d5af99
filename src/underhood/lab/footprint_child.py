"""A trial's memory predicted, or a tiny one's measured: `python -m underhood.lab.footprint_child` (child.py).

What is measured is all that any training of its study takes: Python, what the study's page imports, the library with
the kernels of a common network, and a worker's own part, its checkpoints and the files that a trial leaves.
"""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from underhood.errors import BadInput
from underhood.lab.child import serve
from underhood.lab.run_events import LabEvent, TrialEnded
from underhood.lab.trial import TrialSpec
from underhood.lab.worker import Task, pin_threads, run_trial
from underhood.resident import peak
from underhood.training.learner import NetworkLearner
from underhood.training.loop import train
from underhood.training.pipeline import read
from underhood.training.settings import TrainingSettings
from underhood.trials import Context, Event

TINY = {"data": {"name": "digits", "train": 64, "test": 32}, "batch_size": 16, "epochs": 1, "evaluation_batch": 16}


def answer(task: dict[str, Any]) -> dict[str, Any]:
    """Bytes: of the trial in the task, or of a tiny one of its study."""
    return (_measured if task["tiny"] else _predicted)(task)


def _predicted(task: dict[str, Any]) -> dict[str, Any]:
    from underhood.training.footprint import footprint

    spec = TrialSpec.from_json(task["spec"])
    settings: Any = spec.settings
    pin_threads(spec.threads)
    parts = read(settings.data, task["data"] and Path(task["data"]), spec.seed, settings.dtype)
    return vars(footprint(settings, spec.seed, parts))


def _measured(task: dict[str, Any]) -> dict[str, Any]:
    """The peak of this process after a worker's run of a tiny training, a checkpoint at every step."""
    spec = TrialSpec.from_json(task["spec"])
    spec.load()
    asked: Any = spec.settings
    alike = {key: getattr(asked, key) for key in ("backend", "activation_checkpointing")}
    tiny = TrialSpec("underhood.lab.footprint_child:tiny", TrainingSettings.model_validate(TINY | alike), 0)
    with TemporaryDirectory() as folder:
        whole = Task(tiny.to_json(), Path(folder), "", spec.threads, checkpoint_every=0.0)
        events: list[LabEvent] = []
        run_trial(whole, events.append, lambda: False)
    last = events[-1]
    if isinstance(last, TrialEnded) and last.state != "finished":
        raise BadInput(f"a tiny training on {asked.backend} failed: {last.reason}")
    return {"peak": peak()}


def tiny(settings: TrainingSettings, seed: int, context: Context) -> Iterator[Event]:
    """A training trial of a tiny network."""
    yield from train(settings, seed, context, partial(NetworkLearner, network=_tiny))


def _tiny(nn: Any) -> Any:
    first = (nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2))
    second = (nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Flatten())
    return nn.Sequential(*first, *second, nn.Linear(256, 32), nn.ReLU(), nn.Linear(32, 10))


if __name__ == "__main__":
    sys.exit(serve(answer))
