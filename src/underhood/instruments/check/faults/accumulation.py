"""The gradient overwritten where it has to be added to.

An input that is used more than once gets a gradient from every use, and they add up. With `=` for `+=` in the
loop, one of them is left: the last, or the first where the loop runs backwards.

A gradient is linear in δ, so the contribution of one output is the gradient of δ with all else zero. The guess goes
through the outputs as the loop would (one by one, or along some axes with all the others at once) and overwrites.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from underhood.instruments.check.faults.case import Case, Fault, Guess
from underhood.instruments.check.gap import Array

LIMIT = 512  # contributions, so that a large δ does not take minutes


def _overwritten(case: Case) -> Iterator[Guess]:
    if not case.is_gradient or case.found.shape != case.expected.shape:
        return
    delta = case.question.cotangent(case.right.z.shape)
    for size in range(1, delta.ndim + 1):
        for axes in combinations(range(delta.ndim), size):
            parts = _contributions(case, delta, axes)
            if parts:
                for which, order in (("last", parts), ("first", parts[::-1])):
                    yield (
                        f"not accumulated: only the {which} contribution along "
                        f"{'axis' if size == 1 else 'axes'} {', '.join(map(str, axes))} of δ is left",
                        _one_over_the_other(order),
                    )


def _contributions(case: Case, delta: Array, axes: tuple[int, ...]) -> list[Array]:
    """What reaches the input from each position along the axes of δ."""
    if np.prod([delta.shape[axis] for axis in axes]) > LIMIT:
        return []
    parts = []
    for position in np.ndindex(*(delta.shape[axis] for axis in axes)):
        only = np.zeros_like(delta)
        index = [slice(None)] * delta.ndim
        for axis, i in zip(axes, position, strict=True):
            index[axis] = slice(i, i + 1)
        only[tuple(index)] = delta[tuple(index)]
        part = case.ask(delta=only)
        if part is None:
            return []
        parts.append(part)
    return parts


def _one_over_the_other(parts: list[Array]) -> Array:
    left = np.zeros_like(parts[0])
    for part in parts:
        left = np.where(part != 0, part, left)
    return left


FAULTS = (Fault("overwritten gradient", _overwritten),)
