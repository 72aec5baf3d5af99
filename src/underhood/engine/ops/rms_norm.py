"""Root-mean-square normalisation: every example divided by the root of its mean square, then scaled.

    r = 1 / √(1/M Σᵢ a[i]² + ε)      z = w a r        over the M numbers of the last axes, `normalized_shape`

    a, z: (…, *normalized_shape)   w: normalized_shape or None   r: (…)

layer_norm without the mean. ∂r/∂a[i] = −r³ a[i] / M, so with δ = ∂E/∂z and δ̂ = w δ

    ∂E/∂a = r (δ̂ − a r² · 1/M Σ δ̂ a)        ∂E/∂w = Σ δ a r  over the examples

Source: Zhang & Sennrich 2019. PyTorch: torch.nn.functional.rms_norm, same meaning.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops.layer_norm import as_rows, check
from underhood.engine.tensor import Tensor, apply


def rms_norm(
    input: Tensor, normalized_shape: int | Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """Normalise `input` over its last axes; `weight` has their shape. `eps` is the dtype's smallest step from 1."""
    shape = check("rms_norm", input, normalized_shape, {"weight": weight})
    smallest = float(np.finfo(input.dtype).eps) if eps is None else eps
    return apply(ENTRY, input, weight, normalized_shape=shape, eps=smallest)[0]


def vector(a: Array, w: Array | None, *, normalized_shape: tuple[int, ...], eps: float) -> tuple[Array, Array]:
    rows = as_rows(a, normalized_shape)
    r = 1 / np.sqrt((rows * rows).mean(-1, keepdims=True) + a.dtype.type(eps))
    z = rows * r
    if w is not None:
        z *= w.reshape(-1)
    return z.reshape(a.shape), r


def vector_backward(
    dz: Array, z: Array, r: Array, a: Array, w: Array | None, *, normalized_shape: tuple[int, ...], eps: float
) -> tuple[Array | None, ...]:
    delta, rows = as_rows(dz, normalized_shape), as_rows(a, normalized_shape)
    dw = None if w is None else (delta * rows * r).sum(0).reshape(w.shape)
    if w is not None:
        delta = delta * w.reshape(-1)
    da = r * (delta - rows * (r * r * (delta * rows).mean(-1, keepdims=True)))
    return da.reshape(a.shape), dw


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal
    four: dict[str, Any] = {"normalized_shape": (4,), "eps": 1e-5}
    return [
        Sample((n(2, 3, (3, 4)), n(size=4)), four),
        Sample((n(2, 3, (2, 3, 4)), n(size=(3, 4))), {**four, "normalized_shape": (3, 4)}, "two axes"),
        Sample((n(2, 3, (2, 3, 4)), None), {**four, "eps": 0.1}, "no scale, a large epsilon"),
        Sample((np.zeros((2, 4)), n(size=4)), four, "all zero"),
        Sample((n(size=(0, 4)), n(size=4)), four, "empty batch"),
        Sample((n(size=(4, 6))[:, ::2].T, n(size=8)[::2]), four, "non-contiguous"),
    ]


def ask(rms_norm: Any, a: Any, w: Any, *, normalized_shape: Any, eps: float) -> Any:
    return rms_norm(a, normalized_shape, w, eps)


ENTRY = Operation(
    "rms_norm",
    rms_norm,
    vector=Form(vector, vector_backward),
    reference="torch.nn.functional.rms_norm",
    ask=ask,
    saves=("a", "w"),
    samples=samples,
)
