"""Batch normalisation: every channel at mean 0 and variance 1 over the batch, then scaled and shifted.

    μ[c] = 1/M Σ a[·,c,·]        σ²[c] = 1/M Σ (a[·,c,·] − μ[c])²        over the batch and all positions, M numbers
    â = (a − μ) / √(σ² + ε)      z = γ â + β

    a, z: (N, C), (N, C, L) or (N, C, H, W)   γ, β (w, b): (C,) or None   μ, σ²: (C,)

μ and σ² are the batch's own while training, when they depend on a, and given numbers otherwise. With δ = ∂E/∂z

    ∂E/∂γ = Σ δ â        ∂E/∂β = Σ δ

    given      ∂E/∂a = γ/√(σ²+ε) · δ
    training   ∂E/∂a = γ/√(σ²+ε) · (δ − 1/M Σ δ − â · 1/M Σ δ â)

The two means are what reaches a through μ and through σ²: δ loses what would shift or stretch the whole channel.
In particular ∂E/∂a adds up to 0 over the batch.

The variance that normalises is biased (1/M); the running one is kept unbiased (1/(M−1)). ε stands inside the root.

    running ← (1 − momentum) · running + momentum · batch's

Source: Ioffe & Szegedy 2015. PyTorch: torch.nn.functional.batch_norm, same meaning.
"""

from typing import Any

import numpy as np

