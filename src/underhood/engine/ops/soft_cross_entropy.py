"""Softmax cross-entropy against chances instead of a single right class.

    o = softmax(x)        E[n] = −Σₖ w[k] q[n,k] log o[n,k]        loss = Σ E[n]/N  ("mean"), Σ E[n], or the E[n]

    x: (N, C) logits   q: (N, C) chances   w: (C,) or None for ones   loss: () or (N,)

    ∂E[n]/∂x[n,k] = o[n,k] Σⱼ w[j] q[n,j] − w[k] q[n,k]        ∂E[n]/∂q[n,k] = −w[k] log o[n,k]

Mixed images (mixup) and a teacher's answers (distillation) are such chances. With `label_smoothing` ε they become
(1 − ε) q + ε/C first. PyTorch: torch.nn.functional.cross_entropy with a target of the input's shape.
"""

import math
from typing import Any

import numpy as np

from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.losses import REDUCTIONS, distribute, reduce
from underhood.engine.tensor import Tensor, apply


def soft_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """−Σ target · log softmax(input) over the classes; both (N, C, d₁, …) or (C,)."""
    classes = input.shape[min(1, input.ndim - 1)]
    if weight is not None and tuple(weight.shape) != (classes,):
        raise RuntimeError(
            f"cross_entropy: weight tensor should be defined either for all {classes} classes or no classes but got "
            f"weight tensor of shape: {tuple(weight.shape)}"
        )
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    loss = apply(ENTRY, _rows(input, classes), _rows(target, classes), weight, reduction=reduction)[0]
    return loss.reshape((*input.shape[:1], *input.shape[2:]) if input.ndim > 1 else ()) if reduction == "none" else loss


def _rows(x: Tensor, classes: int) -> Tensor:
    if x.ndim == 2:
        return x
    moved = x.movedim(min(1, x.ndim - 1), -1)
    return moved.reshape(math.prod(moved.shape[:-1]), classes)


def vector(x: Array, q: Array, w: Array | None, *, reduction: str) -> tuple[Array, Array]:
    shifted = x - x.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return reduce(-(logs * weighted(q, w)).sum(axis=1), reduction), logs


def vector_backward(
    dz: Array,
    z: Array,
    logs: Array,
    x: Array,
    q: Array,
    w: Array | None,
    *,
    reduction: str,
    needs: tuple[bool, ...] = (True, True, True),
) -> Any:
    d = distribute(dz, logs[:, 0], reduction)[:, None]
    wq = weighted(q, w)
    dx = d * (np.exp(logs) * wq.sum(axis=1, keepdims=True) - wq)
    return dx, -d * weighted(logs, w) if needs[1] else None, None


def weighted(q: Array, w: Array | None) -> Array:
    """w[k] q[n,k]"""
    return q if w is None else q * w


def samples(rng: np.random.Generator) -> list[Sample]:
    x, w = rng.normal(0, 2, (6, 4)), rng.uniform(0.5, 2, 4)
    q = rng.dirichlet(np.ones(4), 6)
    return [
        *(Sample((x, q, None), {"reduction": reduction}) for reduction in REDUCTIONS),
        Sample((x, q, w), {"reduction": "mean"}, "weights"),
        Sample((x[:1], q[:1], None), {"reduction": "none"}, "size one"),
        Sample((x[:0], q[:0], None), {"reduction": "sum"}, "empty"),
        Sample((x.T[:, ::2], q.T[:, ::2], None), {"reduction": "mean"}, "non-contiguous"),
    ]


def _by_torch(cross_entropy: Any, x: Any, q: Any, w: Any, **settings: Any) -> Any:
    return cross_entropy(x, q, None if w is None else w.detach(), **settings)


ENTRY = Operation(
    "soft_cross_entropy",
    soft_cross_entropy,
    vector=Form(vector, vector_backward),
    reference="torch.nn.functional.cross_entropy",
    ask=_by_torch,
    saves=("q", "w"),
    samples=samples,
)
