"""The candidates of `--tune` tried in a process of their own: `python -m underhood.lab.tuning_child` (child.py)."""

import sys
from pathlib import Path
from typing import Any

from underhood.lab.child import serve
from underhood.lab.trial import TrialSpec
from underhood.lab.worker import pin_threads
from underhood.training.pipeline import read
from underhood.training.resident import resident
from underhood.training.tune import tune


def answer(task: dict[str, Any]) -> dict[str, Any]:
    """What became of the candidates for the trial in the task."""
    spec = TrialSpec.from_json(task["spec"])
    settings: Any = spec.settings
    parts = read(settings.data, task["data"] and Path(task["data"]), spec.seed, settings.dtype)
    parts = resident(parts, settings)
    pin_threads(spec.threads)
    return tune(settings, spec.seed, parts, report=lambda text: print(text, file=sys.stderr, flush=True)).to_json()


if __name__ == "__main__":
    sys.exit(serve(answer))
