"""The node's side of trials on Ray: one runs here as it would on any machine, and what it leaves is told as it comes.

    relay.run(task, left, files, folder)  yields lists of words: a change of the trial's folder (mirror.py), or an event
    relay.stop(trial, kill)
    relay.end()

A relay is an actor for one trial after the other. Its folder on this node is as the run's: it has what the trial left
before, and whatever else of the run it goes on from. The trial is run by a worker as on any machine (local.py), which
ends with the relay. The relay runs no code of the user's, so when it dies its node is to blame.
"""

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from underhood.lab.arrival import settled
from underhood.lab.executors.local import LocalPool
from underhood.lab.executors.mirror import Change, Mirror
from underhood.lab.locks import is_locked, locked
from underhood.lab.run_events import LabEvent, TrialEnded
from underhood.lab.worker import Task

TRIALS = "trials"  # the folder of this name has theirs
LOOK = 0.2  # seconds from look to look at the trial's folder
Word = Change | LabEvent


class Relay:
    """Trials on this node, one at a time."""

    def __init__(self) -> None:
        self.pool = LocalPool(1)
        self.scratch = _Scratch()
        self.home = self.scratch.__enter__()
        self.trial = ""
        self.asked: dict[str, bool] = {}  # which trials are to stop, and whether at once
        self.lock = threading.Lock()  # a stop comes in a thread of its own

    def run(
        self, told: dict[str, Any], left: Mapping[str, bytes], files: Mapping[str, bytes], folder: str
    ) -> Iterator[list[Word]]:
        """Run the task: `left` is what the run's folder has for it, by path, `files` are the user's own, and `folder`
        is where the command was given.
        """
        task = settled(Task.from_json(told), files, left, folder, self.home)
        try:
            yield from self._words(task)
        finally:
            shutil.rmtree(task.folder, ignore_errors=True)

    def _words(self, task: Task) -> Iterator[list[Word]]:
        mirror = Mirror.of(task.folder)
        with self.lock:
            self.trial = task.trial
            self.pool.submit(task)
            if task.trial in self.asked:
                self.pool.cancel(task.trial, kill=self.asked[task.trial])
        ended = False
        while not ended:
            events = list(self.pool.events(LOOK))
            ended = any(isinstance(event, TrialEnded) for event in events)
            if ended:
                with self.lock:
                    self.trial = ""
                    self.asked.pop(task.trial, None)
            if words := [*mirror.changes(), *events]:
                yield words

    def stop(self, trial: str, kill: bool) -> None:
        """Ask the trial to stop with a checkpoint at its next step, or end its process."""
        with self.lock:
            self.asked[trial] = kill
            if self.trial == trial:
                self.pool.cancel(trial, kill=kill)

    def end(self) -> None:
        """Leave nothing on this node."""
        self.pool.close()
        self.scratch.__exit__()


class _Scratch:
    """A folder of this node for one relay. Those of relays that were killed are removed by the next one."""

    def __init__(self) -> None:
        self.home = Path(tempfile.gettempdir()) / f"underhood-{os.getuid() if hasattr(os, 'getuid') else 0}"
        self.held = ExitStack()

    def __enter__(self) -> Path:
        self.home.mkdir(exist_ok=True)
        for left in self.home.iterdir():
            if left.is_dir() and not any(map(is_locked, [left / "lock", *left.glob(f"{TRIALS}/*/lock")])):
                shutil.rmtree(left, ignore_errors=True)
        self.path = Path(tempfile.mkdtemp(dir=self.home))
        self.held.enter_context(locked(self.path / "lock"))
        return self.path

    def __exit__(self, *_: object) -> None:
        self.held.close()
        shutil.rmtree(self.path, ignore_errors=True)
