"""Choices by validation: which epoch's weights are the best, and when to stop.

    best       the earliest evaluation whose watched value no later one is below
    enough     when the last `patience` evaluations brought nothing better
    reached    when one read at least the fraction `goal` of the images right

Both follow from the list of what was found so far, so a resumed trial chooses as an uninterrupted one. The test set
has no part in it. A value that is no number is never better.

Source: Prechelt 1998, "Early stopping — but when?".
"""

from dataclasses import dataclass
from math import isnan
from typing import Literal

ROUNDING = 1e-9  # far below one image
Watched = Literal["validation_error", "validation_loss"]


@dataclass(frozen=True)
class Found:
    """What one evaluation found on the validation images."""

    epoch: int
    validation_loss: float
    validation_error: float


def watched(found: list[Found], watch: Watched) -> list[float]:
    """The value that choices are made by, of each evaluation."""
    return [getattr(each, watch) for each in found]


def best(values: list[float]) -> int | None:
    """Which evaluation was the best; None when there was none."""
    index = None
    for i, value in enumerate(values):
        if not isnan(value) and (index is None or value < values[index]):
            index = i
    return index


def enough(values: list[float], patience: int) -> bool:
    """Whether the last `patience` evaluations were no better than the best before them; 0 waits for ever."""
    index = best(values)
    return patience > 0 and len(values) - 1 - (-1 if index is None else index) >= patience


def reached(found: list[Found], goal: float) -> bool:
    """Whether an evaluation had at least the accuracy `goal`; 0 is no goal."""
    return goal > 0 and any(at_least(each.validation_error, goal) for each in found)


def at_least(error: float, goal: float) -> bool:
    """Whether the accuracy 1 − error is `goal` or more, as decimals have it: 1 − 0.06 is 0.94."""
    return error <= 1 - goal + ROUNDING
