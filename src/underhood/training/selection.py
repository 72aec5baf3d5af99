"""Choices by validation: which epoch's weights are the best, and when to give up waiting for better ones.

    best    the earliest evaluation whose watched value no later one is below
    stop    when the last `patience` evaluations brought nothing better

Both follow from the list of what was found so far, so a resumed trial chooses as an uninterrupted one. The test set
has no part in it. A value that is no number is never better.

Source: Prechelt 1998, "Early stopping — but when?".
"""

from dataclasses import dataclass
from math import isnan
from typing import Literal

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
