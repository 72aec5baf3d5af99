"""A trial's memory predicted, or a tiny one's measured: `python -m underhood.lab.footprint_child`, a fresh process.

Reads the task as JSON from stdin, prints bytes as JSON.
"""

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

from underhood.errors import UnderhoodError
from underhood.lab.files import line_of, number_back
from underhood.lab.trial import TrialSpec
from underhood.lab.worker import pin_threads
from underhood.resident import peak
from underhood.training.learner import NetworkLearner
from underhood.training.loop import train
from underhood.training.pipeline import read
from underhood.training.settings import TrainingSettings
from underhood.trials import Artefact, Context

TINY = {"data": {"name": "digits", "train": 64, "test": 32}, "batch_size": 16, "epochs": 1, "evaluation_batch": 16}


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    task = number_back(json.load(sys.stdin))
    try:
        said, code = (_predicted(task) if "spec" in task else _measured(task["backend"])), 0
    except UnderhoodError as error:
        said, code = {"error": str(error)}, error.exit_code
    channel.write(line_of(said))
    channel.close()
    return code


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
    sys.exit(main())
