"""The negative log-likelihood of the right class, given logarithms of chances.

    E[n] = −w[t[n]] · x[n, t[n]]        0 where t[n] is `ignore_index`
    loss = Σ E[n] / Σ w[t[n]]  ("mean"), Σ E[n]  ("sum"), or the E[n]  ("none")

    x: (N, C) logarithms   t: (N,) int64 classes   w: (C,) or None for ones

    ∂E[n]/∂x[n,k] = −w[t[n]] [k = t[n]]

Images of classes, x (N, C, d₁, …) and t (N, d₁, …), are taken as N·d₁·… rows.
After `log_softmax` this is the cross-entropy. PyTorch: torch.nn.functional.nll_loss.
"""

import numpy as np

from underhood.engine.compile import compiled
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.losses import REDUCTIONS, by_rows, check_classes, check_reduction, distribute, reduce
from underhood.engine.tensor import Tensor, apply


def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """−input[target], reduced; (N, C) and (N,), (C,) and (), or (N, C, d₁, …) and (N, d₁, …)."""
    check_reduction(reduction)
    x, t = by_rows("nll_loss", input, target)
    check_classes("nll_loss", t, x.shape[1], ignore_index, weight)
    loss = apply(ENTRY, x, t, weight, ignore_index=ignore_index, reduction=reduction)
    return loss.reshape(target.shape) if reduction == "none" else loss


def weights(t: Array, w: Array | None, ignore_index: int, dtype: np.dtype[np.floating]) -> Array:
    """w[t[n]], and 0 where the class is ignored."""
    counted = t != ignore_index
    return counted.astype(dtype) if w is None else np.where(counted, w[np.where(counted, t, 0)], dtype.type(0))


def definition(x: Array, t: Array, w: Array | None, *, ignore_index: int, reduction: str) -> Array:
    each = weights(t, w, ignore_index, x.dtype)
    return reduce(_definition(np.ascontiguousarray(x), np.ascontiguousarray(t), each), reduction, each.sum())


@compiled
def _definition(x: Array, t: Array, each: Array) -> Array:
    losses = np.zeros(t.size, x.dtype)
    for n in range(t.size):
        if each[n] != 0:
            losses[n] = -each[n] * x[n, t[n]]
    return losses


def definition_backward(
    dz: Array, z: Array, x: Array, t: Array, w: Array | None, *, ignore_index: int, reduction: str
) -> tuple[Array, None, None]:
    each = weights(t, w, ignore_index, x.dtype)
    d = distribute(dz, each, reduction, each.sum())
    return _definition_backward(np.ascontiguousarray(d), np.ascontiguousarray(t), each, x.shape[1]), None, None


@compiled
def _definition_backward(d: Array, t: Array, each: Array, classes: int) -> Array:
    dx = np.zeros((t.size, classes), d.dtype)
    for n in range(t.size):
        if each[n] != 0:
            dx[n, t[n]] = -each[n] * d[n]
    return dx


def vector(x: Array, t: Array, w: Array | None, *, ignore_index: int, reduction: str) -> Array:
    each = weights(t, w, ignore_index, x.dtype)
    n = np.flatnonzero(each)
    losses = np.zeros(t.shape, x.dtype)
    losses[n] = -each[n] * x[n, t[n]]
    return reduce(losses, reduction, each.sum())


def vector_backward(
    dz: Array, z: Array, x: Array, t: Array, w: Array | None, *, ignore_index: int, reduction: str
) -> tuple[Array, None, None]:
    each = weights(t, w, ignore_index, x.dtype)
    n = np.flatnonzero(each)
    dx = np.zeros(x.shape, dz.dtype)
    dx[n, t[n]] = -each[n] * distribute(dz, each, reduction, each.sum())[n]
    return dx, None, None


def samples(rng: np.random.Generator) -> list[Sample]:
    x, t = rng.normal(-2, 1, (6, 4)), rng.integers(0, 4, 6)
    w, plain = rng.uniform(0.5, 2, 4), {"ignore_index": -100, "reduction": "mean"}
    return [
        *(Sample((x, t, None), {**plain, "reduction": reduction}) for reduction in REDUCTIONS),
        *(Sample((x, t, w), {**plain, "reduction": reduction}, "weights") for reduction in ("mean", "none")),
        Sample((x, t, w), {"ignore_index": int(t[0]), "reduction": "mean"}, "some ignored"),
        Sample((x[:0], t[:0], None), {**plain, "reduction": "sum"}, "empty"),
        Sample((rng.normal(size=(4, 12))[:, ::2].T, np.repeat(t, 2)[::2], None), plain, "non-contiguous"),
    ]


ENTRY = Operation(
    "nll_loss",
    nll_loss,
    definition=Form(definition, definition_backward),
    vector=Form(vector, vector_backward),
    reference="torch.nn.functional.nll_loss",
    ask=lambda nll_loss, x, t, w, **settings: nll_loss(x, t, None if w is None else w.detach(), **settings),
    saves=("t", "w"),
    samples=samples,
)
