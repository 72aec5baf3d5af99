"""Losses that ask for a margin: what is far enough on the right side costs nothing.

    hinge_embedding    E = x where t = 1, max(0, m − x) where t = −1
    margin_ranking     E = max(0, −t (x₁ − x₂) + m)                    t = 1: x₁ should be larger, −1: x₂
    cosine_embedding   E = 1 − cos(x₁, x₂) where t = 1, max(0, cos(x₁, x₂) − m) where t = −1
    triplet_margin     E = max(0, m + d(a, p) − d(a, n))               d: the distance of vectors
    multi_margin       E = (1/C) Σ_{k≠t} w[t] max(0, m − x[t] + x[k])ᵖ  x: a score for each class

    m: the margin   loss = mean, sum or none of the E

All are written in other operations, which give their gradients.
PyTorch: torch.nn.functional, hinge_embedding_loss and so on.
"""

from collections.abc import Callable

import numpy as np

from underhood.engine.losses import by_rows, check_classes, check_reduction, reduced
from underhood.engine.ops.arithmetic import minimum
from underhood.engine.ops.compare import eq, ne
from underhood.engine.ops.distance import SMALL, pairwise_distance
from underhood.engine.ops.elementwise import clamp_min
from underhood.engine.ops.gather import gather
from underhood.engine.ops.where import masked_fill, where
from underhood.engine.tensor import Tensor


def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, *, reduction: str = "mean") -> Tensor:
    """The mean of x where t = 1 and max(0, margin − x) where t = −1."""
    far = where(ne(target, 1), clamp_min(margin - input, 0), 0.0)
    return reduced(far + where(ne(target, -1), input, 0.0), reduction)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, *, reduction: str = "mean"
) -> Tensor:
    """The mean of max(0, −t (x₁ − x₂) + margin)."""
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            f"margin_ranking_loss: All input tensors should have same dimension but got sizes: input1: "
            f"{tuple(input1.shape)}, input2: {tuple(input2.shape)}, target: {tuple(target.shape)} "
        )
    return reduced(clamp_min(-target * (input1 - input2) + margin, 0), reduction)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, *, reduction: str = "mean"
) -> Tensor:
    """The mean of 1 − cos where t = 1 and max(0, cos − margin) where t = −1; inputs (N, D) or (D,)."""
    if input1.ndim not in (1, 2) or input1.shape != input2.shape or target.ndim != input1.ndim - 1:
        raise RuntimeError(
            f"cosine_embedding_loss: expects inputs (N, D) and target (N,), or (D,) and (); got {tuple(input1.shape)}, "
            f"{tuple(input2.shape)} and {tuple(target.shape)}"
        )
    lengths = ((input1 * input1).sum(-1) + SMALL) * ((input2 * input2).sum(-1) + SMALL)
    cos = (input1 * input2).sum(-1) / lengths.sqrt()
    near = where(eq(target, 1), 1 - cos, 0.0)
    return reduced(near + where(eq(target, -1), clamp_min(cos - margin, 0), 0.0), reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    *,
    reduction: str = "mean",
) -> Tensor:
    """The mean of max(0, margin + d(a, p) − d(a, n)); with `swap` n's distance is the smaller of those to a and p."""
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            f"The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        )
    if margin <= 0:
        raise ValueError(f"triplet_margin_loss: margin must be positive, got {margin}")
    near, far = pairwise_distance(anchor, positive, p, eps), pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduced(clamp_min(margin + near - far, 0), reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` with a distance of one's own."""
    check_reduction(reduction)
    if margin <= 0:
        raise ValueError(f"triplet_margin_with_distance_loss: margin must be positive, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            f"The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        )
    d = distance_function or pairwise_distance
    near, far = d(anchor, positive), d(anchor, negative)
    if swap:
        far = minimum(far, d(positive, negative))
    return reduced(clamp_min(margin + near - far, 0), reduction)


def _as_classes(input: Tensor) -> Tensor:
    """A number by itself is the score of a single class."""
    return input if input.ndim else input.reshape(1)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
) -> Tensor:
    """The mean of Σ_{k≠t} w[t] max(0, margin − x[t] + x[k])ᵖ / C; scores (N, C) and classes (N,), or (C,) and ()."""
    check_reduction(reduction)
    if weight is not None and weight.ndim != 1:
        raise ValueError(f"weight must be one-dimensional, not {tuple(weight.shape)}")
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if input.ndim > 2:
        raise RuntimeError(f"multi_margin_loss: expected input (N, C) or (C,), got {tuple(input.shape)}")
    x, t = _as_classes(input), target
    if x.ndim == 1 and tuple(t.shape) == (1,):
        t = t.reshape(())
    x, t = by_rows("multi_margin_loss", x, t)
    classes = x.shape[1]
    check_classes("multi_margin_loss", t, classes, -(2**63), weight)
    right = t.reshape(-1, 1)
    short = clamp_min(margin - gather(x, 1, right) + x, 0) ** p
    of_others = masked_fill(short, Tensor(right.array == np.arange(classes)), 0.0)
    losses = of_others.sum(1) / classes
    if weight is not None:
        losses = losses * weight[t]
    return reduced(losses.reshape(target.shape), reduction)
