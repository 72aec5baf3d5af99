"""A trial's memory predicted, or a tiny one's measured: `python -m underhood.lab.footprint_child` (child.py)."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

from underhood.lab.child import serve
from underhood.lab.trial import TrialSpec
from underhood.lab.worker import pin_threads
from underhood.resident import peak
from underhood.training.learner import NetworkLearner
from underhood.training.loop import train
from underhood.training.pipeline import read
from underhood.training.settings import TrainingSettings
from underhood.trials import Artefact, Context

TINY = {"data": {"name": "digits", "train": 64, "test": 32}, "batch_size": 16, "epochs": 1, "evaluation_batch": 16}


def answer(task: dict[str, Any]) -> dict[str, Any]:
    """Bytes: of the trial in the task, or of a tiny one on the task's back end."""
    return _predicted(task) if "spec" in task else _measured(task["backend"])


def _predicted(task: dict[str, Any]) -> dict[str, Any]:
    from underhood.training.footprint import footprint

    spec = TrialSpec.from_json(task["spec"])
    settings: Any = spec.settings
    pin_threads(spec.threads)
    parts = read(settings.data, task["data"] and Path(task["data"]), spec.seed, settings.dtype)
    return vars(footprint(settings, spec.seed, parts))


def _measured(backend: str) -> dict[str, Any]:
    """The peak of this process after a training of a tiny network with the kernels of a common one."""
    settings = TrainingSettings.model_validate(TINY | {"backend": backend})
    for event in train(settings, 0, Context(), partial(NetworkLearner, network=_tiny)):
        if isinstance(event, Artefact):
            continue
    return {"peak": peak()}


def _tiny(nn: Any) -> Any:
    first = (nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2))
    second = (nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.Flatten())
    return nn.Sequential(*first, *second, nn.Linear(256, 32), nn.ReLU(), nn.Linear(32, 10))


if __name__ == "__main__":
    sys.exit(serve(answer))
