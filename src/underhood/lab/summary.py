"""Numbers over seeds: mean, interval and n; what one seed can't say, it doesn't."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Summary:
    """A number over n seeds: the mean and its 95 % t-interval, which one seed doesn't have.

    mean ± t(0.975, n − 1) · s / √n,  s² = Σ(x − mean)² / (n − 1)
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> "Summary":
        """The summary of at least one value."""
        (mean,), low, high = interval(np.asarray(values, dtype=np.float64)[:, None])
        if low is None or high is None:
            return cls(float(mean), None, None, 1, tuple(values))
        return cls(float(mean), float(low[0]), float(high[0]), len(values), tuple(values))

    def __str__(self) -> str:
        interval = "" if self.low is None else f" [{self.low:.4g}, {self.high:.4g}]"
        return f"{self.mean:.4g}{interval}, n = {self.n}"


@dataclass(frozen=True)
class Curve:
    """A metric against steps: the mean over n seeds and, for several, its 95 % t-interval at each step.

    steps, mean, low, high: (S,); each: (n, S), the seeds' own values
    """

    steps: "np.ndarray[Any, np.dtype[np.int64]]"
    mean: Array
    low: Array | None
    high: Array | None
    n: int
    each: Array

    @classmethod
    def of(cls, steps: Sequence[int], values: Sequence[Sequence[float]]) -> "Curve":
        """The curve of several seeds' values at the same steps; values: (n, S)."""
        each = np.asarray(values, dtype=np.float64)
        return cls(np.asarray(steps, dtype=np.int64), *interval(each), len(values), each)

    def rows(self, **more: Any) -> list[dict[str, Any]]:
        """A dict a step, as figures take them, each with `more` added."""
        low, high = (self.mean, self.mean) if self.low is None or self.high is None else (self.low, self.high)
        columns = zip(self.steps.tolist(), self.mean.tolist(), low.tolist(), high.tolist(), strict=True)
        return [more | {"step": s, "mean": m, "low": a, "high": b} for s, m, a, b in columns]

    def seed_rows(self, **more: Any) -> list[dict[str, Any]]:
        """A dict a seed and step, under `mean` its own value, seeds counted from 1; empty for one seed."""
        if self.n < 2:
            return []
        return [
            more | {"step": step, "mean": value, "seed": seed}
            for seed, values in enumerate(self.each.tolist(), 1)
            for step, value in zip(self.steps.tolist(), values, strict=True)
        ]


def interval(values: Array) -> tuple[Array, Array | None, Array | None]:
    """Mean, lower and upper end of the t-interval over the first axis; one value has no ends."""
    from scipy.special import stdtrit  # comes with scikit-learn

    n = len(values)
    mean: Array = values.mean(axis=0)
    if n < 2:
        return mean, None, None
    half = stdtrit(n - 1, (1 + CONFIDENCE) / 2) * values.std(axis=0, ddof=1) / np.sqrt(n)
    return mean, mean - half, mean + half
