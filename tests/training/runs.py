"""A training in this process, whole or interrupted, and what of two trainings is compared."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from underhood.training.loop import CLOCKED, train
from underhood.training.settings import TrainingSettings
from underhood.trials import Checkpoint, Context, Event, Metric

Trial = Callable[[Any, int, Context], Iterator[Event]]


def run(
    chosen: TrainingSettings,
    seed: int = 0,
    stop_after: int | None = None,
    resume: Checkpoint | None = None,
    trial: Trial = train,
) -> list[Event]:
    """All events; `stop_after` steps the trial is told to stop."""
    steps = 0

    def stopping() -> bool:
        nonlocal steps
        steps += 1
        return stop_after is not None and steps > stop_after

    return list(trial(chosen, seed, Context(resume=resume, stopping=stopping)))


def measured(events: Sequence[Event]) -> list[tuple[int, dict[str, float]]]:
    """Every metric but the clock's."""
    return [(e.step, {k: v for k, v in e.values.items() if k not in CLOCKED}) for e in events if isinstance(e, Metric)]


def in_parts(
    chosen: TrainingSettings, stops: Sequence[int], trial: Trial = train
) -> tuple[list[tuple[int, dict[str, float]]], list[Event]]:
    """A trial stopped after so many steps, and gone on with each time from its checkpoint: all that it measured, and
    the events of its last part.
    """
    found, resume = [], None
    for before, at in pairwise((0, *stops)):
        part = run(chosen, stop_after=at - before, resume=resume, trial=trial)
        assert isinstance(part[-1], Checkpoint)
        resume = part[-1]
        found += measured(part)
    last = run(chosen, resume=resume, trial=trial)
    return found + measured(last), last
