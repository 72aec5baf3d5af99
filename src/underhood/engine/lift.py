"""From a function of numbers to every form of an operation on arrays.

An elementwise operation is settled by f(x) and f′(x). Its page writes these two as expressions that hold for a
number and for a whole array alike (`where` chooses in both), and they are lifted here:

    definition   a compiled loop, one number after the other
    vector       the same expression on the whole array, NumPy alone
    fast         the compiled loop once more: one pass over memory where NumPy's expression makes a pass and an
                 array for every sign in it. Functions that NumPy has itself (exp, tanh) stay with NumPy, whose
                 loops are vectorised

`binary` does the same for f(x, y), with broadcasting.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numba.extending import overload

from underhood.engine import tape
from underhood.engine.compile import compiled
from underhood.engine.dtypes import DType, get_default_dtype, result_type
from underhood.engine.fast import elementwise as on_threads
from underhood.engine.fast.call import threads_for
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.inplace import maybe_in_place
from underhood.engine.ops.cast import cast
from underhood.engine.tensor import Tensor, apply

Number = Any  # a float, or an array of them: the lifted functions take both
Samples = Callable[[np.random.Generator], Any]


def where(condition: Any, a: Any, b: Any) -> Any:
    """`a` where the condition holds, else `b`: on numbers, NumPy's arrays and PyTorch's tensors, and a plain choice in
    a compiled loop.
    """
    if hasattr(condition, "logical_not"):  # a tensor of torch's, so torch is loaded; a NumPy bool has no such method
        return sys.modules["torch"].where(condition, a, b)
    return np.where(condition, a, b)


@overload(where, strict=False)
def _where_number(condition: Any, a: Any, b: Any) -> Any:
    return lambda condition, a, b: a if condition else b


quiet = np.errstate(all="ignore")  # as a decorator: 1/0 is inf without a warning, as in torch and in the loops


def shared(f: Callable[..., Number]) -> Callable[..., Number]:
    """Let the functions that are lifted call f: as it stands on arrays, compiled in loops."""
    overload(f, strict=False)(lambda *arguments: f)
    return f


# -- one argument --


def elementwise(
    f: Callable[..., Number],
    slope: Callable[..., Number],
    *,
    name: str,
    reference: str,
    of: str = "x",
    one_pass: bool = True,
    inplace: bool = False,
    integers: bool = False,
    loops: bool = True,
    ask: Callable[..., Any] | None = None,
    settings: dict[str, float] | None = None,
    kinks: Sequence[float] = (),
    samples: Samples | None = None,
) -> Callable[..., Tensor]:
    """The operation z = f(x), ∂E/∂x = f′·∂E/∂z, registered under `name`; returns the function for tensors.

    The settings of f (a slope, a threshold) follow x in its signature, with torch's defaults; the function for
    tensors has the same signature, and `inplace` behind it if that is asked for.

    `of="z"` says that `slope` takes the output, `of=""` that it is the same everywhere: then x need not be kept.
    `one_pass` makes the compiled loop the fast form; without `loops` there is the vector form alone. `integers` says
    that whole numbers stay whole; otherwise they become floats of the default dtype first. The samples come with the
    default settings, once with others if `settings` gives them, and at the `kinks`.
    """
    definition = unary_loops(f, slope, of) if loops else None
    operation = Operation(
        name,
        _function(f, name, inplace, integers),
        definition=definition,
        vector=unary_arrays(f, slope, of),
        fast=unary_threads(f, slope, of, definition) if one_pass and definition is not None else None,
        reference=reference,
        ask=ask,
        saves=(of,) if of else (),
        samples=_with_settings(samples or unary_samples, _defaults(f), settings, kinks),
    )
    operation.call.operation = operation  # type: ignore[attr-defined]
    return operation.call


def _function(f: Callable[..., Number], name: str, inplace: bool, integers: bool) -> Callable[..., Tensor]:
    """The function for tensors: f's signature, then `inplace`."""
    _, *settings = inspect.signature(f).parameters.values()
    last = [inspect.Parameter("inplace", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=False, annotation=bool)]
    first = inspect.Parameter("input", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Tensor)
    signature = inspect.Signature([first, *settings, *(last if inplace else [])], return_annotation=Tensor)
    defaults = _defaults(f)
    names = [p.name for p in signature.parameters.values()][1:]
    required = {p.name for p in settings} - defaults.keys()

    def function(input: Tensor, *args: Any, **options: Any) -> Tensor:
        constants, in_place = defaults, False
        if args or options or len(defaults) < len(settings):
            given = dict(zip(names, args, strict=False)) | options
            if len(given) < len(args) + len(options) or not required <= given.keys() <= set(names):
                signature.bind(input, *args, **options)  # which says what is wrong
            in_place = given.pop("inplace", False)
            constants = {p.name: float(given.get(p.name, p.default)) for p in settings}
        x = input if integers or input.array.dtype.kind == "f" else cast(input, get_default_dtype())
        return maybe_in_place(function.operation, in_place, x, **constants)  # type: ignore[attr-defined]

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f.__doc__
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


