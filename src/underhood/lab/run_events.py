"""What a listener hears while a study runs.

    run_study(study, "quick", how=How(listener=print))

The coordinator calls the listener from one thread, in the order in which things happened:

    Tuned*  RunStarted  (TrialStarted  (TrialStep | TrialNote)*  TrialEnded | Warned)*  RunEnded

Several trials may be under way at once; every event of a trial carries its id. Steps are thinned to a few a
second per trial: a listener draws, the store keeps everything.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

TrialState = Literal["waiting", "running", "finished", "failed", "interrupted"]


@dataclass(frozen=True)
class RunStarted:
    """The plan stands. `labels` names every trial of it by id, `finished` are those that need no work."""

    run: str
    path: Path
    labels: dict[str, str]
    finished: tuple[str, ...]
    parallel: int
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialStarted:
    """A worker took the trial up; `step` is where it goes on, 0 for a new one."""

    trial: str
    step: int = 0
    attempt: int = 1


@dataclass(frozen=True)
class TrialStep:
    """The trial's latest metrics."""

    trial: str
    step: int
    values: dict[str, float]


@dataclass(frozen=True)
class TrialNote:
    """A line the trial wrote to its log."""

    trial: str
    text: str


@dataclass(frozen=True)
class TrialEnded:
    """The trial left its worker: finished with `values`, failed with `reason`, interrupted, or, when it failed
    and will be tried again, waiting.
    """

    trial: str
    state: TrialState
    seconds: float
    values: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    log_tail: str = ""


@dataclass(frozen=True)
class Tuned:
    """What was chosen to compute some trials with, and the table that says why; before the plan stands."""

    text: str
    table: str


@dataclass(frozen=True)
class Warned:
    """Something the reader of the results should know; it is kept in the run too."""

    text: str


@dataclass(frozen=True)
class RunEnded:
    """How many trials are in which state, what to say about it, and the exit code it comes to."""

    counts: dict[TrialState, int]
    text: str
    exit_code: int


LabEvent = Tuned | RunStarted | TrialStarted | TrialStep | TrialNote | TrialEnded | Warned | RunEnded
Listener = Callable[[LabEvent], None]


def nobody(event: LabEvent) -> None:
    """The listener that doesn't listen."""
