"""Saved, loaded in a new process, the same to the last image: a trial's network asked again, and compared.

confirmation = confirm(run.trial("adam", 0))
str(confirmation)     # "loaded in a new process, it reads 352 of 359 test images right, as it did: every class alike"
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from underhood.errors import BadInput, MissingPiece
from underhood.lab.executors.local import worker_environment
from underhood.lab.results import MODEL, StoredTrial
from underhood.training.answers import FILE


@dataclass(frozen=True)
class Confirmation:
    """Of `images` test images, `then` and `now` were read right; `different` have another class now."""

    images: int
    then: int
    now: int
    different: int

    @property
    def same(self) -> bool:
        """Whether every image has the class it had."""
        return self.different == 0

    def __str__(self) -> str:
        said = f"loaded in a new process, it reads {self.now:,} of {self.images:,} test images right"
        if self.same:
            return f"{said}, as it did: every class alike"
        return f"{said}; {self.then:,} were when it was trained, and {self.different:,} have another class"


def confirm(trial: StoredTrial, data: Path | None = None) -> Confirmation:
    """Load what a trial left in a process of its own, with the trial's threads, and evaluate it again.

    `data` is the folder of the data sets, else UNDERHOOD_DATA. BadInput when the trial left no network or no answers,
    or the data are not what they were.
    """
    model, test = trial.artefact(MODEL), trial.artefact(FILE)
    words = [
        sys.executable,
        "-P",
        "-m",
        "underhood.trained.confirm",
        str(model),
        str(test),
        *([str(data)] if data else []),
    ]
    environment = worker_environment(int(trial.settings.get("threads", 1)))
    done = subprocess.run(words, stdout=subprocess.PIPE, env=environment, check=False)
    if not done.stdout:
        raise MissingPiece(f"trial {trial.id}: the process that loaded its network died (exit code {done.returncode})")
    said = json.loads(done.stdout)
    if "error" in said:
        raise (BadInput if done.returncode == BadInput.exit_code else MissingPiece)(said["error"])
    return Confirmation(**said)
