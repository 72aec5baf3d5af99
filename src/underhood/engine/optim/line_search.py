"""A step length that satisfies the strong Wolfe conditions, found by bracketing and cubic interpolation.

    φ(t) = f(x + t d)          φ(t) ≤ φ(0) + c₁ t φ′(0)          |φ′(t)| ≤ −c₂ φ′(0)          c₁ = 10⁻⁴, c₂ = 0.9

First t grows until an interval is known to hold such a point (its ends are the bracket); then the bracket shrinks to
the minimum of the cubic through values and slopes at its ends, pushed off an end that it stays too close to twice.

Source: Nocedal & Wright 2006, "Numerical optimization", Algorithms 3.5 and 3.6, as in Mark Schmidt's minFunc, which
PyTorch follows too, to the constants.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from underhood.engine.forms import Array

C1, C2 = 1e-4, 0.9


class Point(NamedTuple):
    """φ at t: the value f, the gradient g of f, and the slope φ′ = g·d."""

    t: float
    f: float
    g: Array
    slope: float


def cubic_minimum(a: Point, b: Point, bounds: tuple[float, float] | None = None) -> float:
    """Where the cubic through both points has its minimum, within the bounds; their middle if it has none.

    Differs from PyTorch on a straight line, where its step becomes nan.
    """
    low, high = bounds or (min(a.t, b.t), max(a.t, b.t))
    if a.t > b.t:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2
    d2 = square**0.5
    if not (bend := b.slope - a.slope + 2 * d2):
        return (low + high) / 2
    t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / bend)
    return float(min(max(t, low), high))


def strong_wolfe(
    evaluate: Callable[[float], Point], start: Point, t: float, largest: float, tolerance: float, max_evals: int
) -> tuple[Point, int]:
    """The point to go to and how many times f was evaluated; `largest` is max |d|, by which a bracket is judged."""
    bracket, evals, done = _bracket(evaluate, start, t, max_evals)
    stuck = False
    low = 0 if bracket[0].f <= bracket[-1].f else len(bracket) - 1
    while not done and evals - 1 < max_evals and abs(bracket[1].t - bracket[0].t) * largest >= tolerance:
        t = cubic_minimum(bracket[0], bracket[1])
        left, right = sorted(point.t for point in bracket)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) >= margin:
            stuck = False
        elif stuck or not left < t < right:
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            stuck = False
        else:
            stuck = True
        new, evals = evaluate(t), evals + 1
        if new.f > start.f + C1 * t * start.slope or new.f >= bracket[low].f:
            bracket[1 - low] = new
            low = 0 if bracket[0].f <= bracket[1].f else 1
            continue
        if abs(new.slope) <= -C2 * start.slope:
            done = True
        elif new.slope * (bracket[1 - low].t - bracket[low].t) >= 0:
            bracket[1 - low] = bracket[low]
        bracket[low] = new
    return bracket[low], evals


def _bracket(evaluate: Callable[[float], Point], start: Point, t: float, max_evals: int) -> tuple[list[Any], int, bool]:
    """Two points with a good one between them, or one that is good already; the evaluations; whether it is."""
    before, new = start, evaluate(t)
    evals = 1
    while evals - 1 < max_evals:
        too_high = new.f > start.f + C1 * new.t * start.slope or (evals > 2 and new.f >= before.f)
        if not too_high and abs(new.slope) <= -C2 * start.slope:
            return [new], evals, True
        if too_high or new.slope >= 0:
            return [before, new], evals, False
        bounds = new.t + 0.01 * (new.t - before.t), 10 * new.t
        before, new = new, evaluate(cubic_minimum(before, new, bounds))
        evals += 1
    return [start, new], evals, False