from underhood.engine import tape
from underhood.engine.compile import compiled
from underhood.engine.fast import batch_norm as rows
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops.checks import one_a_channel
from underhood.engine.tensor import Tensor, apply


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise `input` (N, C, …) by the batch's statistics while training, else by the running ones.

    Training moves `running_mean` and `running_var`, where given, towards the batch's.
    """
    parameters = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    one_a_channel("batch_norm", input, parameters)
    if not training and (running_mean is None or running_var is None):
        raise RuntimeError("batch_norm: running_mean and running_var must be given outside training.")
    if not training:
        return apply(ENTRY, input, weight, bias, running_mean, running_var, training=False, eps=eps)[0]
    count = input.numel() // max(input.shape[1], 1)
    if count == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {input.shape}")
    if count == 0:  # an empty batch has no statistics, and moves none
        zeros, ones = (Tensor(np.full(input.shape[1], value, input.dtype)) for value in (0, 1))
        return apply(ENTRY, input, weight, bias, zeros, ones, training=False, eps=eps)[0]
    z, mean, var = apply(ENTRY, input, weight, bias, None, None, training=True, eps=eps)
    move(running_mean, mean.array, momentum, extra=0)
    move(running_var, var.array, momentum, extra=1, factor=count / (count - 1))
    return z


def move(running: Tensor | None, batch: Array, momentum: float, extra: int | None = None, factor: float = 1.0) -> None:
    """Move a running statistic towards `factor` times the batch's, in place and off the tape; `extra` says which of
    the operation's extras that is, if it is one.
    """
    if running is not None:
        if (who := tape.listener()) is not None:
            who.side_effect("moved", running=running, momentum=momentum, extra=extra, factor=factor)
        running.array *= 1 - momentum
        running.array += momentum * factor * batch
        running.versions[0] += 1


def definition(
    a: Array, w: Array | None, b: Array | None, mean: Array | None, var: Array | None, *, training: bool, eps: float
) -> tuple[Array, Array, Array]:
    x = maps(a)
    mean, var = _statistics(x) if training else (np.array(mean), np.array(var))
    scale = np.ones(len(mean), a.dtype) if w is None else np.ascontiguousarray(w)
    shift = np.zeros(len(mean), a.dtype) if b is None else np.ascontiguousarray(b)
    return _definition(x, scale, shift, mean, var, eps).reshape(a.shape), mean, var


@compiled
def _statistics(a: Array) -> tuple[Array, Array]:
    mean, var = np.zeros(a.shape[1], a.dtype), np.zeros(a.shape[1], a.dtype)
    count = a.shape[0] * a.shape[2]
    for c in range(a.shape[1]):
        total = 0.0
        for n in range(a.shape[0]):
            for i in range(a.shape[2]):
                total += a[n, c, i]
        mean[c] = total / count
        squares = 0.0
        for n in range(a.shape[0]):
            for i in range(a.shape[2]):
                squares += (a[n, c, i] - mean[c]) ** 2
        var[c] = squares / count
    return mean, var


@compiled
def _definition(a: Array, w: Array, b: Array, mean: Array, var: Array, eps: float) -> Array:
    z = np.empty(a.shape, a.dtype)
    for n in range(a.shape[0]):
        for c in range(a.shape[1]):
            for i in range(a.shape[2]):
                z[n, c, i] = w[c] * (a[n, c, i] - mean[c]) / np.sqrt(var[c] + eps) + b[c]
    return z


def definition_backward(
    dz: Array,
    z: Array,
    batch_mean: Array,
    batch_var: Array,
    a: Array,
    w: Array | None,
    b: Array | None,
    mean: Array | None,
    var: Array | None,
    *,
    training: bool,
    eps: float,
) -> tuple[Array | None, ...]:
    scale = np.ones(a.shape[1], a.dtype) if w is None else np.ascontiguousarray(w)
    da, dw, db = _definition_backward(maps(dz), maps(a), scale, batch_mean, batch_var, training, eps)
    return da.reshape(a.shape), None if w is None else dw, None if b is None else db, None, None


@compiled
def _definition_backward(
    dz: Array, a: Array, w: Array, mean: Array, var: Array, training: bool, eps: float
) -> tuple[Array, Array, Array]:
    da, dw, db = np.empty(a.shape, a.dtype), np.zeros(w.shape, a.dtype), np.zeros(w.shape, a.dtype)
    count = a.shape[0] * a.shape[2]
    for c in range(a.shape[1]):
        root = np.sqrt(var[c] + eps)
        for n in range(a.shape[0]):
            for i in range(a.shape[2]):
                dw[c] += dz[n, c, i] * (a[n, c, i] - mean[c]) / root
                db[c] += dz[n, c, i]
        for n in range(a.shape[0]):
            for i in range(a.shape[2]):
                delta = dz[n, c, i]
                if training:
                    delta -= db[c] / count + (a[n, c, i] - mean[c]) / root * dw[c] / count
                da[n, c, i] = w[c] / root * delta
    return da, dw, db


def vector(
    a: Array, w: Array | None, b: Array | None, mean: Array | None, var: Array | None, *, training: bool, eps: float
) -> tuple[Array, Array, Array]:
    x = maps(a)
    mean, var = (x.mean((0, 2)), x.var((0, 2))) if training else (np.array(mean), np.array(var))
    z = x - mean[:, None]
    z *= ((1 if w is None else w) / np.sqrt(var + eps))[:, None]
    if b is not None:
        z += b[:, None]
    return z.reshape(a.shape), mean, var


def vector_backward(
    dz: Array,
    z: Array,
    batch_mean: Array,
    batch_var: Array,
    a: Array,
    w: Array | None,
    b: Array | None,
    mean: Array | None,
    var: Array | None,
    *,
    training: bool,
    eps: float,
) -> tuple[Array | None, ...]:
    delta, root = maps(dz), np.sqrt(batch_var + eps)
    normal = maps(a) - batch_mean[:, None]
    normal /= root[:, None]
    dw, db = (delta * normal).sum((0, 2)), delta.sum((0, 2))
    slope = (1 if w is None else w) / root
    if training:
        count = delta.shape[0] * delta.shape[2]
        normal *= -(dw / count)[:, None]
        normal += delta
        normal -= (db / count)[:, None]
        da = normal
    else:
        da = delta * 1
    da *= slope[:, None]
    return da.reshape(a.shape), None if w is None else dw, None if b is None else db, None, None


# -- fast: two passes each way, in rows of consecutive elements (engine/fast/batch_norm.py) --


def fast(
    a: Array, w: Array | None, b: Array | None, mean: Array | None, var: Array | None, *, training: bool, eps: float
) -> tuple[Array, Array, Array]:
    x = maps(a)
    if not rows.offered(x):
        return vector(a, w, b, mean, var, training=training, eps=eps)
    mean, var = rows.statistics(x) if training else (np.array(mean), np.array(var))
    slope = (1 if w is None else w) / np.sqrt(var + a.dtype.type(eps))
    z = rows.normalised(x, mean, slope, np.zeros_like(slope) if b is None else b)
    return z.reshape(a.shape), mean, var


def fast_backward(
    dz: Array,
    z: Array,
    batch_mean: Array,
    batch_var: Array,
    a: Array,
    w: Array | None,
    b: Array | None,
    mean: Array | None,
    var: Array | None,
    *,
    training: bool,
    eps: float,
) -> tuple[Array | None, ...]:
    delta, x = maps(dz), maps(a)
    if not rows.offered(x):
        return vector_backward(dz, z, batch_mean, batch_var, a, w, b, mean, var, training=training, eps=eps)
    root = np.sqrt(batch_var + a.dtype.type(eps))
    db, dw = rows.gradient_sums(delta, x, batch_mean)
    dw /= root
    slope = (1 if w is None else w) / root
    if training:
        count = a.dtype.type(delta.shape[0] * delta.shape[2])
        da = rows.gradient(delta, x, batch_mean, slope, dw / (count * root), db / count)
    else:
        da = delta * slope[:, None]
    return da.reshape(a.shape), None if w is None else dw, None if b is None else db, None, None


def maps(a: Array) -> Array:
    """(N, C, …) as (N, C, positions), contiguous."""
    return np.ascontiguousarray(a).reshape(*a.shape[:2], int(np.prod(a.shape[2:])))


def ask(batch_norm: Any, a: Any, w: Any, b: Any, mean: Any, var: Any, *, training: bool, eps: float) -> Any:
    given = (None, None) if training else (mean.detach(), var.detach())
    return batch_norm(a, *given, w, b, training=training, eps=eps)


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal
    mean, var = n(size=3), rng.uniform(0.5, 2, 3)
    training, given = {"training": True, "eps": 1e-5}, {"training": False, "eps": 1e-5}
    w, b = n(size=3), n(size=3)
    return [
        Sample((n(2, 3, (4, 3, 5, 2)), w, b, None, None), training),
        Sample((n(2, 3, (4, 3, 5, 2)), None, None, None, None), training, "no scale and shift"),
        Sample((n(2, 3, (4, 3, 5, 2)), w, None, None, None), {**training, "eps": 0.1}, "a large epsilon, no shift"),
        Sample((n(2, 3, (4, 3, 5, 7)), w, b, None, None), training, "positions that fill no whole vectors"),
        Sample((n(2, 3, (2, 3, 6, 6)), None, b, mean, var), given, "given, more positions"),
        Sample((n(2, 3, (4, 3)), w, b, None, None), training, "no positions"),
        Sample((n(2, 3, (4, 3, 5)), w, b, None, None), training, "a line"),
        Sample((np.ones((2, 3, 2, 2)), w, b, None, None), training, "no variance"),
        Sample((n(2, 3, (1, 3, 2, 2)), w, b, None, None), training, "a batch of one"),
        Sample((n(2, 3, (2, 3, 2, 2)), w, b, mean, var), given, "given"),
        Sample((n(2, 3, (2, 3)), None, None, mean, var), given, "given, no scale and shift, no positions"),
        Sample((n(2, 3, (0, 3, 2, 2)), w, b, mean, var), given, "given, empty"),
        Sample((n(2, 3, (4, 5, 2, 3)).transpose(0, 3, 1, 2), n(size=6)[::2], b, None, None), training, "channels last"),
    ]


ENTRY = Operation(
    "batch_norm",
    batch_norm,
    definition=Form(definition, definition_backward),
    vector=Form(vector, vector_backward),
    fast=Form(fast, fast_backward),
    reference="torch.nn.functional.batch_norm",
    ask=ask,
    saves=("a", "w", "mean", "var"),
    samples=samples,
)
