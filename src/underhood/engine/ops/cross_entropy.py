"""Softmax cross-entropy: how surprised the network is by the right class.

    o = softmax(x)        E[n] = −Σₖ w[k] q[n,k] log o[n,k]

    q[n,k] = (1 − ε) [k = t[n]] + ε/C,  the right class, with ε of the certainty spread over all C of them

    loss = Σ E[n] / Σ w[t[n]]  ("mean"),  Σ E[n]  ("sum"),  or the E[n]  ("none"); 0 where t[n] is `ignore_index`

    x: (N, C) logits   t: (N,) int64 classes   w: (C,) or None for ones   loss: () or (N,)

Softmax and logarithm together have the gradient that makes the pair worth having:

    ∂E[n]/∂x[n,k] = o[n,k] Σⱼ w[j] q[n,j] − w[k] q[n,k],        with w = 1 simply o[n,k] − q[n,k]

Images of classes, x (N, C, d₁, …) and t (N, d₁, …), are taken as N·d₁·… rows; where t holds chances instead of
classes, see soft_cross_entropy.

Sources: Bridle 1990; ε, Szegedy et al. 2016. PyTorch: torch.nn.functional.cross_entropy.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from underhood.engine.compile import compiled
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.losses import REDUCTIONS, by_rows, check_classes, check_reduction, distribute, reduce
from underhood.engine.ops.nll_loss import weights
from underhood.engine.ops.soft_cross_entropy import soft_cross_entropy
from underhood.engine.tensor import Tensor, apply


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """−log softmax(input)[target]; `input` (N, C, …) or (C,) logits, `target` (N, …) classes or chances like input."""
    check_reduction(reduction)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    if target.is_floating_point() and target.shape == input.shape:
        return soft_cross_entropy(input, target, weight, reduction=reduction, label_smoothing=label_smoothing)
    x, t = by_rows("cross_entropy", input, target)
    check_classes("cross_entropy", t, x.shape[1], ignore_index, weight)
    smoothing = float(label_smoothing)
    loss = apply(ENTRY, x, t, weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=smoothing)[0]
    return loss.reshape(target.shape) if reduction == "none" else loss


# -- definition --


def definition(
    x: Array, t: Array, w: Array | None, *, ignore_index: int, reduction: str, label_smoothing: float
) -> tuple[Array, Array]:
    losses, o = _definition(*_in_order(x, t, w), ignore_index, label_smoothing)
    return reduce(losses, reduction, _mass(t, w, ignore_index, x)), o


@compiled
def _definition(x: Array, t: Array, w: Array, ignore_index: int, label_smoothing: float) -> tuple[Array, Array]:
    N, C = x.shape
    losses, o = np.zeros(N, x.dtype), np.empty(x.shape, x.dtype)
    for n in range(N):
        top = x[n].max()
        total = 0.0
        for k in range(C):
            o[n, k] = np.exp(x[n, k] - top)
            total += o[n, k]
        for k in range(C):
            o[n, k] /= total
            q = (1.0 - label_smoothing if k == t[n] else 0.0) + label_smoothing / C
            if q > 0 and t[n] != ignore_index:
                losses[n] -= w[k] * q * (x[n, k] - top - np.log(total))
    return losses, o


def definition_backward(
    dz: Array,
    z: Array,
    o: Array,
    x: Array,
    t: Array,
    w: Array | None,
    *,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> tuple[Array, None, None]:
    d = np.ascontiguousarray(distribute(dz, t, reduction, _mass(t, w, ignore_index, o)))
    return _definition_backward(d, *_in_order(o, t, w), ignore_index, label_smoothing), None, None


@compiled
def _definition_backward(d: Array, o: Array, t: Array, w: Array, ignore_index: int, label_smoothing: float) -> Array:
    N, C = o.shape
    dx = np.zeros(o.shape, o.dtype)
    for n in range(N):
        if t[n] == ignore_index:
            continue
        mass = 0.0
        for j in range(C):
            mass += w[j] * ((1.0 - label_smoothing if j == t[n] else 0.0) + label_smoothing / C)
        for k in range(C):
            q = (1.0 - label_smoothing if k == t[n] else 0.0) + label_smoothing / C
            dx[n, k] = d[n] * (o[n, k] * mass - w[k] * q)
    return dx


def _in_order(x: Array, t: Array, w: Array | None) -> tuple[Array, Array, Array]:
    """The arrays as the loops take them: contiguous, and with weights."""
    weight = np.ones(x.shape[1], x.dtype) if w is None else np.ascontiguousarray(w)
    return np.ascontiguousarray(x), np.ascontiguousarray(t), weight


def _mass(t: Array, w: Array | None, ignore_index: int, x: Array) -> Any:
    """What the mean divides by: the weights of the classes that count."""
    return weights(t, w, ignore_index, x.dtype).sum()


# -- vector --


def vector(
    x: Array, t: Array, w: Array | None, *, ignore_index: int, reduction: str, label_smoothing: float
) -> tuple[Array, Array]:
    shifted = x - x.max(axis=1, keepdims=True)
    o = np.exp(shifted)
    total = o.sum(axis=1, keepdims=True)
    o /= total
    each, row = weights(t, w, ignore_index, x.dtype), np.arange(len(t))
    right = np.where(t == ignore_index, 0, t)
    losses = (1 - label_smoothing) * each * (np.log(total[:, 0]) - shifted[row, right])
    if label_smoothing:
        spread = (np.log(total) - shifted) * (1 if w is None else w)
        losses += np.where(t == ignore_index, 0, spread.sum(axis=1) * (label_smoothing / x.shape[1]))
    return reduce(losses, reduction, each.sum()), o


def vector_backward(
    dz: Array,
    z: Array,
    o: Array,
    x: Array,
    t: Array,
    w: Array | None,
    *,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> tuple[Array, None, None]:
    each, row = weights(t, w, ignore_index, o.dtype), np.arange(len(t))
    q = np.full(o.shape, label_smoothing / o.shape[1], o.dtype)
    q[row, np.where(t == ignore_index, 0, t)] += 1 - label_smoothing
    q *= 1 if w is None else w
    d = np.where(t == ignore_index, 0, distribute(dz, t, reduction, each.sum()))
    return ((o * q.sum(axis=1, keepdims=True) - q) * d[:, None]).astype(o.dtype), None, None


# -- fast: loss and gradient in the same pass over a row, while it is near; backward only scales it --


def fast(
    x: Array, t: Array, w: Array | None, *, ignore_index: int, reduction: str, label_smoothing: float
) -> tuple[Array, Array]:
    losses, dx = np.empty(len(x) if reduction == "none" else 1, x.dtype), np.empty(x.shape, x.dtype)
    weight = _ones(x.shape[1], x.dtype) if w is None else np.ascontiguousarray(w)
    smoothing, mode = x.dtype.type(label_smoothing), REDUCTIONS.index(reduction)
    _fast(np.ascontiguousarray(x), np.ascontiguousarray(t), weight, losses, dx, ignore_index, smoothing, mode)
    return losses if reduction == "none" else losses.reshape(()), dx


@lru_cache(maxsize=64)
def _ones(classes: int, dtype: Any) -> Array:
    return np.ones(classes, dtype)


@compiled
def _fast(
    x: Array, t: Array, w: Array, losses: Array, dx: Array, ignore_index: int, smoothing: float, mode: int
) -> None:
    """`mode` is the index of the reduction in REDUCTIONS; dx is the gradient of the loss, or of each row's."""
    N, C = x.shape
    mass, sum_of_losses, zero = x.dtype.type(0), 0.0, x.dtype.type(0)
    for n in range(N):
        loss = zero
        if t[n] == ignore_index:
            dx[n] = zero
        else:
            top, total, spread, all_weights = x[n].max(), zero, zero, zero
            for k in range(C):
                dx[n, k] = np.exp(x[n, k] - top)
                total += dx[n, k]
            right, log_total = w[t[n]], np.log(total)
            if smoothing > 0:
                for k in range(C):
                    spread += w[k] * (log_total + top - x[n, k])
                    all_weights += w[k]
            loss = (1 - smoothing) * right * (log_total + top - x[n, t[n]]) + smoothing / C * spread
            scale = ((1 - smoothing) * right + smoothing / C * all_weights) / total
            for k in range(C):
                dx[n, k] = dx[n, k] * scale - smoothing / C * w[k]
            dx[n, t[n]] -= (1 - smoothing) * right
            mass += right
        if mode == 2:
            losses[n] = loss
        sum_of_losses += loss
    if mode == 0:
        losses[0] = sum_of_losses / mass
        for n in range(N if mass != 0 else 0):
            for k in range(C):
                dx[n, k] /= mass
    elif mode == 1:
        losses[0] = sum_of_losses


