"""The node's side of a trial on Ray: it runs here as it would on any machine, and what it leaves is told as it comes.

    relay.run(task, left, files, folder)  yields lists of words: a change of the trial's folder (mirror.py), or an event
    relay.stop(kill)

A relay is an actor with one trial. It gives it a folder of this node, with what the trial left before, starts a worker
as on any machine (local.py), and ends with it. It runs no code of the user's, so when it dies its node is to blame.
"""

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from underhood.lab.arrival import put_files
from underhood.lab.executors.local import LocalPool
from underhood.lab.executors.mirror import Change, Mirror
from underhood.lab.locks import is_locked, locked
from underhood.lab.run_events import LabEvent, TrialEnded
from underhood.lab.worker import Task

LOOK = 0.2  # seconds from look to look at the trial's folder
Word = Change | LabEvent


class Relay:
    """One trial on this node."""

    def __init__(self) -> None:
        self.pool = LocalPool(1)
        self.trial = ""
        self.asked = 0  # how often a stop was
        self.lock = threading.Lock()  # a stop comes in a thread of its own

    def run(
        self, told: dict[str, Any], left: Mapping[str, bytes], files: Mapping[str, bytes], folder: str
    ) -> Iterator[list[Word]]:
        """Run the task: `left` is what the trial left before, `files` the user's own, `folder` where the command was
        given.
        """
        with ExitStack() as stack:
            scratch = stack.enter_context(_Scratch())
            for name, content in left.items():
                path = scratch / "trial" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            put_files(files, scratch / "files")
            at = (scratch / "files").joinpath(*Path(folder).parts[1:])
            at.mkdir(parents=True, exist_ok=True)
            os.chdir(at)
            task = Task.from_json(told)
            data = task.data if task.data is not None and task.data.is_dir() else None  # else this node's own
            task = replace(task, folder=scratch / "trial", files=scratch / "files", data=data)
            task.folder.mkdir(exist_ok=True)
            stack.callback(self.pool.close)
            yield from self._words(task)

    def _words(self, task: Task) -> Iterator[list[Word]]:
        mirror = Mirror.of(task.folder)
        with self.lock:
            self.trial = task.trial
            self.pool.submit(task)
            if self.asked:
                self.pool.cancel(task.trial, kill=self.asked > 1)
        ended = False
        while not ended:
            events = list(self.pool.events(LOOK))
            ended = any(isinstance(event, TrialEnded) for event in events)
            if words := [*mirror.changes(), *events]:
                yield words

    def stop(self, kill: bool) -> None:
        """Ask the trial to stop with a checkpoint at its next step, or end its process."""
        with self.lock:
            self.asked = 2 if kill else 1
            if self.trial:
                self.pool.cancel(self.trial, kill=kill)

    def lost(self) -> int:
        """The process that would have to be killed for the trial to be lost: for tests."""
        return os.getpid()


class _Scratch:
    """A folder of this node for one trial. Those of relays that were killed are removed with it."""

    def __init__(self) -> None:
        self.home = Path(tempfile.gettempdir()) / f"underhood-{os.getuid() if hasattr(os, 'getuid') else 0}"
        self.held = ExitStack()

    def __enter__(self) -> Path:
        self.home.mkdir(exist_ok=True)
        for left in self.home.iterdir():
            if left.is_dir() and not is_locked(left / "lock") and not is_locked(left / "trial" / "lock"):
                shutil.rmtree(left, ignore_errors=True)
        self.path = Path(tempfile.mkdtemp(dir=self.home))
        self.held.enter_context(locked(self.path / "lock"))
        return self.path

    def __exit__(self, *_: object) -> None:
        self.held.close()
        shutil.rmtree(self.path, ignore_errors=True)
