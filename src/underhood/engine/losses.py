"""What the losses share: how they are reduced, and the lift from a loss of two numbers to one of two arrays.

    E[i] = f(x[i], t[i])        loss = (1/n) Σ E[i]  ("mean"),  Σ E[i]  ("sum"),  or E itself  ("none")

    ∂loss/∂x[i] = ∂f/∂x · δ/n,  δ,  or δ[i]

As with the elementwise functions, a page writes f and its two slopes once, for numbers and arrays alike.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from underhood.engine import tape
from underhood.engine.compile import compiled
from underhood.engine.forms import Array, Form, Operation
from underhood.engine.lift import Number, Samples, spread, together, unbroadcast
from underhood.engine.ops.reductions import mean, sum
from underhood.engine.tensor import Tensor, apply

REDUCTIONS = ("mean", "sum", "none")


def check_reduction(reduction: str) -> None:
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction; there is {', '.join(REDUCTIONS)}")


def reduced(losses: Tensor, reduction: str) -> Tensor:
    """The losses, on the tape, as one number or as they are."""
    check_reduction(reduction)
    return losses if reduction == "none" else {"mean": mean, "sum": sum}[reduction](losses)


def reduce(losses: Array, reduction: str, count: Any = None) -> Array:
    """The losses of a batch as one number, or as they are; a mean divides by `count`, by default their number."""
    if reduction == "none":
        return losses
    with np.errstate(invalid="ignore"):  # the mean of nothing is nan, as in torch
        return np.asarray(losses.sum() / losses.dtype.type(1 if reduction == "sum" else _count(losses, count)))


def distribute(dz: Array, like: Array, reduction: str, count: Any = None) -> Array:
    """The gradient that reaches each of the losses, of which `like` has the shape."""
    if reduction == "none":
        return dz
    with np.errstate(invalid="ignore", divide="ignore"):
        each = dz / dz.dtype.type(1 if reduction == "sum" else _count(like, count))
    return np.full(like.shape, each, dz.dtype)


def _count(losses: Array, count: Any) -> Any:
    return losses.size if count is None else count


# -- losses of two numbers --


def pairwise(
    f: Callable[..., Number],
    back_x: Callable[..., Number],
    back_t: Callable[..., Number] | None,
    *,
    name: str,
    reference: str,
    samples: Samples,
    ask: Callable[..., Any] | None = None,
) -> Operation:
    """The operation loss = reduction of f(x, t, *settings); `back_x` and `back_t` are the slopes of f, None where
    the target gets no gradient.
    """

    def call(input: Tensor, target: Tensor, *, reduction: str = "mean", **settings: Any) -> Tensor:
        check_reduction(reduction)
        return apply(operation, *together(input, target), reduction=reduction, **settings)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f.__doc__

    def vector(x: Array, t: Array, *, reduction: str, **settings: Any) -> Array:
        return reduce(np.asarray(f(x, t, **settings), x.dtype), reduction)

    def vector_backward(
        dz: Array,
        z: Array,
        x: Array,
        t: Array,
        *,
        reduction: str,
        needs: tuple[bool, ...] = (True, True),
        **settings: Any,
    ) -> Any:
        d = distribute(dz, np.broadcast_to(x, np.broadcast_shapes(x.shape, t.shape)), reduction)
        dx = unbroadcast(d * back_x(x, t, **settings), x) if needs[0] else None
        dt = unbroadcast(d * back_t(x, t, **settings), t) if needs[1] and back_t is not None else None
        return dx, dt

    loops = _pair_loops(compiled(f), compiled(back_x), compiled(back_t or _no_slope), back_t is not None)
    operation = Operation(
        name,
        call,
        definition=loops,
        vector=Form(vector, vector_backward),
        fast=loops,
        reference=reference,
        ask=ask,
        saves=("x", "t"),
        samples=samples,
    )
    return operation


def _no_slope(x: Number, t: Number) -> Number:
    return 0.0


def _pair_loops(f: Any, back_x: Any, back_t: Any, of_target: bool) -> Form:
    @compiled
    def forward(x: Array, t: Array, losses: Array, settings: tuple[Any, ...]) -> None:
        for i in range(losses.size):
            losses[i] = f(x[i], t[i], *settings)

    @compiled
    def backward(d: Array, x: Array, t: Array, dx: Array, dt: Array, settings: tuple[Any, ...]) -> None:
        for i in range(d.size):
            dx[i] = d[i] * back_x(x[i], t[i], *settings)
            dt[i] = d[i] * back_t(x[i], t[i], *settings)

    def definition(x: Array, t: Array, *, reduction: str, **settings: Any) -> Array:
        losses = np.empty(np.broadcast_shapes(x.shape, t.shape), x.dtype)
        forward(spread(x, losses), spread(t, losses), losses.reshape(-1), tuple(settings.values()))
        return reduce(losses, reduction)

    def definition_backward(
        dz: Array, z: Array, x: Array, t: Array, *, reduction: str, **settings: Any
    ) -> tuple[Array, Array | None]:
        like = np.broadcast_to(x, np.broadcast_shapes(x.shape, t.shape))
        dx, dt = np.empty(like.shape, x.dtype), np.empty(like.shape, t.dtype)
        d = distribute(dz, like, reduction).ravel()
        backward(d, spread(x, like), spread(t, like), dx.reshape(-1), dt.reshape(-1), tuple(settings.values()))
        return unbroadcast(dx, x), unbroadcast(dt, t) if of_target else None

    return Form(definition, definition_backward)


def warn_of_broadcast(input: Tensor, target: Tensor) -> None:
    """torch's warning: a target of another shape is most often a mistake."""
    if input.shape != target.shape:
        warnings.warn(
            f"Using a target size ({target.shape!r}) that is different to the input size ({input.shape!r}). This will "
            "likely lead to incorrect results due to broadcasting. Please ensure they have the same size.",
            UserWarning,
            stacklevel=3,
        )


