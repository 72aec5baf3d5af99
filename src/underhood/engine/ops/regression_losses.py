"""Losses of a number against the number it should be, each as f(x, t) and its slopes; `losses` makes their forms.

    E[i] = f(x[i] − t[i])        ∂E/∂t = −∂E/∂x        loss = mean, sum or none of the E[i]

    x, t: any shape, the same (another shape that broadcasts is taken with a warning)

mse grows with the square of the error, l1 with the error; smooth_l1 and huber go from the one to the other at β and
δ, so that single large errors do not rule; with δ = β, huber is δ times smooth_l1. Poisson's is the loss of counts.

Sources: Huber 1964; smooth_l1, Girshick 2015. PyTorch: torch.nn.functional, mse_loss and so on.
"""

import math
from typing import Any

import numpy as np

from underhood.engine.dtypes import float32
from underhood.engine.forms import Sample
from underhood.engine.lift import Number, Samples, where
from underhood.engine.losses import REDUCTIONS, pairwise, warn_of_broadcast
from underhood.engine.ops.cast import cast
from underhood.engine.tensor import Tensor


def _mse(x: Number, t: Number) -> Number:
    """(x − t)²"""
    return (x - t) * (x - t)


def _mse_x(x: Number, t: Number) -> Number:
    return 2.0 * (x - t)


def _mse_t(x: Number, t: Number) -> Number:
    return 2.0 * (t - x)


def _l1(x: Number, t: Number) -> Number:
    """|x − t|"""
    return abs(x - t)


def _l1_x(x: Number, t: Number) -> Number:
    return where(x > t, 1.0, where(x < t, -1.0, 0.0))


def _l1_t(x: Number, t: Number) -> Number:
    return where(x > t, -1.0, where(x < t, 1.0, 0.0))


def _smooth_l1(x: Number, t: Number, beta: float) -> Number:
    """(x − t)² / 2β within β, |x − t| − β/2 beyond"""
    d = abs(x - t)
    return where(d < beta, 0.5 * d * d / beta, d - 0.5 * beta)


def _smooth_l1_x(x: Number, t: Number, beta: float) -> Number:
    d = x - t
    return where(abs(d) < beta, d / beta, where(d > 0, 1.0, where(d < 0, -1.0, d)))  # nan stays nan


def _smooth_l1_t(x: Number, t: Number, beta: float) -> Number:
    d = t - x
    return where(abs(d) < beta, d / beta, where(d > 0, 1.0, where(d < 0, -1.0, d)))  # nan stays nan


def _huber(x: Number, t: Number, delta: float) -> Number:
    """(x − t)² / 2 within δ, δ (|x − t| − δ/2) beyond"""
    d = abs(x - t)
    return where(d <= delta, 0.5 * d * d, delta * (d - 0.5 * delta))


def _huber_x(x: Number, t: Number, delta: float) -> Number:
    return np.minimum(np.maximum(x - t, -delta), delta)


def _huber_t(x: Number, t: Number, delta: float) -> Number:
    return np.minimum(np.maximum(t - x, -delta), delta)


def _poisson(x: Number, t: Number, log_input: bool, full: bool, eps: float) -> Number:
    """rate − t ln(rate) where x is the rate's logarithm or the rate; `full` adds Stirling's ln t! for t > 1"""
    loss = where(log_input, np.exp(where(log_input, x, 0.0)) - t * x, x - t * np.log(where(log_input, 1.0, x + eps)))
    big = where(t > 1, t, 1.0)
    return loss + where(full & (t > 1), t * np.log(big) - t + 0.5 * np.log(2.0 * math.pi * big), 0.0)


def _poisson_x(x: Number, t: Number, log_input: bool, full: bool, eps: float) -> Number:
    return where(log_input, np.exp(where(log_input, x, 0.0)) - t, 1.0 - t / where(log_input, 1.0, x + eps))