def _defaults(f: Callable[..., Number]) -> dict[str, float]:
    parameters = inspect.signature(f).parameters.values()
    return {p.name: float(p.default) for p in parameters if p.default is not p.empty}


def _with_settings(
    samples: Samples, defaults: dict[str, float], others: dict[str, float] | None, kinks: Sequence[float]
) -> Samples:
    def all_samples(rng: np.random.Generator) -> Iterator[Sample]:
        settings = defaults or others or {}
        for sample in samples(rng):
            yield Sample(sample.inputs, {**settings, **sample.settings}, sample.note)
        if others:
            yield Sample((rng.normal(0, 2, (3, 5)),), others, "other settings")
        if kinks:
            yield Sample((np.array(kinks),), settings, "the kinks")

    return all_samples


def unary_arrays(f: Callable[..., Number], slope: Callable[..., Number], of: str = "x") -> Form:
    """The vector form of z = f(x): f and its slope on whole arrays."""

    @quiet
    def vector(x: Array, **settings: Any) -> Array:
        return np.asarray(f(x, **settings), x.dtype)

    @quiet
    def vector_backward(dz: Array, z: Array, x: Array, **settings: Any) -> Array:
        return np.asarray(dz * slope(z if of == "z" else x, **settings), x.dtype)

    return Form(vector, vector_backward)


def unary_loops(f: Callable[..., Number], slope: Callable[..., Number], of: str = "x") -> Form:
    """The definition of z = f(x): f and its slope on one number after the other, in the order of memory."""
    f, slope = compiled(f), compiled(slope)

    @compiled
    def forward(x: Array, z: Array, settings: tuple[Any, ...]) -> None:
        for i in range(x.size):
            z[i] = f(x[i], *settings)

    @compiled
    def backward(dz: Array, x: Array, dx: Array, settings: tuple[Any, ...]) -> None:
        for i in range(x.size):
            dx[i] = dz[i] * slope(x[i], *settings)

    def definition(x: Array, **settings: Any) -> Array:
        z = np.empty_like(x)
        forward(in_line(x, z), in_line(z, z), tuple(settings.values()))
        return z

    def definition_backward(dz: Array, z: Array, x: Array, **settings: Any) -> Array:
        saved = z if of == "z" else x
        dx = np.empty_like(saved)
        backward(in_line(dz, dx), in_line(saved, dx), in_line(dx, dx), tuple(settings.values()))
        return dx

    return Form(definition, definition_backward)


def unary_threads(f: Callable[..., Number], slope: Callable[..., Number], of: str, alone: Form) -> Form:
    """The definition of z = f(x) on all threads, where there is enough to do."""
    f, slope = compiled(f), compiled(slope)

    def fast(x: Array, **settings: Any) -> Array:
        threads = threads_for(x.size)
        if threads == 1 or x.dtype.kind != "f":
            return np.asarray(alone.forward(x, **settings))
        z = np.empty_like(x)
        call = on_threads.forward(f, x.size, tuple(settings.values()), x.dtype, threads)
        call(in_line(x, z), in_line(z, z))
        return z

    def fast_backward(dz: Array, z: Array, x: Array, **settings: Any) -> Array:
        threads = threads_for(dz.size)
        if threads == 1 or dz.dtype.kind != "f":
            return np.asarray(alone.backward(dz, z, x, **settings))  # type: ignore[misc]
        saved = z if of == "z" else x
        dx = np.empty_like(saved)
        call = on_threads.backward(slope, dz.size, tuple(settings.values()), dz.dtype, threads)
        call(in_line(dz, dx), in_line(saved, dx), in_line(dx, dx))
        return dx

    return Form(fast, fast_backward)


def in_line(x: Array, like: Array) -> Array:
    """The numbers of x in one line, in the order in which they lie in the memory of `like`."""
    if x.strides != like.strides:
        x, y = np.empty_like(like, x.dtype), x
        x[...] = y
    return x.ravel(order="K")


# -- two arguments --


