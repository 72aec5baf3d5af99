"""Two settings over the same seeds: the difference of each pair, its interval, and the verdict in words.

A seed draws the initial weights, the order of the images and all that is random, in both settings the same. So the
difference of a pair has less luck in it than either number, and what is tested is the differences' mean:

    b − a:  mean ± t(0.975, n − 1) · s / √n      decided where that interval does not hold 0

Errors are counted in whole images, so that a few differences may be the same by chance: s = 0 then, and the interval
is a point: so it is in one of eight comparisons of equal settings over two pairs. Signs decide such pairs: all the same
in n pairs by luck in 2 · 2⁻ⁿ of the cases, less than 5 % from 6 pairs on.

Source: Student 1908 (whose example was paired, too); for the signs Arbuthnot 1710.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from underhood.lab.comparing.kinds import Kind, words
from underhood.lab.comparing.power import MOST, POWER, detectable, pairs_needed
from underhood.lab.summary import Summary
from underhood.values import is_number

if TYPE_CHECKING:
    from underhood.lab.results import Group

ASSUMED = (
    "How many pairs would decide: if the differences are normal, and their true mean and spread are those measured "
    f"here, the 95 % interval of so many pairs lies off 0 with a probability of {100 * POWER:.0f} % (power of the "
    "paired t-test, two-sided). Seeds that are added until a verdict comes find a difference that is not there more "
    "often than in 5 of 100 cases: choose their number first."
)
SIGNS = 6  # pairs with a difference of the same sign, of which luck makes less than 5 %
ROUNDING = 1e-12  # of the numbers themselves: differences that are no farther apart are the same


def paired(a: "Group", b: "Group", metric: str) -> dict[int, tuple[float, float]]:
    """By seed, in order, a number of both groups' results, where both trials count and have it, finite."""
    theirs = {trial.seed: trial.result.get(metric) for trial in b.counted}
    both = {trial.seed: (trial.result.get(metric), theirs.get(trial.seed)) for trial in a.counted}
    return {seed: (float(x), float(y)) for seed, (x, y) in sorted(both.items()) if is_finite(x) and is_finite(y)}


def is_finite(value: object) -> TypeGuard[float]:
    """Whether it is a number, and neither infinite nor NaN."""
    return is_number(value) and math.isfinite(value)


@dataclass(frozen=True)
class Difference:
    """b less a of one number, over pairs; `a`, `b`: the values, one a pair."""

    metric: str
    kind: Kind
    a: tuple[float, ...]
    b: tuple[float, ...]

    @classmethod
    def of(cls, metric: str, kind: Kind, pairs: Sequence[tuple[float, float]]) -> "Difference":
        """The difference over at least one pair (a, b)."""
        return cls(metric, kind, tuple(a for a, _ in pairs), tuple(b for _, b in pairs))

    @property
    def n(self) -> int:
        return len(self.a)

    @cached_property
    def values(self) -> tuple[float, ...]:
        return tuple(b - a for a, b in zip(self.a, self.b, strict=True))

    @cached_property
    def summary(self) -> Summary:
        """Mean and 95 % interval; one pair has no interval."""
        return Summary.of(self.values)

    @property
    def decided(self) -> bool:
        """Whether the interval does not hold 0, or the signs decide. One pair decides nothing."""
        if self.coincides:
            return self.n >= SIGNS
        low, high = self.summary.low, self.summary.high
        return low is not None and high is not None and (low > 0 or high < 0)

    @cached_property
    def coincides(self) -> bool:
        """Whether a number that is counted and hangs on the seed differs by the same in all pairs, as chance can."""
        numbers = np.array([self.a, self.b])
        if self.n < 2 or not any(self.values) or np.ptp(self.values) > ROUNDING * np.abs(numbers).max():
            return False
        counted = self.kind.is_fraction or bool((numbers == np.round(numbers)).all())
        return counted and (self.kind.is_fraction or bool(np.ptp(numbers, axis=1).any()))

    @property
    def leading(self) -> str:
        """Which is better or, of a number that knows no better, higher: "a", "b", or "" where they are even."""
        if self.summary.mean == 0:
            return ""
        return "b" if (self.summary.mean < 0) == (self.kind.better == "lower") else "a"

    @property
    def better(self) -> str:
        """The same where it is decided and the number knows a better; else ""."""
        return self.leading if self.decided and self.kind.better else ""

    @property
    def spread(self) -> float:
        """The differences' standard deviation, 0 of a single pair."""
        return float(np.std(self.values, ddof=1)) if self.n > 1 else 0.0

    @property
    def more_pairs(self) -> int | None:
        """How many more pairs would decide, as ASSUMED says; None where that is out of reach or cannot be told."""
        if self.coincides and not self.decided:
            return SIGNS - self.n
        if self.decided or not self.spread or not self.summary.mean:
            return None
        needed = pairs_needed(self.summary.mean / self.spread)
        return None if needed is None else max(1, needed - self.n)

    @property
    def detectable(self) -> float | None:
        """The true difference that so many pairs would decide with a power of POWER; None where no spread is known."""
        return detectable(self.n) * self.spread if self.n > 1 and not self.coincides else None

    # ---- in words

    def verdict(self, a: str, b: str) -> str:
        """What the pairs say, in a sentence, of the two by their names."""
        pairs = f"n = {self.n} pair" + "s" * (self.n != 1)
        if not any(self.values):
            alone = "" if self.n > 1 else "; one pair decides nothing"
            return f"no difference in {words(self.metric)}: the two are equal to the last digit, {pairs}{alone}"
        ahead = b if self.leading == "b" else a
        by = f"by {self.size}, {pairs}"
        if self.decided:
            return f"{ahead} is {'better' if self.kind.better else 'higher'} in {words(self.metric)} {by}"
        stands = f"even, {pairs}"
        if self.leading:
            stands = f"{ahead} is {'ahead' if self.kind.better else 'higher'} in {words(self.metric)} {by}"
        return f"not decided: {stands}; {self._outlook}"

    @property
    def size(self) -> str:
        """How large the difference is, without its sign: `0.60 ± 0.40 points`."""
        mean, low, high = self.summary.mean, self.summary.low, self.summary.high
        if self.coincides:
            return f"{written(abs(mean), None, self.kind)} in each"
        half = None if low is None or high is None else (high - low) / 2
        return written(abs(mean), half, self.kind)

    @property
    def _outlook(self) -> str:
        if self.n == 1:
            return "one pair decides nothing, for it has no spread"
        if self.coincides:
            more = SIGNS - self.n
            return f"{more} more pair{'s' * (more != 1)} that say{'s' * (more == 1)} the same would"
        if self.more_pairs is None:
            return f"more than {MOST:,} pairs would be needed, if they are different at all"
        return f"about {self.more_pairs:,} more pair{'s' * (self.more_pairs != 1)} would"


def written(value: float, half: float | None, kind: Kind) -> str:
    """A difference and half its interval in the kind's unit, both to two digits of the half."""
    value, half = value * kind.scale, None if half is None else half * kind.scale
    finest = half or abs(value)
    decimals = max(0, 1 - math.floor(math.log10(finest))) if finest else 0
    if decimals > 6 or abs(value) >= 1e6:
        text, spread = f"{value:.3g}", "" if half is None else f" ± {half:.2g}"
    else:
        text, spread = f"{value:,.{decimals}f}", "" if half is None else f" ± {half:,.{decimals}f}"
    return f"{text}{spread} {kind.unit}".rstrip()
