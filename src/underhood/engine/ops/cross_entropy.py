"""Softmax cross-entropy: how surprised the network is by the right class.

    o = softmax(x)        E[n] = −log o[n, t[n]]        loss = mean, sum or none of the E[n]

    x: (N, C) logits   t: (N,) int64 classes in 0 … C−1   loss: () or (N,)

Softmax and logarithm together have the gradient that makes the pair worth having:

    ∂E[n]/∂x[n,k] = o[n,k] − [k = t[n]]

Source: Bridle 1990. PyTorch: torch.nn.functional.cross_entropy.
"""

import numpy as np

from underhood.engine.compile import compiled
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.tensor import Tensor, apply

REDUCTIONS = ("mean", "sum", "none")


def cross_entropy(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """−log softmax(input)[target]; `input` (N, C) logits, `target` (N,) classes as int64."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction!r} is not a valid value for reduction; there is {', '.join(REDUCTIONS)}")
    if input.ndim != 2 or target.shape != input.shape[:1]:
        raise ValueError(
            f"cross_entropy: input {tuple(input.shape)} and target {tuple(target.shape)} should be (N, C) and (N,)"
        )
    if target.dtype != np.int64:
        raise RuntimeError(f"cross_entropy: target should hold classes as int64, not {target.dtype}")
    t = target.array
    if t.size and not (t.min() >= 0 and t.max() < input.shape[1]):
        wrong = t[(t < 0) | (t >= input.shape[1])][0]
        raise IndexError(f"cross_entropy: target {wrong} is out of bounds for {input.shape[1]} classes")
    return apply(operation, input, target, reduction=reduction)[0]


def reduce(losses: Array, reduction: str) -> Array:
    """The losses of a batch as one number, or as they are."""
    if reduction == "none":
        return losses
    with np.errstate(invalid="ignore"):  # the mean of nothing is nan, as in torch
        return np.asarray(losses.sum() / (losses.dtype.type(losses.size) if reduction == "mean" else 1))


def share(dz: Array, count: int, reduction: str) -> Array:
    """The gradient that reaches each of `count` losses."""
    return dz if reduction == "none" else np.full(count, dz / max(count, 1) if reduction == "mean" else dz, dz.dtype)


def definition(x: Array, t: Array, *, reduction: str) -> tuple[Array, Array]:
    losses, o = _definition(x, t)
    return reduce(losses, reduction), o


@compiled
def _definition(x: Array, t: Array) -> tuple[Array, Array]:
    losses, o = np.empty(x.shape[0], x.dtype), np.empty(x.shape, x.dtype)
    for n in range(x.shape[0]):
        top = x[n].max()
        total = 0.0
        for k in range(x.shape[1]):
            o[n, k] = np.exp(x[n, k] - top)
            total += o[n, k]
        for k in range(x.shape[1]):
            o[n, k] /= total
        losses[n] = np.log(total) - (x[n, t[n]] - top)
    return losses, o


def definition_backward(dz: Array, z: Array, o: Array, x: Array, t: Array, *, reduction: str) -> tuple[Array, None]:
    return _definition_backward(share(dz, len(t), reduction), o, t), None


@compiled
def _definition_backward(d: Array, o: Array, t: Array) -> Array:
    dx = np.empty(o.shape, o.dtype)
    for n in range(o.shape[0]):
        for k in range(o.shape[1]):
            dx[n, k] = d[n] * (o[n, k] - (1.0 if k == t[n] else 0.0))
    return dx


def vector(x: Array, t: Array, *, reduction: str) -> tuple[Array, Array]:
    shifted = x - x.max(axis=1, keepdims=True)
    o = np.exp(shifted)
    total = o.sum(axis=1, keepdims=True)
    o /= total
    losses = np.log(total[:, 0]) - shifted[np.arange(len(t)), t]
    return reduce(losses, reduction), o


def vector_backward(dz: Array, z: Array, o: Array, x: Array, t: Array, *, reduction: str) -> tuple[Array, None]:
    dx = o.copy()
    dx[np.arange(len(t)), t] -= 1
    dx *= share(dz, len(t), reduction)[:, None]
    return dx, None


def samples(rng: np.random.Generator) -> list[Sample]:
    x, t = rng.normal(0, 2, (6, 4)), rng.integers(0, 4, 6)
    return [
        *(Sample((x, t), {"reduction": reduction}) for reduction in REDUCTIONS),
        Sample((100 * x, t), {"reduction": "mean"}, "far apart"),
        Sample((x[:1], t[:1]), {"reduction": "mean"}, "size one"),
        Sample((x[:0], t[:0]), {"reduction": "sum"}, "empty"),
        Sample(
            (rng.normal(size=(4, 12))[:, ::3].T, rng.integers(0, 4, 8)[::2]),
            {"reduction": "mean"},
            "non-contiguous",
        ),
    ]


operation = Operation(
    "cross_entropy",
    cross_entropy,
    definition=Form(definition, definition_backward),
    vector=Form(vector, vector_backward),
    twin="torch.nn.functional.cross_entropy",
    saves=("t",),
    samples=samples,
)