def binary(
    f: Callable[[Number, Number], Number],
    back_x: Callable[[Number, Number, Number], Number],
    back_y: Callable[[Number, Number, Number], Number],
    *,
    name: str,
    reference: str,
    floats: bool = False,
    loops: bool = True,
    ask: Callable[..., Any] | None = None,
    saves: tuple[str, ...] | Mapping[str, tuple[str, ...]] = ("x", "y"),
    samples: Samples | None = None,
) -> Callable[..., Tensor]:
    """The operation z = f(x, y) with broadcasting; `back_x(dz, x, y)` is the gradient that reaches x.

    The gradient of an input that was broadcast is the sum over its copies. `floats` says that whole numbers become
    floats of the default dtype first.
    """

    def call(input: Any, other: Any) -> Tensor:
        if not isinstance(input, Tensor) and not isinstance(other, Tensor):
            raise TypeError(f"{name}(): one of input and other must be a tensor, not {input!r} and {other!r}")
        return apply(operation, *together(input, other, floats))

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f.__doc__

    @quiet
    def vector(x: Array, y: Array) -> Array:
        return np.asarray(f(x, y))

    @quiet
    def vector_backward(dz: Array, z: Array, x: Array, y: Array, needs: tuple[bool, ...] = (True, True)) -> Any:
        dx = unbroadcast(back_x(dz, x, y), x) if needs[0] else None
        dy = unbroadcast(back_y(dz, x, y), y) if needs[1] else None
        return dx, dy

    operation = Operation(
        name,
        call,
        definition=_binary_loops(compiled(f), compiled(back_x), compiled(back_y)) if loops else None,
        vector=Form(vector, vector_backward),
        reference=reference,
        ask=ask,
        saves=saves,
        samples=samples or binary_samples,
    )
    call.operation = operation  # type: ignore[attr-defined]
    return call


def _binary_loops(f: Any, back_x: Any, back_y: Any) -> Form:
    @compiled
    def forward(x: Array, y: Array, z: Array) -> None:
        for i in range(z.size):
            z[i] = f(x[i], y[i])

    @compiled
    def backward(dz: Array, x: Array, y: Array, dx: Array, dy: Array) -> None:
        for i in range(dz.size):
            dx[i] = back_x(dz[i], x[i], y[i])
            dy[i] = back_y(dz[i], x[i], y[i])

    def definition(x: Array, y: Array) -> Array:
        z = np.empty(np.broadcast_shapes(np.shape(x), np.shape(y)), np.result_type(x, y))
        forward(spread(x, z), spread(y, z), z.reshape(-1))
        return z

    def definition_backward(dz: Array, z: Array, x: Array, y: Array) -> tuple[Array, Array]:
        dx, dy = np.empty(dz.shape, dz.dtype), np.empty(dz.shape, dz.dtype)
        backward(dz.ravel(), spread(x, dz), spread(y, dz), dx.reshape(-1), dy.reshape(-1))
        return unbroadcast(dx, x), unbroadcast(dy, y)

    return Form(definition, definition_backward)


def spread(x: Array, like: Array) -> Array:
    """x broadcast to the shape of `like`, in one line."""
    return np.broadcast_to(x, like.shape).ravel()


def unbroadcast(gradient: Array, like: Any) -> Array:
    """Sum a gradient over the axes along which `like` was broadcast."""
    shape = np.shape(like)
    if gradient.shape == shape:
        return gradient
    extra = gradient.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(i + extra for i, n in enumerate(shape) if n == 1)
    return np.asarray(gradient.sum(axis=axes, keepdims=True)).reshape(shape)


def together(x: Any, y: Any, floats: bool = False) -> tuple[Tensor, Tensor]:
    """Two operands, one of them perhaps a Python number, as tensors of the dtype that torch gives both together."""
    dtype = _common(x, y)
    if floats and dtype.kind != "f":
        dtype = get_default_dtype()
    x, y = (cast(v, dtype) if isinstance(v, Tensor) else _number(v, dtype) for v in (x, y))
    if x.array.shape != y.array.shape:
        try:
            np.broadcast_shapes(x.array.shape, y.array.shape)
        except ValueError:
            raise RuntimeError(f"shapes {tuple(x.shape)} and {tuple(y.shape)} do not broadcast together") from None
    return x, y


def _number(value: Any, dtype: DType) -> Tensor:
    """A Python number, or an array, as a tensor."""
    made = Tensor(np.asarray(value, dtype))
    return made if isinstance(value, np.ndarray) else tape.constant(made)


def _common(x: Any, y: Any) -> DType:
    """The dtype of both together."""
    kinds = {v.array.dtype for v in (x, y) if isinstance(v, Tensor)}
    if len(kinds) == 1 and all(isinstance(v, Tensor | int | float) for v in (x, y)):
        (only,) = kinds
        if only.kind == "f":  # nearly always: floats of one kind, or beside a number, and no question arises
            return only
    return result_type(*(v.array if isinstance(v, Tensor) else v for v in (x, y)))


def unary_samples(rng: np.random.Generator) -> list[Sample]:
    """Numbers on both sides of zero; empty, size one, non-contiguous."""
    return [
        Sample((rng.normal(0, 2, (3, 5)),)),
        Sample((np.array([[-60.0], [-9.0], [0.3], [30.0]]),), note="far from zero"),
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
