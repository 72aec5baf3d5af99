"""Arrays that are the same but for rounding: what a replay and the step as it stands have to agree to.

    together   √mean((a − b)²) / √mean(b²)        largest   max|a − b| / max|b|

Another order of sums moves a result or a gradient by some 1e−6 of itself (float32). But a ReLU or a maximum that is
all but undecided is then decided otherwise, and with it every gradient of the layers below: in a ResNet-20 by 2e−3 of
itself, sometimes by 1e−2. How far depends on the network, its weights and the batch. So where two gradients are
further apart than sums explain, rounding is measured: the step as it stands is run again, a few times, from weights
that are moved to the next number above or below. A replay may be a few times as far from the step as that is, and no
further.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from underhood.engine.forms import Array
from underhood.engine.tensor import Tensor

RUNS = 3  # from other weights each
MARGIN = 4  # how many times as far as the furthest of them
MOST = 0.1  # but never as far as this, together

Gradients = Sequence[Array | None]


class Apart(NamedTuple):
    """How far two arrays are apart, relative to the second."""

    largest: float = 0.0
    together: float = 0.0

    def within(self, limit: "Apart") -> bool:
        return self.largest <= limit.largest and self.together <= limit.together

    def widened(self, other: "Apart") -> "Apart":
        return Apart(max(self.largest, other.largest), max(self.together, other.together))


# What sums and single decisions explain, by the bytes of a float.
RESULTS = {4: Apart(2e-3, 1e-3), 8: Apart(1e-7, 1e-7)}
GRADIENTS = {4: Apart(3e-2, 1e-3), 8: Apart(1e-6, 1e-7)}


def apart(a: Array, b: Array, scale: float = 0.0, slack: float = 0.0) -> Apart:
    """How far a is from b. Elements of b smaller than `scale` count as that large, and a difference up to `slack` as
    none. nan and inf stand for each other, since another order of sums makes one of the other.
    """
    finite = np.isfinite(b)
    if not np.array_equal(np.isfinite(a), finite):
        return Apart(np.inf, np.inf)
    x, y, tiny = a[finite].astype(np.float64), b[finite].astype(np.float64), float(np.finfo(a.dtype).tiny)
    pairs = [(_largest(x - y), _largest(y)), (_root_mean_square(x - y), _root_mean_square(y))]
    return Apart(*[max(0.0, d - slack - tiny) / max(size, scale, tiny) for d, size in pairs])


def same(a: Array, b: Array) -> bool:
    """Whether two results agree to rounding; integers have to be equal."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    slack = 32 * float(np.finfo(a.dtype).eps)  # a small loss is a difference of logits
    return apart(a, b, slack=slack).within(RESULTS[a.dtype.itemsize])


class Rounding:
    """What rounding does to the gradients of one program, as far as it has been measured."""

    def __init__(self) -> None:
        self.measured = Apart()

    def differ(
        self, found: Gradients, expected: Gradients, again: Callable[[Callable[[Iterable[Tensor]], None]], Gradients]
    ) -> int | None:
        """The index of the first gradient that is further from the expected one than rounding explains, None if none
        is. `again(move)` are the gradients of the step as it stands from where it stood, once it has let `move` move
        the weights.
        """
        first = self._first(found, expected)
        if first is not None and _alike(found, expected):
            for seed in range(RUNS):
                rng = np.random.default_rng(seed)
                moved = again(lambda weights, rng=rng: neighbours(weights, rng))  # type: ignore[misc]
                for each in _distances(moved, expected):
                    self.measured = self.measured.widened(each)
            first = self._first(found, expected)
        return first

    def _first(self, found: Gradients, expected: Gradients) -> int | None:
        """The first that is too far, by what is known of rounding until now."""
        for i, (each, b) in enumerate(zip(_distances(found, expected), expected, strict=True)):
            far = GRADIENTS[8 if b is None else b.dtype.itemsize]
            measured = Apart(MARGIN * self.measured.largest, min(MOST, MARGIN * self.measured.together))
            if not each.within(far.widened(measured)):
                return i
        return None


def _alike(found: Gradients, expected: Gradients) -> bool:
    return all((a is None) == (b is None) for a, b in zip(found, expected, strict=True))


def _distances(found: Gradients, expected: Gradients) -> list[Apart]:
    """Of each from what is expected; a hundredth of the largest gradient of all counts for all that are smaller."""
    scale = max((_largest(b[np.isfinite(b)]) for b in expected if b is not None), default=0.0) * 1e-2
    return [_distance(a, b, scale) for a, b in zip(found, expected, strict=True)]


def _distance(a: Array | None, b: Array | None, scale: float) -> Apart:
    if a is None or b is None:
        return Apart() if a is b else Apart(np.inf, np.inf)
    return apart(a, b, scale)


def neighbours(weights: Iterable[Tensor], rng: np.random.Generator) -> None:
    """Move every weight, in place, to the next number above or below."""
    for w in weights:
        if w.array.dtype.kind == "f":
            up = rng.integers(0, 2, w.array.shape, bool)
            w.array[...] = np.nextafter(w.array, np.where(up, np.inf, -np.inf).astype(w.array.dtype))


def _largest(x: Array) -> float:
    return float(np.abs(x).max(initial=0))


def _root_mean_square(x: Array) -> float:
    largest = _largest(x)
    return largest * float(np.sqrt(np.mean((x / largest) ** 2))) if largest else 0.0
