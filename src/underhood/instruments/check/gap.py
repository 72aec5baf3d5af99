"""How far an answer is from the right one.

    relative   ‖a − b‖ / ‖b‖, Euclidean norms over all elements
    ulps       max|a − b| in units in the last place of b's largest number, in a's precision

The norm's error says whether a formula is right; the ulps say how much of the precision at hand was used: a sum of
n terms may lose about √n of them, a wrong formula loses millions. Both are infinite where shapes differ, or
where one side is not finite and the other is.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Gap:
    """`relative` and `ulps` as above, and the index of the number that is furthest off."""

    relative: float
    ulps: float
    worst: tuple[int, ...] = ()


NONE, ENDLESS = Gap(0.0, 0.0), Gap(float("inf"), float("inf"))


def gap(found: Array, expected: Array, scale: float = 0.0) -> Gap:
    """The gap between two arrays; an infinite or undefined number has to stand where it is expected.

    A sum that cancels to nothing has no norm to compare with: `scale` is the size of what was summed, and a
    thousandth of it is the least that the distance is divided by.
    """
    if found.shape != expected.shape:
        return ENDLESS
    if np.iscomplexobj(found) or np.iscomplexobj(expected):
        pairs = [np.stack([z.real, z.imag], -1) for z in (found, expected)]
        return gap(pairs[0], pairs[1], scale)
    finite = np.isfinite(expected)
    if not np.array_equal(np.isfinite(found), finite):
        return ENDLESS
    if not np.array_equal(found[~finite], expected[~finite].astype(found.dtype), equal_nan=True):
        return ENDLESS
    a, b = found[finite].astype(np.float64), expected[finite].astype(np.float64)
    if not (a != b).any():
        return NONE
    distance, largest = np.abs(a - b), np.abs(b).max()
    precision = found.dtype if found.dtype.kind == "f" else np.dtype(np.float64)
    size = max(float(np.linalg.norm(b)), 1e-3 * scale)
    unit = float(np.spacing(precision.type(max(largest, 1e-3 * scale / b.size**0.5))))
    return Gap(
        float(np.linalg.norm(distance)) / size if size else float("inf"),
        float(distance.max()) / unit if size else float("inf"),
        tuple(int(i) for i in np.argwhere(finite)[distance.argmax()]),
    )


def worst(gaps: list[Gap]) -> Gap | None:
    """The largest of several; None when there is none."""
    if not gaps:
        return None
    return Gap(max(g.relative for g in gaps), max(g.ulps for g in gaps))
