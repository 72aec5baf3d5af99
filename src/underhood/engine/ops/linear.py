"""The fully connected layer.

    z[n,j] = b[j] + Σᵢ a[n,i] · w[j,i]            z = a wᵀ + b

    a: (…, D)   w: (P, D)   b: (P,) or None   z: (…, P)

Each z[n,j] is linear in a, w and b, so with δ = ∂E/∂z

    ∂E/∂a[n,i] = Σⱼ δ[n,j] · w[j,i]               δ w
    ∂E/∂w[j,i] = Σₙ δ[n,j] · a[n,i]               δᵀ a
    ∂E/∂b[j]   = Σₙ δ[n,j]

Source: Rosenblatt 1958; Rumelhart, Hinton & Williams 1986.
PyTorch: torch.nn.functional.linear, same layout and meaning.
"""

from typing import Any

import numpy as np

from underhood.engine.compile import compiled
from underhood.engine.fast import linear as tiles
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.tensor import Tensor, apply


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """z = a wᵀ + b for every row a of `input` (…, D); `weight` (P, D), `bias` (P,)."""
    if input.ndim == 0 or input.shape[-1] != weight.shape[-1]:
        raise RuntimeError(
            f"linear: weight {tuple(weight.shape)} wants {weight.shape[-1]} input features, "
            f"input {tuple(input.shape)} has {input.shape[-1] if input.ndim else 'none'}."
        )
    if input.dtype != weight.dtype:
        raise RuntimeError(f"linear: input is {input.dtype}, weight is {weight.dtype}; they must be the same")
    return apply(ENTRY, input, weight, bias)


def definition(a: Array, w: Array, b: Array | None) -> Array:
    bias = np.zeros(len(w), w.dtype) if b is None else b
    z = _definition(*map(np.ascontiguousarray, (rows(a), w, bias)))
    return z.reshape(*a.shape[:-1], len(w))


@compiled
def _definition(a: Array, w: Array, b: Array) -> Array:
    z = np.empty((a.shape[0], w.shape[0]), a.dtype)
    for n in range(z.shape[0]):
        for j in range(z.shape[1]):
            z[n, j] = b[j]
            for i in range(w.shape[1]):
                z[n, j] += a[n, i] * w[j, i]
    return z


def definition_backward(dz: Array, z: Array, a: Array, w: Array, b: Array | None) -> Any:
    da, dw, db = _definition_backward(*map(np.ascontiguousarray, (rows(dz), rows(a), w)))
    return da.reshape(a.shape), dw, None if b is None else db


@compiled
def _definition_backward(dz: Array, a: Array, w: Array) -> tuple[Array, Array, Array]:
    da, dw, db = np.zeros(a.shape, a.dtype), np.zeros(w.shape, w.dtype), np.zeros(w.shape[0], w.dtype)
    for n in range(dz.shape[0]):
        for j in range(dz.shape[1]):
            db[j] += dz[n, j]
            for i in range(w.shape[1]):
                da[n, i] += dz[n, j] * w[j, i]
                dw[j, i] += dz[n, j] * a[n, i]
    return da, dw, db


def vector(a: Array, w: Array, b: Array | None) -> Array:
    z = a @ w.T
    if b is not None:
        z += b
    return z


def vector_backward(
    dz: Array, z: Array, a: Array, w: Array, b: Array | None, needs: tuple[bool, ...] = (True, True, True)
) -> Any:
    rows_dz = rows(dz)
    da = dz @ w if needs[0] else None
    dw = rows_dz.T @ rows(a) if needs[1] else None
    db = rows_dz.sum(0) if needs[2] and b is not None else None
    return da, dw, db


# -- fast: in register tiles (engine/fast/linear.py) --


def fast(a: Array, w: Array, b: Array | None) -> Array:
    matrix = rows(a)
    if not tiles.offered(matrix, w):
        return vector(a, w, b)
    return tiles.output(matrix, w, b).reshape(*a.shape[:-1], len(w))


def fast_backward(
    dz: Array, z: Array, a: Array, w: Array, b: Array | None, needs: tuple[bool, ...] = (True, True, True)
) -> Any:
    delta, matrix = rows(dz), rows(a)
    if not tiles.offered(delta, matrix):
        return vector_backward(dz, z, a, w, b, needs=needs)
    da = tiles.input_gradient(delta, w).reshape(a.shape) if needs[0] else None
    dw = tiles.weight_gradient(delta, matrix) if needs[1] else None
    db = delta.sum(0) if needs[2] and b is not None else None
    return da, dw, db


def rows(a: Array) -> Array:
    """(…, D) as a matrix (N, D): every axis but the last is a batch."""
    return a.reshape(-1, a.shape[-1]) if a.size else a.reshape(int(np.prod(a.shape[:-1])), a.shape[-1])


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal
    return [
        Sample((n(size=(4, 3)), n(size=(5, 3)), n(size=5))),
        Sample((n(size=(4, 3)), n(size=(5, 3)), None), note="no bias"),
        Sample((n(size=(20, 19)), n(size=(37, 19)), n(size=37)), note="larger than a register tile"),
        Sample((n(size=(33, 18)).T, n(size=(16, 33)), None), note="larger, non-contiguous, no bias"),
        Sample((n(size=(2, 3, 4)), n(size=(5, 4)), n(size=5)), note="two batch axes"),
        Sample((n(size=3), n(size=(5, 3)), n(size=5)), note="no batch"),
        Sample((n(size=(0, 3)), n(size=(5, 3)), n(size=5)), note="empty batch"),
        Sample((n(size=(1, 1)), n(size=(1, 1)), n(size=1)), note="size one"),
        Sample((n(size=(6, 3)).T, n(size=(6, 4)).T, n(size=8)[::2]), note="non-contiguous"),
    ]


ENTRY = Operation(
    "linear",
    linear,
    definition=Form(definition, definition_backward),
    vector=Form(vector, vector_backward),
    fast=Form(fast, fast_backward),
    reference="torch.nn.functional.linear",
    saves={"a": ("w",), "w": ("a",), "b": ()},
    samples=samples,
)
