"""A few steps of a trial's training, timed: `python -m underhood.lab.timing_child` (child.py)."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from underhood.errors import BadInput
from underhood.lab.child import serve
from underhood.lab.trial import TrialSpec
from underhood.lab.worker import pin_threads
from underhood.training.backends import backend_of
from underhood.training.pipeline import Parts, read
from underhood.training.resident import resident
from underhood.training.timing import pace


def answer(task: dict[str, Any]) -> dict[str, Any]:
    """The pace of the trial in the task; importing its libraries is no part of it."""
    spec = TrialSpec.from_json(task["spec"])
    settings: Any = spec.settings
    backend_of(settings)
    pin_threads(spec.threads)
    data = task["data"] and Path(task["data"])

    def parts() -> Parts:
        return resident(read(settings.data, data, spec.seed, settings.dtype), settings)

    try:
        return asdict(pace(settings, spec.seed, parts))
    except RuntimeError as error:
        raise BadInput(f"its steps can't be taken: {error}") from error


if __name__ == "__main__":
    sys.exit(serve(answer))
