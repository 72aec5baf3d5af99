"""Faults that show in the numbers alone, whatever the operation: their size, sign and order."""

from collections.abc import Iterator
from itertools import combinations
from math import prod
from typing import Any

import numpy as np

from underhood.instruments.check.faults.case import Case, Fault, Guess, real_inputs
from underhood.instruments.check.gap import Array


def _zeros(case: Case) -> Iterator[Guess]:
    yield "all zeros: nothing arrives here", np.zeros_like(case.expected)


def _sign(case: Case) -> Iterator[Guess]:
    yield "the sign is turned round", -case.expected


def counts(case: Case) -> dict[int, str]:
    """The numbers that a mean may have divided by, and what they count."""
    shapes: dict[str, Any] = {case.question.names[i]: case.question.inputs[i].shape for i in real_inputs(case)}
    shapes["the output"] = case.right.z.shape
    found: dict[int, str] = {}
    for name, shape in shapes.items():
        for size in range(1, len(shape) + 1):
            for axes in combinations(range(len(shape)), size):
                n = prod(shape[axis] for axis in axes)
                if axes == (0,):
                    text = "the batch"
                elif size == len(shape):
                    text = f"the size of {name}"
                else:
                    text = f"the length of {_axes(axes)} of {name}"
                found.setdefault(n, text)
    return {n: text for n, text in found.items() if n > 1}


def _sum_for_mean(case: Case) -> Iterator[Guess]:
    if case.settings.get("reduction") == "mean":
        yield "the sum was taken where the mean is expected", case.with_settings(reduction="sum")
    for n, text in counts(case).items():
        yield f"{n} times too large, {n} being {text}: the sum was taken where the mean is expected", n * case.expected


def _mean_for_sum(case: Case) -> Iterator[Guess]:
    if case.settings.get("reduction") == "sum":
        yield "the mean was taken where the sum is expected", case.with_settings(reduction="mean")
    for n, text in counts(case).items():
        yield f"{n} times too small, {n} being {text}: the mean was taken where the sum is expected", case.expected / n


def _transposed(case: Case) -> Iterator[Guess]:
    for i, j in combinations(range(case.expected.ndim), 2):
        yield f"axes {i} and {j} are swapped: this is the transpose", case.expected.swapaxes(i, j)


def _reversed(case: Case) -> Iterator[Guess]:
    axes = range(case.expected.ndim)
    for size in axes:
        for chosen in combinations(axes, size + 1):
            yield f"the elements run backwards along {_axes(chosen)}", np.flip(case.expected, chosen)


def _axes(axes: tuple[int, ...]) -> str:
    return f"{'axis' if len(axes) == 1 else 'axes'} {' and '.join(map(str, axes))}"


def _order(case: Case) -> Iterator[Guess]:
    """The found numbers themselves, if they are the right ones in another order."""
    found, expected = case.found.reshape(-1), case.expected.reshape(-1)
    if found.size == expected.size > 1 and np.allclose(np.sort(found), np.sort(expected), rtol=1e-9, atol=0):
        yield "the right elements in another order: a reshape where axes had to be moved?", case.found


def _wrong_axis(case: Case) -> Iterator[Guess]:
    """A softmax, a sum, a normalisation along the batch instead of the features, or any other axis."""
    dim = case.settings.get("dim")
    x = case.question.inputs[0] if case.question.inputs else None
    if dim is not None and isinstance(x, np.ndarray):
        right = dim[0] if isinstance(dim, tuple) and len(dim) == 1 else dim
        for other in range(x.ndim):
            yield (
                f"along axis {other}{_role(other)} where axis {right}{_role(right)} is expected",
                case.with_settings(dim=(other,) if isinstance(dim, tuple) else other),
            )
    if case.is_gradient:
        yield from _summed_elsewhere(case)


def _role(axis: Any) -> str:
    return {0: ", the batch,", 1: ", the features,"}.get(axis, "")


def _summed_elsewhere(case: Case) -> Iterator[Guess]:
    """A bias' gradient is δ summed over every axis but its own."""
    delta = case.question.cotangent(case.right.z.shape)
    if case.expected.ndim >= delta.ndim:
        return
    everything = range(delta.ndim)
    for axes in combinations(everything, delta.ndim - case.expected.ndim):
        kept = [axis for axis in everything if axis not in axes]
        yield f"summed over {_axes(axes)}: {_axes(tuple(kept))} of δ was kept, the wrong one", delta.sum(axes)


def _factor(case: Case) -> Iterator[Guess]:
    """The expected numbers times the one factor that fits best."""
    size = float(np.vdot(case.expected, case.expected))
    if size and case.found.shape == case.expected.shape:
        ratio = float(np.vdot(case.expected, case.found)) / size
        if not np.isfinite(ratio):
            return
        yield f"every element is {ratio:.6g} times what it should be", ratio * case.expected


def flip_last(x: Array) -> Array:
    """Turned by half a circle in its last two axes (or its last one)."""
    return np.flip(x, tuple(range(x.ndim))[-2:] if x.ndim > 3 else (-1,))


FIRST = (
    Fault("nothing arrives", _zeros),
    Fault("sign", _sign),
    Fault("sum for mean", _sum_for_mean),
    Fault("mean for sum", _mean_for_sum),
    Fault("batch for feature axis", _wrong_axis),
)
LAST = (
    Fault("transposed", _transposed),
    Fault("reversed", _reversed),
    Fault("another order", _order),
    Fault("factor", _factor),
)
