"""The passes of two networks that are compared: as they stand, in the other mode, and on other inputs.

    as they stand                    normal random numbers; positive ones where the reference is not finite otherwise
    in eval mode, in training mode   the mode that they do not stand in
    inputs ten times as large        what saturates, clips or overflows
    inputs of small whole numbers    ties and zeros

A pass that the reference itself does not survive is left out.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from underhood.errors import BadInput
from underhood.instruments.check.gap import Array
from underhood.instruments.check.recording import (
    Arguments,
    PassFailed,
    Recording,
    is_about_precision,
    is_array,
    mapped,
    record,
)

LONG = 5.0  # seconds of a pass after which other inputs are not tried


@dataclass
class Pass:
    """Both recordings of one pass; `how` says in which it differs from the first."""

    how: str
    right: Recording
    found: Recording | None = None
    failed: str = ""
    x: Arguments = ((), {})
    net: Any = None  # mine as it was for this pass
    training: bool = True

    @property
    def where(self) -> str:
        return f" ({self.how})" if self.how else ""


def passes_of(mine: Any, other: Any, x: Arguments, against: str, precision: str) -> Iterator[Pass]:
    """As they are; in the other mode; on other inputs."""
    began = perf_counter()
    right = record(deepcopy(other), x, off=True)
    if not _finite(right):
        x = mapped(x, lambda array: np.abs(array) if array.dtype.kind == "f" else array, is_array)
        right = record(deepcopy(other), x, off=True)
        if not _finite(right):
            raise BadInput(f"{against} returns values that are not finite for random inputs: nothing can be compared")
    yield _recorded("", right, mine, x, precision)
    seconds = perf_counter() - began
    mode = not getattr(other, "training", True)
    turned = deepcopy(other).train(mode)
    for how, net, own, given in (
        ("in training mode" if mode else "in eval mode", turned, deepcopy(mine).train(mode), x),
        ("inputs ten times as large", deepcopy(other), mine, _scaled(x)),
        ("inputs of small whole numbers", deepcopy(other), mine, _whole_numbers(x)),
    ):
        if how.startswith("inputs") and (seconds > LONG or given is x):
            continue
        try:
            right = record(net, given, off=True)
        except PassFailed:  # the reference itself does not take them
            continue
        if _finite(right):
            yield _recorded(how, right, own, given, precision)


def _recorded(how: str, right: Recording, mine: Any, x: Arguments, precision: str) -> Pass:
    """My pass beside the reference's; one that fails for want of float64 is tried again in float32."""
    try:
        return Pass(how, right, record(deepcopy(mine), x, off=True), x=x, net=mine, training=mine.training)
    except PassFailed as error:
        if precision == "float64" and is_about_precision(error):
            raise
        return Pass(how, right, failed=str(error), x=x, net=mine, training=mine.training)


def _finite(recording: Recording) -> bool:
    return all(np.isfinite(z).all() for z in recording.outputs.values() if z.dtype.kind == "f")


def _scaled(x: Arguments) -> Arguments:
    return _changed(x, lambda array: 10 * array)


def _whole_numbers(x: Arguments) -> Arguments:
    rng = np.random.default_rng(4)
    return _changed(x, lambda array: rng.integers(-2, 3, array.shape).astype(array.dtype))


def _changed(x: Arguments, change: Callable[[Array], Array]) -> Arguments:
    """The same with its floating-point arrays changed; x itself where there are none."""
    floats: list[Array] = []
    mapped(x, floats.append, lambda array: is_array(array) and array.dtype.kind == "f")
    if not floats:
        return x
    made: Arguments = mapped(x, change, lambda array: is_array(array) and array.dtype.kind == "f")
    return made
