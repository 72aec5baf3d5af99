"""The candidates of `--tune` tried in a process of their own: `python -m underhood.lab.tuning_child`.

Reads the trial as JSON from stdin, and prints what became of the candidates as JSON.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from underhood.errors import UnderhoodError
from underhood.lab.files import line_of, number_back
from underhood.lab.trial import TrialSpec
from underhood.lab.worker import pin_threads
from underhood.training.pipeline import read
from underhood.training.resident import resident
from underhood.training.tune import Tuning, tune


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the coordinator hears a Ctrl-C too, and ends us
    # What a compiler prints must not get between us and the coordinator.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    task = number_back(json.load(sys.stdin))
    try:
        said, code = _try_all(task).to_json(), 0
    except UnderhoodError as error:
        said, code = {"error": str(error)}, error.exit_code
    channel.write(line_of(said))
    channel.close()
    return code


def _try_all(task: dict[str, Any]) -> Tuning:
    spec = TrialSpec.from_json(task["spec"])
    settings: Any = spec.settings
    parts = read(settings.data, task["data"] and Path(task["data"]), spec.seed, settings.dtype)
    parts = resident(parts, settings)
    pin_threads(spec.threads)
    return tune(settings, spec.seed, parts, report=lambda text: print(text, file=sys.stderr, flush=True))


if __name__ == "__main__":
    sys.exit(main())
