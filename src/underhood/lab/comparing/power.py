"""How many pairs decide: the power of the t-interval over paired differences.

Of n differences, normal with mean δ and standard deviation σ, the 95 % interval lies off 0 with probability

    power(n, d) = P(|T| > t(0.975, n − 1)),    d = |δ|/σ,    T ~ non-central t of n − 1 degrees, centre d·√n

so d = 1 takes 10 pairs for a power of 0.8, d = 0.5 takes 34, d = 0.2 takes 199.

Source: Cohen, Statistical Power Analysis for the Behavioral Sciences, 2nd ed. 1988, chapter 2.
"""

import math
from typing import Any

import numpy as np

from underhood.lab.summary import CONFIDENCE

POWER = 0.8  # the probability that is asked of "would decide"
MOST = 1000  # more pairs than this are out of reach
LARGEST = 30.0  # standard deviations; what is larger is found with two pairs


def power(n: Any, effect: float) -> Any:
    """With which probability n pairs decide a true difference of `effect` standard deviations; n may be an array."""
    from scipy.special import nctdtr, stdtrit  # comes with scikit-learn

    n = np.asarray(n, dtype=np.float64)
    edge, centre = stdtrit(n - 1, (1 + CONFIDENCE) / 2), abs(effect) * np.sqrt(n)
    found = 1 - nctdtr(n - 1, centre, edge) + nctdtr(n - 1, centre, -edge)
    return np.clip(np.where(np.isfinite(found), found, 1.0), 0.0, 1.0)  # a centre far out is no number there


def pairs_needed(effect: float, wanted: float = POWER) -> int | None:
    """The fewest pairs, at least 2, that decide a difference of `effect` standard deviations; None above MOST."""
    n = np.arange(2, MOST + 1)
    enough = n[power(n, effect) >= wanted] if math.isfinite(effect) else n
    return int(enough[0]) if len(enough) else None


def detectable(n: int, wanted: float = POWER) -> float:
    """The difference, in standard deviations, that n pairs decide with the wanted power: the inverse of `power`."""
    low, high = 0.0, LARGEST
    for _ in range(40):  # halved till it is exact to 1e−10
        middle = (low + high) / 2
        low, high = (low, middle) if power(n, middle) >= wanted else (middle, high)
    return high
