"""Dropout: each number is kept with probability 1 − p, or becomes 0; what is kept grows by 1/(1 − p).

    z = a · m / (1 − p)        ∂E/∂a = δ · m / (1 − p)

    a, z: any shape   m: 1 (kept) or 0, of a shape that broadcasts to a's: (N, C, 1, 1) drops whole maps

The expectation of z is a, so nothing is to be done when the network is used. (The paper scales by 1 − p at test
time instead; a network needs one of the two, never both.) The mask is an input of the operation: it is drawn
outside, and forward and backward see the same.

Source: Srivastava et al. 2014; whole maps: Tompson et al. 2015.
PyTorch: torch.nn.functional.dropout and dropout2d. The masks come from the engine's own stream, not PyTorch's.
"""

import warnings
from typing import Any

import numpy as np

from underhood.engine import random, tape
from underhood.engine.compile import compiled
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.inplace import maybe_in_place
from underhood.engine.tensor import Tensor


def dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: np.random.Generator | None = None,
) -> Tensor:
    """Drop each number of `input` with probability `p`. Outside training, the input itself.

    The mask is drawn from `generator`, or from the engine's own stream.
    """
    return drop(input, input.shape, p, training, inplace, generator)


def dropout1d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: np.random.Generator | None = None,
) -> Tensor:
    """Drop whole channels of `input` (N, C, L) or (C, L)."""
    if input.ndim not in (2, 3):
        raise RuntimeError(f"dropout1d: expected (N, C, L) or (C, L), got {tuple(input.shape)}.")
    return drop(input, (*input.shape[:-1], 1), p, training, inplace, generator)


def dropout2d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    generator: np.random.Generator | None = None,
) -> Tensor:
    """Drop whole maps of `input` (N, C, H, W).

    Three axes are read as (N, C, L), with a warning, and any other number as (N, C, …), as torch does.
    """
    if input.ndim < 2:
        raise RuntimeError(f"dropout2d: input {tuple(input.shape)} should have a batch and a channel axis.")
    if input.ndim == 3:
        warnings.warn("dropout2d: a 3-D input is read as (N, C, L); its channels are dropped", stacklevel=2)
    return drop(input, (*input.shape[:2], *(1,) * (input.ndim - 2)), p, training, inplace, generator)


def drop(
    input: Tensor,
    shape: tuple[int, ...],
    p: float,
    training: bool,
    inplace: bool,
    generator: np.random.Generator | None,
) -> Tensor:
    """Draw a mask of `shape` and apply it."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if not training or p == 0:
        return input

    def draw() -> Array:
        return np.asarray(random.stream(generator).random(shape, np.float32) >= p)

    mask = Tensor(draw())
    if (who := tape.listener()) is not None:
        who.side_effect("drawn", tensor=mask, again=draw)
    return maybe_in_place(ENTRY, inplace, input, mask, p=p)


def scale(p: float) -> float:
    """1/(1 − p); nothing is kept at p = 1, so any number will do there."""
    return 1 / (1 - p) if p < 1 else 0.0


def definition(a: Array, mask: Array, *, p: float) -> Array:
    z = np.empty(a.shape, a.dtype)
    _definition(a, np.broadcast_to(mask, a.shape), scale(p), z.reshape(-1))
    return z


@compiled
def _definition(a: Array, mask: Array, scale: float, z: Array) -> None:
    for i in range(a.size):
        z[i] = a.flat[i] * scale if mask.flat[i] else 0.0


def definition_backward(dz: Array, z: Array, a: Array, mask: Array, *, p: float) -> tuple[Array, None]:
    return definition(dz, mask, p=p), None


def vector(a: Array, mask: Array, *, p: float) -> Array:
    return a * (mask * a.dtype.type(scale(p)))


def vector_backward(dz: Array, z: Array, a: Array, mask: Array, *, p: float) -> tuple[Array, None]:
    return vector(dz, mask, p=p), None


def ask(_: Any, a: Any, mask: Any, *, p: float) -> Any:
    """PyTorch draws its own masks, so it is asked for the product."""
    return a * mask * scale(p)


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal

    def mask(*shape: int) -> Array:
        return np.asarray(rng.random(shape) < 0.6)

    return [
        Sample((n(size=(3, 4)), mask(3, 4)), {"p": 0.4}),
        Sample((n(size=(2, 3, 4, 2)), mask(2, 3, 1, 1)), {"p": 0.4}, "whole maps"),
        Sample((n(size=(2, 3)), np.zeros((2, 3), bool)), {"p": 1.0}, "nothing kept"),
        Sample((n(size=(0, 3)), mask(0, 3)), {"p": 0.5}, "empty"),
        Sample((n(size=()), mask()), {"p": 0.5}, "a scalar"),
        Sample((n(size=(4, 6))[::2, ::-3], mask(2, 2)), {"p": 0.5}, "non-contiguous"),
    ]


ENTRY = Operation(
    "dropout",
    dropout,
    definition=Form(definition, definition_backward),
    vector=Form(vector, vector_backward),
    reference="torch.nn.functional.dropout",
    ask=ask,
    saves=("mask",),
    samples=samples,
)