def same_size(name: str, input: Tensor, target: Tensor) -> None:
    """Refuse a target of another shape."""
    if input.shape != target.shape:
        raise ValueError(
            f"{name}: Target size ({tuple(target.shape)}) must be the same as input size ({tuple(input.shape)})"
        )


# -- losses of classes --


def by_rows(name: str, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """`input` (N, C, d₁, …) or (C,) as rows of classes (M, C), and `target` (N, d₁, …) or () as (M,)."""
    if input.array.ndim == 2 and target.array.shape == input.array.shape[:1]:
        return input, target
    shape = tuple(input.shape)
    expected = shape[:1] + shape[2:] if input.ndim > 1 else ()
    if not input.ndim or (tuple(target.shape[:1]) != expected[:1] and input.ndim > 1):
        raise ValueError(
            f"{name}: Expected input batch_size ({shape[0] if shape else 'none'}) to match target batch_size "
            f"({target.shape[0] if target.ndim else 'none'}); input is {shape}, target {tuple(target.shape)}."
        )
    if tuple(target.shape) != expected:
        raise RuntimeError(f"{name}: Expected target size {list(expected)}, got {list(target.shape)}; input is {shape}")
    classes = shape[1] if input.ndim > 1 else shape[0]
    rows = input if input.ndim == 2 else input.movedim(min(1, input.ndim - 1), -1).reshape(math.prod(expected), classes)
    return rows, target.reshape(math.prod(expected))


def check_classes(name: str, target: Tensor, classes: int, ignore_index: int, weight: Tensor | None) -> None:
    """Classes are int64 and there, and there is a weight for each."""
    if target.dtype != np.int64:
        raise RuntimeError(f"{name}: expected scalar type int64 for the target but found {target.dtype}")

    def check(t: Array) -> None:
        if (wrong := _first_wrong(t.reshape(-1), classes, ignore_index)) >= 0:
            raise IndexError(f"{name}: Target {t.flat[wrong]} is out of bounds for {classes} classes.")

    tape.checked(target, check)
    if weight is not None and tuple(weight.shape) != (classes,):
        raise RuntimeError(
            f"{name}: weight tensor should be defined either for all {classes} classes or no classes, but got weight "
            f"tensor of shape {tuple(weight.shape)}"
        )


@compiled
def _first_wrong(t: Array, classes: int, ignore_index: int) -> int:
    """The index of the first target that is no class, -1 where there is none."""
    for i in range(t.size):
        if (t[i] < 0 or t[i] >= classes) and t[i] != ignore_index:
            return i
    return -1