def _poisson_t(x: Number, t: Number, log_input: bool, full: bool, eps: float) -> Number:
    big = where(t > 1, t, 1.0)
    stirling = where(full & (t > 1), np.log(big) + 0.5 / big, 0.0)
    return stirling - where(log_input, x, np.log(where(log_input, 1.0, x + eps)))


def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """The mean of (x − t)²."""
    warn_of_broadcast(input, target)
    return MSE.call(input, target, reduction=reduction)


def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """The mean of |x − t|."""
    warn_of_broadcast(input, target)
    return L1.call(input, target, reduction=reduction)


def smooth_l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """The mean of (x − t)²/2β within β, |x − t| − β/2 beyond."""
    warn_of_broadcast(input, target)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss does not support negative values for beta, got {beta}.")
    if not beta:
        return L1.call(input, target, reduction=reduction)
    return SMOOTH_L1.call(input, target, reduction=reduction, beta=float(beta))


def huber_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """The mean of (x − t)²/2 within δ, δ (|x − t| − δ/2) beyond."""
    warn_of_broadcast(input, target)
    if delta <= 0:
        raise RuntimeError(f"huber_loss does not support non-positive values for delta, got {delta}.")
    return HUBER.call(input, target, reduction=reduction, delta=float(delta))


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    *,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """The mean of −ln P(t), up to ln t!, for counts t of Poisson's rate e^x (or x, unless `log_input`)."""
    settings = {"log_input": bool(log_input), "full": bool(full), "eps": float(eps)}
    x = input if input.is_floating_point() else cast(input, float32)
    return POISSON.call(x, target, reduction=reduction, **settings)


def samples(**settings: Any) -> Samples:
    """Samples in every reduction; integers, where x = t and where the pieces meet; another shape; empty."""

    def of(rng: np.random.Generator) -> list[Sample]:
        x, t = rng.normal(0, 2, (3, 4)), rng.normal(0, 2, (3, 4))
        whole = rng.integers(-2, 3, (2, 6, 4)).astype(float)
        return [
            *(Sample((x, t), {"reduction": reduction, **settings}) for reduction in REDUCTIONS),
            Sample((whole[0], whole[1]), {"reduction": "none", **settings}, "ties"),
            Sample((x.T[::2], t.T[::2]), {"reduction": "mean", **settings}, "non-contiguous"),
            Sample((x[:0], t[:0]), {"reduction": "sum", **settings}, "empty"),
        ]

    return of


def counts(rng: np.random.Generator) -> list[Sample]:
    x, t = rng.uniform(0.1, 2, (3, 4)), rng.integers(1, 6, (3, 4)).astype(float)
    ways = [(True, False), (True, True), (False, False), (False, True)]
    return [
        *(
            Sample((x, t), {"reduction": reduction, "log_input": log, "full": full, "eps": 1e-8})
            for (log, full), reduction in zip(ways, ("mean", "sum", "none", "mean"), strict=True)
        ),
        Sample((x.T, t.T), {"reduction": "mean", "log_input": True, "full": False, "eps": 1e-8}, "non-contiguous"),
    ]


F = "torch.nn.functional."
MSE = pairwise(_mse, _mse_x, _mse_t, name="mse_loss", reference=F + "mse_loss", samples=samples())
L1 = pairwise(_l1, _l1_x, _l1_t, name="l1_loss", reference=F + "l1_loss", samples=samples())
SMOOTH_L1 = pairwise(
    _smooth_l1,
    _smooth_l1_x,
    _smooth_l1_t,
    name="smooth_l1_loss",
    reference=F + "smooth_l1_loss",
    samples=samples(beta=1.0),
)
HUBER = pairwise(_huber, _huber_x, _huber_t, name="huber_loss", reference=F + "huber_loss", samples=samples(delta=2.0))
POISSON = pairwise(
    _poisson, _poisson_x, _poisson_t, name="poisson_nll_loss", reference=F + "poisson_nll_loss", samples=counts
)
