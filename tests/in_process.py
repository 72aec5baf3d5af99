"""Trials in the tests' own process: a worker starts for two or three seconds before it has done anything."""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from underhood.cores import usable_cores
from underhood.lab import How, run_events
from underhood.lab.files import line_of, number_back
from underhood.lab.run_events import LabEvent
from underhood.lab.worker import Task, run_trial


class InProcess:
    """An executor without processes: a trial is run when its events are asked for.

    Tasks and events go through the text that a pipe would carry. A memory limit would hold the tests' own process, with
    whatever the tests before have left in it, so there is none here.
    """

    def __init__(self, size: int) -> None:
        self.waiting: list[Task] = []

    def cores(self) -> int:
        return usable_cores()

    def memory(self) -> None:
        """One after the other: it is no question."""

    def submit(self, task: Task) -> None:
        task = Task.from_json(_through_a_pipe(task.to_json()))
        self.waiting.append(dataclasses.replace(task, memory_limit=None))

    def events(self, timeout: float) -> Iterator[LabEvent]:
        while self.waiting:
            heard: list[LabEvent] = []
            run_trial(self.waiting.pop(0), heard.append, lambda: False)
            for event in heard:
                yield getattr(run_events, type(event).__name__)(**_through_a_pipe(dataclasses.asdict(event)))

    def cancel(self, trial: str, *, kill: bool = False) -> None:
        """Nothing is under way between two events."""

    def close(self) -> None:
        """There is nothing to close."""


def _through_a_pipe(word: dict[str, Any]) -> dict[str, Any]:
    return number_back(json.loads(line_of(word)))


@contextmanager
def trials_in_process() -> Iterator[None]:
    """Let `underhood.run` and the command `run` do their trials here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("underhood.service.running.How", partial(How, executor=InProcess))
        yield
