"""PReLU: a leaky ReLU that learns how much it leaks, for all channels together or for each.

    z[n,c,…] = x[n,c,…] where it is above 0, else w[c] · x[n,c,…]

    x: (N, C, …), (N,) or ()   w: (C,) or (1,)   z: as x

    ∂E/∂x = δ where x > 0, else w[c] δ        ∂E/∂w[c] = Σ x δ over the numbers of channel c that are not above 0

Source: He et al. 2015. PyTorch: torch.nn.functional.prelu.
"""

from typing import Any

import numpy as np

from underhood.engine.compile import compiled
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.lift import unbroadcast
from underhood.engine.tensor import Tensor, apply


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x above 0, weight · x below; `weight` has one number, or one for each channel (axis 1) of `input`."""
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.ndim > 1 or weight.numel() not in (1, channels):
        raise RuntimeError(
            f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {weight.numel()} and "
            f"channel size = {channels}; weight {tuple(weight.shape)}, input {tuple(input.shape)}."
        )
    if input.dtype != weight.dtype:
        raise RuntimeError(f"prelu: input is {input.dtype}, weight is {weight.dtype}; they must be the same")
    return apply(ENTRY, input, weight)


def slopes(w: Array, x: Array) -> Array:
    """w in x's shape: the slope below 0 of every number."""
    return np.broadcast_to(by_channel(w, x.ndim), x.shape)


def by_channel(w: Array, ndim: int) -> Array:
    """w in a shape that broadcasts along axis 1."""
    return w.reshape([-1 if i == 1 else 1 for i in range(ndim)])


def definition(x: Array, w: Array) -> Array:
    z = np.empty(x.shape, x.dtype)
    _definition(x.ravel(), slopes(w, x).ravel(), z.reshape(-1))
    return z


@compiled
def _definition(x: Array, w: Array, z: Array) -> None:
    for i in range(x.size):
        z[i] = x[i] if x[i] > 0 else w[i] * x[i]


def definition_backward(dz: Array, z: Array, x: Array, w: Array) -> tuple[Array, Array]:
    dx, dw = np.empty(x.shape, x.dtype), np.empty(x.shape, w.dtype)
    _definition_backward(dz.ravel(), x.ravel(), slopes(w, x).ravel(), dx.reshape(-1), dw.reshape(-1))
    return dx, _of_weight(dw, w)


@compiled
def _definition_backward(dz: Array, x: Array, w: Array, dx: Array, dw: Array) -> None:
    for i in range(x.size):
        dx[i] = dz[i] if x[i] > 0 else w[i] * dz[i]
        dw[i] = 0.0 if x[i] > 0 else x[i] * dz[i]


def _of_weight(dw: Array, w: Array) -> Array:
    """What each number asks of its slope, added up over the numbers that share it."""
    return unbroadcast(dw, by_channel(w, dw.ndim)).reshape(w.shape)


def vector(x: Array, w: Array) -> Array:
    return np.where(x > 0, x, slopes(w, x) * x)


def vector_backward(dz: Array, z: Array, x: Array, w: Array, needs: tuple[bool, ...] = (True, True)) -> Any:
    dx = dz * np.where(x > 0, x.dtype.type(1), slopes(w, x)) if needs[0] else None
    dw = _of_weight(np.where(x > 0, x.dtype.type(0), x * dz), w) if needs[1] else None
    return dx, dw


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal
    return [
        Sample((n(size=(2, 3, 4)), n(size=3))),
        Sample((n(size=(2, 3, 4)), n(size=1)), note="one slope"),
        Sample((n(size=(5,)), n(size=1)), note="a vector"),
        Sample((np.array([[-1.0, -0.0, 0.0, 1.0]]), n(size=4)), note="the kink at 0"),
        Sample((n(size=(4, 3)).T, n(size=8)[::2]), note="non-contiguous"),
        Sample((n(size=(0, 3)), n(size=3)), note="empty"),
    ]


ENTRY = Operation(
    "prelu",
    prelu,
    definition=(loops := Form(definition, definition_backward)),
    vector=Form(vector, vector_backward),
    fast=loops,
    reference="torch.nn.functional.prelu",
    saves=("x", "w"),
    samples=samples,
)
