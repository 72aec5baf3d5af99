"""From a function of numbers to every form of an operation on arrays.

An elementwise operation is settled by f(x) and f′(x). Its page writes these two as expressions that hold for a
number and for a whole array alike (`where` chooses in both), and they are lifted here:

    definition   a compiled loop, one number after the other
    vector       the same expression on the whole array, NumPy alone
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import overload

from underhood.engine.compile import compiled
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.tensor import Tensor, apply

Number = Any  # a float, or an array of them: the lifted functions take both


def where(condition: Any, a: Any, b: Any) -> Any:
    """`a` where the condition holds, else `b`: np.where on arrays, a plain choice in a compiled loop."""
    return np.where(condition, a, b)


@overload(where, strict=False)
def _where_number(condition: Any, a: Any, b: Any) -> Any:
    return lambda condition, a, b: a if condition else b


def elementwise(
    f: Callable[..., Number],
    slope: Callable[..., Number],
    *,
    name: str,
    twin: str,
    call: Callable[..., Any] | None = None,
    fast: Form | None = None,
    samples: Callable[[np.random.Generator], Any] | None = None,
) -> Callable[..., Tensor]:
    """The operation z = f(x), ∂E/∂x = f′(x)·∂E/∂z, registered under `name`; returns the function for tensors.

    Settings of f (a slope, a threshold) follow x by name. `call` replaces the plain function for tensors where
    PyTorch's has defaults or checks.
    """

    def simple(input: Tensor, **settings: Any) -> Tensor:
        return apply(operation, input, **settings)

    simple.__name__ = name
    simple.__doc__ = f.__doc__
    operation = Operation(
        name,
        call or simple,
        definition=_unary_loops(compiled(f), compiled(slope)),
        vector=_unary_arrays(f, slope),
        fast=fast,
        twin=twin,
        saves=("x",),
        samples=samples or unary_samples,
    )
    return operation.call


def _unary_arrays(f: Callable[..., Number], slope: Callable[..., Number]) -> Form:
    def vector(x: Array, **settings: Any) -> Array:
        return np.asarray(f(x, **settings), x.dtype)

    def vector_backward(dz: Array, z: Array, x: Array, **settings: Any) -> Array:
        return np.asarray(dz * slope(x, **settings), x.dtype)

    return Form(vector, vector_backward)


def _unary_loops(f: Any, slope: Any) -> Form:
    @compiled
    def forward(x: Array, z: Array, settings: tuple[Any, ...]) -> None:
        for i in range(x.size):
            z[i] = f(x.flat[i], *settings)

    @compiled
    def backward(dz: Array, x: Array, dx: Array, settings: tuple[Any, ...]) -> None:
        for i in range(x.size):
            dx[i] = dz.flat[i] * slope(x.flat[i], *settings)

    def definition(x: Array, **settings: Any) -> Array:
        z = np.empty(x.shape, x.dtype)
        forward(x, z.reshape(-1), tuple(settings.values()))
        return z

    def definition_backward(dz: Array, z: Array, x: Array, **settings: Any) -> Array:
        dx = np.empty(x.shape, x.dtype)
        backward(dz, x, dx.reshape(-1), tuple(settings.values()))
        return dx

    return Form(definition, definition_backward)


def binary(
    f: Callable[[Number, Number], Number],
    back_x: Callable[[Number, Number, Number], Number],
    back_y: Callable[[Number, Number, Number], Number],
    *,
    name: str,
    twin: str,
    saves: tuple[str, ...] = ("x", "y"),
    samples: Callable[[np.random.Generator], Any] | None = None,
) -> Callable[..., Tensor]:
    """The operation z = f(x, y) with broadcasting; `back_x(dz, x, y)` is the gradient that reaches x.

    The gradient of an input that was broadcast is the sum over its copies.
    """

    def call(input: Any, other: Any) -> Tensor:
        return apply(operation, *together(input, other))

    call.__name__ = name
    call.__doc__ = f.__doc__

    def vector(x: Array, y: Array) -> Array:
        return np.asarray(f(x, y))

    def vector_backward(dz: Array, z: Array, x: Array, y: Array, needs: tuple[bool, ...] = (True, True)) -> Any:
        dx = unbroadcast(back_x(dz, x, y), x) if needs[0] else None
        dy = unbroadcast(back_y(dz, x, y), y) if needs[1] else None
        return dx, dy

    operation = Operation(
        name,
        call,
        definition=_binary_loops(compiled(f), compiled(back_x), compiled(back_y)),
        vector=Form(vector, vector_backward),
        twin=twin,
        saves=saves,
        samples=samples or binary_samples,
    )
    return call


def _binary_loops(f: Any, back_x: Any, back_y: Any) -> Form:
    @compiled
    def forward(x: Array, y: Array, z: Array) -> None:
        for i in range(z.size):
            z[i] = f(x.flat[i], y.flat[i])

    @compiled
    def backward(dz: Array, x: Array, y: Array, dx: Array, dy: Array) -> None:
        for i in range(dz.size):
            dx[i] = back_x(dz.flat[i], x.flat[i], y.flat[i])
            dy[i] = back_y(dz.flat[i], x.flat[i], y.flat[i])

    def definition(x: Array, y: Array) -> Array:
        z = np.empty(np.broadcast_shapes(np.shape(x), np.shape(y)), np.result_type(x, y))
        forward(np.broadcast_to(x, z.shape), np.broadcast_to(y, z.shape), z.reshape(-1))
        return z

    def definition_backward(dz: Array, z: Array, x: Array, y: Array) -> tuple[Array, Array]:
        dx, dy = np.empty(dz.shape, dz.dtype), np.empty(dz.shape, dz.dtype)
        backward(dz, np.broadcast_to(x, dz.shape), np.broadcast_to(y, dz.shape), dx.reshape(-1), dy.reshape(-1))
        return unbroadcast(dx, x), unbroadcast(dy, y)

    return Form(definition, definition_backward)


def unbroadcast(gradient: Array, like: Any) -> Array:
    """Sum a gradient over the axes along which `like` was broadcast."""
    shape = np.shape(like)
    if gradient.shape == shape:
        return gradient
    extra = gradient.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(i + extra for i, n in enumerate(shape) if n == 1)
    return np.asarray(gradient.sum(axis=axes, keepdims=True)).reshape(shape)


def together(x: Any, y: Any) -> tuple[Any, Any]:
    """Two operands as torch would pair them: a Python number takes the tensor's dtype, and a float makes
    float32 of integers.
    """
    for a, b in ((x, y), (y, x)):
        if isinstance(a, Tensor) and not isinstance(b, Tensor):
            if isinstance(b, float) and not a.is_floating_point():
                a = Tensor(a.array.astype(np.float32))
            b = Tensor(np.asarray(b, np.result_type(a.array, b) if np.ndim(b) == 0 else None))
            x, y = (a, b) if isinstance(x, Tensor) else (b, a)
    try:
        np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        raise RuntimeError(f"shapes {tuple(x.shape)} and {tuple(y.shape)} do not broadcast together") from None
    return x, y


def unary_samples(rng: np.random.Generator) -> list[Sample]:
    """Numbers on both sides of zero; empty, size one, non-contiguous."""
    return [
        Sample((rng.normal(0, 2, (3, 5)),)),
        Sample((rng.normal(0, 30, (4, 1)),), note="far from zero"),
        Sample((rng.normal(size=(0, 3)),), note="empty"),
        Sample((rng.normal(size=(1,)),), note="size one"),
        Sample((rng.normal(size=(4, 6))[::2, ::-3],), note="non-contiguous"),
    ]


def binary_samples(rng: np.random.Generator) -> list[Sample]:
    """Equal shapes, broadcasting both ways, empty, size one, non-contiguous."""
    n = rng.normal
    return [
        Sample((n(size=(3, 4)), n(size=(3, 4)))),
        Sample((n(size=(3, 4)), n(size=(4,))), note="broadcast"),
        Sample((n(size=(2, 1, 4)), n(size=(3, 1))), note="broadcast both ways"),
        Sample((n(size=()), n(size=(2, 3))), note="a scalar"),
        Sample((n(size=(0, 3)), n(size=(3,))), note="empty"),
        Sample((n(size=(4, 6))[::2], n(size=(6, 2)).T), note="non-contiguous"),
    ]
