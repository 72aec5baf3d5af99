"""Losses of a chance against what came about, each as f(x, t) and its slopes; `losses` makes their forms.

    bce               E = −t ln x − (1 − t) ln(1 − x)             x: chances in (0, 1)
    bce_with_logits   the same of σ(x):  ln(1 + eˣ) − t x         x: any numbers
    kl_div            E = t (ln t − x)                            x: logarithms of chances, t: chances
    soft_margin       E = ln(1 + e^(−t x))                        t: −1 or 1

    x, t: any shape, the same   loss = mean, sum or none of the E; "batchmean" divides kl_div's sum by the batch

Sigmoid and logarithm together never overflow and have the gradient that makes the pair worth having, σ(x) − t.
bce's logarithms are no less than −100, as in PyTorch.

PyTorch: torch.nn.functional.binary_cross_entropy, binary_cross_entropy_with_logits, kl_div, soft_margin_loss.
"""

import math
from typing import Any

import numpy as np

from underhood.engine import tape
from underhood.engine.forms import Array, Sample
from underhood.engine.lift import Number, Samples, shared, where
from underhood.engine.losses import REDUCTIONS, check_reduction, pairwise, reduced, same_size
from underhood.engine.ops.activations import logsigmoid, sigma
from underhood.engine.ops.elementwise import clamp_min, log
from underhood.engine.tensor import Tensor


@shared
def _log(x: Number) -> Number:
    """ln x, no less than −100"""
    return where(x > 0, np.maximum(np.log(where(x > 0, x, 1.0)), -100.0), -100.0)


def _bce(x: Number, t: Number) -> Number:
    """−t ln x − (1 − t) ln(1 − x)"""
    return -t * _log(x) - (1.0 - t) * _log(1.0 - x)


def _bce_x(x: Number, t: Number) -> Number:
    return (x - t) / np.maximum(x * (1.0 - x), 1e-12)


def _bce_t(x: Number, t: Number) -> Number:
    return np.log1p(-x) - np.log(x)


def _bce_with_logits(x: Number, t: Number) -> Number:
    """ln(1 + eˣ) − t x"""
    return where(x > 0, x, 0.0) - t * x + np.log1p(np.exp(-abs(x)))


def _bce_with_logits_x(x: Number, t: Number) -> Number:
    return sigma(x) - t


def _bce_with_logits_t(x: Number, t: Number) -> Number:
    return -x


def _kl_div(x: Number, t: Number, log_target: bool) -> Number:
    """t (ln t − x), 0 where t = 0, nan below; with `log_target` t is the chance's logarithm"""
    chance = where(log_target, np.exp(where(log_target, t, 0.0)), t)
    safe = where(log_target | (t <= 0), 1.0, t)
    return chance * (where(log_target, t, where(t < 0, math.nan, np.log(safe))) - x)


def _kl_div_x(x: Number, t: Number, log_target: bool) -> Number:
    return -where(log_target, np.exp(where(log_target, t, 0.0)), t)


def _kl_div_t(x: Number, t: Number, log_target: bool) -> Number:
    chance = np.exp(where(log_target, t, 0.0))
    safe = where(log_target | (t <= 0), 1.0, t)
    return where(log_target, chance * (t + 1.0 - x), where(t > 0, np.log(safe) + 1.0, math.nan) - x)


def _soft_margin(x: Number, t: Number) -> Number:
    """ln(1 + e^(−t x))"""
    return where(t * x < 0, -t * x, 0.0) + np.log1p(np.exp(-abs(t * x)))


def _soft_margin_x(x: Number, t: Number) -> Number:
    return -t * sigma(-t * x)


