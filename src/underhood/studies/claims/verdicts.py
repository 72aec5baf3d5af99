"""A verdict from numbers: what a claim demands of a number, and whether the seeds' interval grants it.

    claim wants x > bound        interval above the bound: supported      below it: refuted      across: undecided

The interval is the mean's t-interval over the seeds. A claim may rest on several numbers: of k of them each interval
holds with probability 1 − 0.05/k (Bonferroni), so that all hold at once with 95 %. A number that no seed changes, such
as a count, is its own interval. "always" and "every" ask it of all their numbers, so one that is refuted refutes the
claim; "can" and "up to" ask it of some, so one that is supported supports it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from underhood.lab import Summary

Word = Literal["supported", "refuted", "undecided"]
SIGNS = {"above": ">", "below": "<", "equal": "="}
RISK = 0.05  # that any interval of a claim misses
MOST_SEEDS = 200  # a verdict that would take more is said to be out of reach


@dataclass(frozen=True)
class Finding:
    """A measured number beside what the claim demands of it.

    `wants` is "above", "below" or "equal" to `bound`. "equal" means to the last bit: one seed that differs refutes
    it. `exact` says that the number is counted, not estimated. `among` is how many estimates the claim rests on.
    `scale`, `format` and `unit` are for reading.
    """

    what: str
    measured: Summary
    wants: Literal["above", "below", "equal"]
    bound: float = 0.0
    exact: bool = False
    among: int = 1
    scale: float = 1.0
    format: str = ".3g"
    unit: str = ""

    @property
    def word(self) -> Word:
        """What the number says of the demand."""
        if self.wants == "equal":
            return "supported" if all(value == self.bound for value in self.measured.values) else "refuted"
        if (ends := self.ends) is None:
            return "undecided"
        low, high = ends if self.wants == "above" else (-ends[1], -ends[0])
        bound = self.bound if self.wants == "above" else -self.bound
        if low > bound:
            return "supported"
        return "refuted" if high < bound or (self.exact and high == bound) else "undecided"

    @property
    def ends(self) -> tuple[float, float] | None:
        """The interval; None when one seed of an estimate gives none."""
        values = np.asarray(self.measured.values)
        if self.exact:
            return float(values.min()), float(values.max())
        if len(values) < 2:
            return None
        half = float(self._half(len(values)) * values.std(ddof=1))
        return self.measured.mean - half, self.measured.mean + half

    def _half(self, n: "int | np.ndarray[Any, Any]") -> Any:
        """Half the interval of n seeds, in standard deviations: t(1 − RISK/2k, n − 1) / √n."""
        from scipy.special import stdtrit  # comes with scikit-learn

        return stdtrit(n - 1, 1 - RISK / (2 * self.among)) / np.sqrt(n)

    @property
    def demand(self) -> str:
        return f"{SIGNS[self.wants]} {self.written(self.bound)}"

    @property
    def text(self) -> str:
        """The number as one reads it: `−3.1 ± 0.4 points`."""
        ends = self.ends
        mean = self.written(self.measured.mean)
        if ends is None or ends[0] == ends[1]:
            return f"{mean}{self.unit}"
        return f"{mean} ± {self.written((ends[1] - ends[0]) / 2)}{self.unit}"

    def written(self, value: float) -> str:
        return f"{self.scale * value:z{self.format}}".replace("-", "−")  # z: what rounds to zero has no sign

    @property
    def seeds_needed(self) -> int | None:
        """With how many seeds the interval would clear the bound if mean and spread stayed; None when out of reach."""
        values = np.asarray(self.measured.values)
        if len(values) < 2:
            return None
        distance, spread = abs(values.mean() - self.bound), values.std(ddof=1)
        n = np.arange(2, MOST_SEEDS + 1)
        enough = n[self._half(n) * spread < distance]
        return int(enough[0]) if len(enough) else None

    @property
    def outlook(self) -> str:
        """How many seeds would decide, in words; one seed knows no spread and says nothing of it."""
        if len(self.measured.values) < 2:
            return "how many seeds would decide cannot be said from one"
        needed = self.seeds_needed
        far = f"about {needed} seeds would decide" if needed else f"more than {MOST_SEEDS} seeds would be needed"
        return f"if mean and spread stay as they are, {far}"


def together(findings: Sequence[Finding]) -> list[Finding]:
    """The findings of one claim, each with the number of estimates it stands among."""
    estimates = sum(not finding.exact and finding.wants != "equal" for finding in findings)
    return [replace(finding, among=max(1, estimates)) for finding in findings]


def every(words: Sequence[Word]) -> Word:
    """Of a claim that must hold in all cases."""
    if "refuted" in words:
        return "refuted"
    return "supported" if words and set(words) == {"supported"} else "undecided"


def some(words: Sequence[Word]) -> Word:
    """Of a claim that must hold in one case at least."""
    if "supported" in words:
        return "supported"
    return "refuted" if words and set(words) == {"refuted"} else "undecided"
