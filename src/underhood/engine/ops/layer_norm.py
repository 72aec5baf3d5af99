"""Layer normalisation: every example at mean 0 and variance 1 by itself, then scaled and shifted.

    μ = 1/M Σᵢ a[i]      σ² = 1/M Σᵢ (a[i] − μ)²        over the M numbers of the last axes, `normalized_shape`
    â = (a − μ) / √(σ² + ε)      z = w â + b

    a, z: (…, *normalized_shape)   w, b: normalized_shape or None   μ, 1/√(σ²+ε): (…)

Both statistics depend on a. With δ = ∂E/∂z and δ̂ = w δ

    ∂E/∂a = (δ̂ − 1/M Σ δ̂ − â · 1/M Σ δ̂ â) / √(σ² + ε)        ∂E/∂w = Σ δ â,  ∂E/∂b = Σ δ  over the examples

It is batch_norm's rule with the examples in the place of the channels; training and evaluation are the same.

Source: Ba, Kiros & Hinton 2016. PyTorch: torch.nn.functional.layer_norm, same meaning.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops.checks import same_dtype
from underhood.engine.tensor import Tensor, apply


def layer_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise `input` over its last axes, which are `normalized_shape`; `weight` and `bias` have that shape."""
    shape = check("layer_norm", input, normalized_shape, {"weight": weight, "bias": bias})
    return apply(ENTRY, input, weight, bias, normalized_shape=shape, eps=eps)[0]


def check(
    name: str, input: Tensor, normalized_shape: int | Sequence[int], others: dict[str, Tensor | None]
) -> tuple[int, ...]:
    """`normalized_shape` as a tuple that the input and the parameters fit."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or input.shape[-len(shape) :] != shape:
        raise RuntimeError(
            f"{name}: given normalized_shape={list(shape)}, expected input with shape "
            f"[*, {', '.join(map(str, shape))}], but got {tuple(input.shape)}."
        )
    for what, x in others.items():
        if x is not None and x.shape != shape:
            raise RuntimeError(f"{name}: {what} {tuple(x.shape)} should have normalized_shape {shape}.")
    same_dtype(name, input, others)
    return shape


def standardise(rows: Array, eps: float) -> tuple[Array, Array, Array]:
    """Every row at mean 0 and variance 1: â, μ and 1/√(σ²+ε)."""
    mean, var = rows.mean(-1, keepdims=True), rows.var(-1, keepdims=True)
    scale = 1 / np.sqrt(var + rows.dtype.type(eps))
    normal = rows - mean
    normal *= scale
    return normal, mean, scale


def standardise_backward(delta: Array, normal: Array, scale: Array) -> Array:
    """∂E/∂a from δ̂, â and 1/√(σ²+ε)."""
    da = normal * -(delta * normal).mean(-1, keepdims=True)
    da += delta
    da -= delta.mean(-1, keepdims=True)
    da *= scale
    return da


def vector(
    a: Array, w: Array | None, b: Array | None, *, normalized_shape: tuple[int, ...], eps: float
) -> tuple[Array, Array, Array]:
    z, mean, scale = standardise(as_rows(a, normalized_shape), eps)
    if w is not None:
        z *= w.reshape(-1)
    if b is not None:
        z += b.reshape(-1)
    return z.reshape(a.shape), mean, scale


def vector_backward(
    dz: Array,
    z: Array,
    mean: Array,
    scale: Array,
    a: Array,
    w: Array | None,
    b: Array | None,
    *,
    normalized_shape: tuple[int, ...],
    eps: float,
) -> tuple[Array | None, ...]:
    delta = as_rows(dz, normalized_shape)
    normal = (as_rows(a, normalized_shape) - mean) * scale
    dw = None if w is None else (delta * normal).sum(0).reshape(w.shape)
    db = None if b is None else delta.sum(0).reshape(b.shape)
    da = standardise_backward(delta if w is None else delta * w.reshape(-1), normal, scale)
    return da.reshape(a.shape), dw, db


def as_rows(a: Array, normalized_shape: tuple[int, ...]) -> Array:
    """(…, *normalized_shape) as (examples, M)."""
    examples = a.shape[: a.ndim - len(normalized_shape)]
    return a.reshape(int(np.prod(examples)), int(np.prod(normalized_shape)))


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal
    four: dict[str, Any] = {"normalized_shape": (4,), "eps": 1e-5}
    return [
        Sample((n(2, 3, (3, 4)), n(size=4), n(size=4)), four),
        Sample((n(2, 3, (2, 3, 4)), n(size=(3, 4)), None), {**four, "normalized_shape": (3, 4)}, "two axes, no shift"),
        Sample((n(2, 3, (2, 3, 4)), None, None), {**four, "eps": 0.1}, "no scale and shift, a large epsilon"),
        Sample((np.ones((2, 4)), n(size=4), n(size=4)), four, "no variance"),
        Sample((n(2, 3, (4,)), n(size=4), n(size=4)), four, "one example"),
        Sample((n(size=(0, 4)), n(size=4), n(size=4)), four, "empty batch"),
        Sample((n(size=(4, 6))[:, ::2].T, n(size=8)[::2], n(size=4)), four, "non-contiguous"),
    ]


def ask(layer_norm: Any, a: Any, w: Any, b: Any, *, normalized_shape: Any, eps: float) -> Any:
    return layer_norm(a, normalized_shape, w, b, eps)


ENTRY = Operation(
    "layer_norm",
    layer_norm,
    vector=Form(vector, vector_backward),
    reference="torch.nn.functional.layer_norm",
    ask=ask,
    saves=("a", "w"),
    samples=samples,
)