def fast_backward(
    dz: Array, z: Array, dx: Array, x: Array, t: Array, w: Array | None, *, reduction: str, **settings: Any
) -> tuple[Array, None, None]:
    return dx * (dz[:, None] if reduction == "none" else dz), None, None


def samples(rng: np.random.Generator) -> list[Sample]:
    x, t, w = rng.normal(0, 2, (6, 4)), rng.integers(0, 4, 6), rng.uniform(0.5, 2, 4)
    plain = {"ignore_index": -100, "reduction": "mean", "label_smoothing": 0.0}
    every = {"ignore_index": int(t[0]), "label_smoothing": 0.3}
    return [
        *(Sample((x, t, None), {**plain, "reduction": reduction}) for reduction in REDUCTIONS),
        *(Sample((x, t, w), {**every, "reduction": r}, "weights, smoothing, some ignored") for r in REDUCTIONS),
        Sample((x, t, w), plain, "weights"),
        Sample((x, t, None), {**plain, "label_smoothing": 0.1}, "smoothing"),
        Sample((100 * x, t, None), plain, "far apart"),
        Sample((x[:1], t[:1], None), plain, "size one"),
        Sample((x[:0], t[:0], None), {**plain, "reduction": "sum"}, "empty"),
        Sample((rng.normal(size=(4, 12))[:, ::3].T, rng.integers(0, 4, 8)[::2], None), plain, "non-contiguous"),
    ]


def _by_torch(cross_entropy: Any, x: Any, t: Any, w: Any, **settings: Any) -> Any:
    return cross_entropy(x, t, None if w is None else w.detach(), **settings)


ENTRY = Operation(
    "cross_entropy",
    cross_entropy,
    definition=Form(definition, definition_backward),
    vector=Form(vector, vector_backward),
    fast=Form(fast, fast_backward),
    reference="torch.nn.functional.cross_entropy",
    ask=_by_torch,
    saves=("t", "w"),
    samples=samples,
)
