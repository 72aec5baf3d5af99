"""What a trial tells while it runs, and what it is handed.

A trial is a function of settings and one seed that yields events:

    def trial(settings, seed, context):
        for step in …:
            yield Metric(step, {"train_loss": 0.31})
            if context.stopping():
                yield Checkpoint(tensors, state)
                return  # to be called again with what was yielded
        yield Result({"test_error": 0.0171})

A trial that ends without a Result was interrupted; one that raises has failed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Metric:
    """Numbers measured at one step. Losses are means per image, errors and accuracies fractions in [0, 1]."""

    step: int
    values: dict[str, float]


@dataclass(frozen=True)
class Note:
    """A line for the reader of the log: what was chosen and why."""

    text: str


@dataclass(frozen=True)
class Artefact:
    """A file that the trial leaves in its folder: `write` is handed the path."""

    name: str
    write: Callable[[Path], None]


@dataclass(frozen=True)
class Checkpoint:
    """All that a trial needs to go on: arrays by name, and a small JSON-able state beside them."""

    tensors: dict[str, np.ndarray]
    state: dict[str, Any]


@dataclass(frozen=True)
class Result:
    """The trial's last word: JSON-able values by name. `diverged` is a result, not a failure."""

    values: dict[str, Any]


Event = Metric | Note | Artefact | Checkpoint | Result


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Context:
    """How a trial runs here: nothing in it may change a number."""

    data: Path | None = None
    resume: Checkpoint | None = None
    stopping: Callable[[], bool] = field(default=_never)
    checkpoint_due: Callable[[], bool] = field(default=_never)


Trial = Callable[[Any, int, Context], Iterator[Event]]
