"""Faults of layers with weights: the filter flipped, the weight transposed, the bias forgotten, the padding off."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from underhood.instruments.check.faults.arrays import flip_last
from underhood.instruments.check.faults.case import Case, Fault, Guess
from underhood.instruments.check.gap import Array

WEIGHTS, BIASES = ("w", "weight"), ("b", "bias")


def _weight(case: Case) -> int | None:
    i = case.position(*WEIGHTS)
    return i if i is not None and isinstance(case.question.inputs[i], np.ndarray) else None


def _filter_flipped(case: Case) -> Iterator[Guess]:
    i = _weight(case)
    if i is not None and case.question.inputs[i].ndim > 2:
        explanation = "a convolution as mathematicians mean it, where cross-correlation is expected"
        yield explanation, case.with_input(i, flip_last)
        if case.part == f"∂{case.question.names[i]}":
            yield explanation, flip_last(case.expected)


def _weight_transposed(case: Case) -> Iterator[Guess]:
    i = _weight(case)
    if i is not None and case.question.inputs[i].ndim > 1:
        explanation = "inputs and outputs have changed places"
        yield explanation, case.with_input(i, lambda w: w.swapaxes(0, 1))
        if case.part == f"∂{case.question.names[i]}":
            yield explanation, case.expected.swapaxes(0, 1)


def _bias_missing(case: Case) -> Iterator[Guess]:
    i = case.position(*BIASES)
    if i is not None and isinstance(case.question.inputs[i], np.ndarray):
        yield "it is not added", case.with_input(i, np.zeros_like)


def _bias_twice(case: Case) -> Iterator[Guess]:
    i = case.position(*BIASES)
    if i is not None and isinstance(case.question.inputs[i], np.ndarray):
        yield "it is added twice", case.with_input(i, lambda b: 2 * b)


def _padding(case: Case) -> Iterator[Guess]:
    right = case.settings.get("padding")
    if right is None or isinstance(right, str):
        return
    for step in (-1, 1):
        wrong = _plus(right, step)
        yield f"padding {_text(wrong)} where {_text(right)} is expected", case.with_settings(padding=wrong)
    yield from _shifted(case, right)


def _shifted(case: Case, padding: Any) -> Iterator[Guess]:
    """One more zero on one side and one fewer on the other: the shape is right, every window is one step off."""
    x = case.question.inputs[0]
    axes = x.ndim - 2
    pads = padding if isinstance(padding, tuple) else (padding,) * axes
    settings = {**case.question.settings, "padding": _plus(padding, None)}
    for shift in product((-1, 0, 1), repeat=axes):
        sides = [(p + s, p - s) for p, s in zip(pads, shift, strict=True)]
        if any(shift) and min(min(side) for side in sides) >= 0:
            widths = ((0, 0), (0, 0), *sides)
            guess = case.ask(inputs=(np.pad(x, widths), *case.question.inputs[1:]), settings=settings)
            if guess is not None and case.part == f"∂{case.question.names[0]}":
                guess = _cropped(guess, widths)
            yield f"the zeros are {sides} (before, after) where {_text(padding)} is expected", guess


def _cropped(x: Array, widths: tuple[tuple[int, int], ...]) -> Array:
    return x[tuple(slice(before, n - after) for (before, after), n in zip(widths, x.shape, strict=True))]


def _other_settings(case: Case) -> Iterator[Guess]:
    """Strides, dilations and groups forgotten or miscounted."""
    for name in ("stride", "dilation", "groups"):
        right = case.settings.get(name)
        if right is not None:
            for wrong in {_plus(right, -1), _plus(right, 1), _plus(right, None, 1)} - {right}:
                yield f"{name} {_text(wrong)} where {_text(right)} is expected", case.with_settings(**{name: wrong})


def _plus(value: Any, step: int | None, fixed: int = 0) -> Any:
    """A number, or every number of a tuple, plus a step; or `fixed` instead."""
    if isinstance(value, tuple):
        return tuple(_plus(v, step, fixed) for v in value)
    return fixed if step is None else value + step


def _text(value: Any) -> str:
    return str(value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value)


FAULTS = (
    Fault("filter flipped", _filter_flipped),
    Fault("transposed weight", _weight_transposed),
    Fault("missing bias", _bias_missing),
    Fault("bias twice", _bias_twice),
    Fault("off-by-one padding", _padding),
    Fault("another setting", _other_settings),
)