def _check_probabilities(x: Array) -> None:
    if x.size and not (x.min() >= 0 and x.max() <= 1):
        raise RuntimeError("binary_cross_entropy: all elements of input should be between 0 and 1")


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """The mean of −t ln x − (1 − t) ln(1 − x), each times its `weight` if there is one."""
    same_size("binary_cross_entropy", input, target)
    tape.checked(input, _check_probabilities)
    if weight is None:
        return BCE.call(input, target, reduction=reduction)
    return reduced(BCE.call(input, target, reduction="none") * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """The binary cross-entropy of σ(x); `pos_weight` multiplies the term of t, `weight` the whole."""
    same_size("binary_cross_entropy_with_logits", input, target)
    if weight is None and pos_weight is None:
        return BCE_WITH_LOGITS.call(input, target, reduction=reduction)
    if pos_weight is None:
        losses = BCE_WITH_LOGITS.call(input, target, reduction="none")
    else:
        losses = -(pos_weight * target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    return reduced(losses if weight is None else losses * weight, reduction)


def kl_div(input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """The mean of t (ln t − x); with "batchmean" the sum divided by the batch, which is the divergence itself."""
    if reduction != "batchmean":
        return KL_DIV.call(input, target, reduction=reduction, log_target=bool(log_target))
    whole = KL_DIV.call(input, target, reduction="sum", log_target=bool(log_target))
    return whole / input.shape[0] if input.ndim else whole


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """The mean of ½ (ln v + (x − t)²/v) for the variance v (at least eps), with `full` + ½ ln 2π."""
    if not isinstance(var, Tensor):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = Tensor(np.full(input.shape, var, input.dtype))
    if var.shape != input.shape:
        if var.shape == input.shape[:-1]:
            var = var.reshape((*var.shape, 1))
        elif not (var.ndim == input.ndim and var.shape[:-1] == input.shape[:-1] and var.shape[-1] == 1):
            raise ValueError(f"var is of incorrect size: {tuple(var.shape)} for input {tuple(input.shape)}")
    check_reduction(reduction)
    if var.numel() and var.array.min() < 0:
        raise ValueError("var has negative entry/entries")
    v = var + (clamp_min(var, eps) - var).detach()
    losses = (log(v) + (input - target) ** 2 / v) * 0.5
    return reduced(losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """The mean over the examples of the mean over the classes of −t ln σ(x) − (1 − t) ln σ(−x)."""
    losses = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    weighted = losses if weight is None else losses * weight
    return reduced(weighted.mean(-1) if input.ndim else weighted, reduction)


def soft_margin_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """The mean of ln(1 + e^(−t x)), with t = ±1."""
    check_reduction(reduction)
    return SOFT_MARGIN.call(input, target, reduction=reduction)


def samples(x: Any, t: Any, **settings: Any) -> Samples:
    """Samples in every reduction, from functions that draw x and t of a shape."""

    def of(rng: np.random.Generator) -> list[Sample]:
        a, b = x(rng, (3, 4)), t(rng, (3, 4))
        return [
            *(Sample((a, b), {"reduction": reduction, **settings}) for reduction in REDUCTIONS),
            Sample((a.T[::2], b.T[::2]), {"reduction": "mean", **settings}, "non-contiguous"),
            Sample((a[:0], b[:0]), {"reduction": "sum", **settings}, "empty"),
        ]

    return of


def _chances(rng: np.random.Generator, shape: Any) -> Any:
    return rng.uniform(0.01, 0.99, shape)


def _signs(rng: np.random.Generator, shape: Any) -> Any:
    return rng.choice([-1.0, 1.0], shape)


def _logits(rng: np.random.Generator, shape: Any) -> Any:
    return rng.normal(0, 8, shape)


def _divergences(rng: np.random.Generator) -> list[Sample]:
    some = samples(_logits, _chances, log_target=False)(rng)
    others = samples(_logits, lambda rng, shape: np.log(_chances(rng, shape)), log_target=True)(rng)
    return [*some, *others[:2]]


def _kl_div_by_torch(kl_div: Any, x: Any, t: Any, reduction: str, log_target: bool) -> Any:
    losses = kl_div(x, t, reduction="none", log_target=log_target)  # torch warns of its own "mean"
    return losses if reduction == "none" else getattr(losses, reduction)()


def _soft_margin_by_torch(soft_margin_loss: Any, x: Any, t: Any, reduction: str) -> Any:
    return soft_margin_loss(x, t.detach(), reduction=reduction)


F = "torch.nn.functional."
BCE = pairwise(
    _bce,
    _bce_x,
    _bce_t,
    name="binary_cross_entropy",
    reference=F + "binary_cross_entropy",
    samples=samples(_chances, _chances),
)
BCE_WITH_LOGITS = pairwise(
    _bce_with_logits,
    _bce_with_logits_x,
    _bce_with_logits_t,
    name="binary_cross_entropy_with_logits",
    reference=F + "binary_cross_entropy_with_logits",
    samples=samples(_logits, _chances),
)
KL_DIV = pairwise(
    _kl_div, _kl_div_x, _kl_div_t, name="kl_div", reference=F + "kl_div", ask=_kl_div_by_torch, samples=_divergences
)
SOFT_MARGIN = pairwise(
    _soft_margin,
    _soft_margin_x,
    None,
    name="soft_margin_loss",
    reference=F + "soft_margin_loss",
    ask=_soft_margin_by_torch,
    samples=samples(_logits, _signs),
)
