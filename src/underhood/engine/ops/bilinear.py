"""The bilinear layer: every output is a product of two inputs, weighted pair by pair.

    z[n,o] = b[o] + Σᵢ Σⱼ x[n,i] · w[o,i,j] · y[n,j]

    x: (…, I)   y: (…, J)   w: (O, I, J)   b: (O,) or None   z: (…, O)

z is linear in each of its inputs while the others stand still, so with δ = ∂E/∂z

    ∂E/∂x[n,i] = Σ_o Σⱼ δ[n,o] w[o,i,j] y[n,j]        ∂E/∂y[n,j] = Σ_o Σᵢ δ[n,o] w[o,i,j] x[n,i]
    ∂E/∂w[o,i,j] = Σ_n δ[n,o] x[n,i] y[n,j]            ∂E/∂b[o] = Σ_n δ[n,o]

PyTorch: torch.nn.functional.bilinear, same layout and meaning.
"""

from typing import Any

import numpy as np

from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops.checks import same_dtype
from underhood.engine.ops.linear import rows
from underhood.engine.tensor import Tensor, apply


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`input1` (…, I) and `input2` (…, J) through `weight` (O, I, J); `bias` (O,)."""
    shapes = f"input1 {tuple(input1.shape)}, input2 {tuple(input2.shape)}, weight {tuple(weight.shape)}"
    if not input1.ndim or not input2.ndim or input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(f"bilinear: the batch axes of the inputs do not match: {shapes}.")
    if weight.ndim != 3 or weight.shape[1:] != (input1.shape[-1], input2.shape[-1]):
        raise RuntimeError(f"bilinear: weight should be (outputs, numbers of input1, numbers of input2): {shapes}.")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise RuntimeError(f"bilinear: bias {tuple(bias.shape)} should be ({len(weight)},): {shapes}.")
    same_dtype("bilinear", input1, {"input2": input2, "weight": weight, "bias": bias})
    return apply(ENTRY, input1, input2, weight, bias)


def vector(x: Array, y: Array, w: Array, b: Array | None) -> Array:
    z = np.einsum("ni,oij,nj->no", rows(x), w, rows(y), optimize=True)
    if b is not None:
        z = z + b
    return np.ascontiguousarray(z).reshape(*x.shape[:-1], len(w))


def vector_backward(dz: Array, z: Array, x: Array, y: Array, w: Array, b: Array | None) -> tuple[Array | None, ...]:
    delta = rows(dz)
    dx = np.einsum("no,oij,nj->ni", delta, w, rows(y), optimize=True)
    dy = np.einsum("no,oij,ni->nj", delta, w, rows(x), optimize=True)
    dw = np.einsum("no,ni,nj->oij", delta, rows(x), rows(y), optimize=True)
    return dx.reshape(x.shape), dy.reshape(y.shape), dw, None if b is None else delta.sum(0)


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal
    w: Any = n(size=(5, 3, 4))
    return [
        Sample((n(size=(2, 3)), n(size=(2, 4)), w, n(size=5))),
        Sample((n(size=(2, 6, 3)), n(size=(2, 6, 4)), w, None), note="two batch axes, no bias"),
        Sample((n(size=(0, 3)), n(size=(0, 4)), w, n(size=5)), note="empty batch"),
        Sample((n(size=(1, 1)), n(size=(1, 1)), n(size=(1, 1, 1)), n(size=1)), note="size one"),
        Sample((n(size=(3, 2)).T, n(size=(2, 8))[:, ::2], w.T.copy().T, n(size=5)), note="non-contiguous"),
    ]


ENTRY = Operation(
    "bilinear",
    bilinear,
    vector=Form(vector, vector_backward),
    reference="torch.nn.functional.bilinear",
    saves=("x", "y", "w"),
    samples=samples,
)
