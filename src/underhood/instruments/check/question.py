"""A question, and everyone who can answer it.

A Question is one set of inputs and settings, with the seed of its cotangent. An Answer is the output z and, for
E = ⟨δ, z⟩ with the random cotangent δ, the gradient of every input. Cotangents are never ones: the gradient of a
plain sum is zero through softmax and through every normalisation, and a layer that returns zeros would pass.

Who can answer: a form of the engine (through its tape, so that what a page saves is tested too), PyTorch, a pair of
a user's functions, numerical differentiation of a forward function alone.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from underhood import engine
from underhood.engine.forms import Operation
from underhood.engine.tensor import apply
from underhood.instruments.check import derivative
from underhood.instruments.check.gap import Array
from underhood.instruments.pytorch import load_torch

OUTPUT = "z"


@dataclass(frozen=True)
class Question:
    """`names` are the inputs' names, "a", "w", "b"; `extras` what a layer keeps beside its weights, by name;
    `defaults` the settings that go without saying.
    """

    inputs: tuple[Any, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    note: str = ""
    seed: int = 1
    delta: Array | None = None  # the cotangent, where it is not drawn
    extras: dict[str, Array] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)

    def cotangent(self, shape: tuple[int, ...]) -> Array:
        """δ: the one that was given, where it fits, else random normal values."""
        if self.delta is not None and self.delta.shape == shape:
            return self.delta
        return np.random.default_rng(self.seed).normal(size=shape)

    def rounded(self, dtype: Any) -> "Question":
        """The same with every number as `dtype` rounds it, in float64 again: what that precision can know."""
        return replace(self, inputs=tuple(_rounded(x, dtype) for x in self.inputs))


@dataclass(frozen=True)
class Answer:
    """The output and a gradient an input; None where there is none. `extras` are what else was found, by name."""

    z: Array
    gradients: tuple[Array | None, ...] = ()
    extras: dict[str, Array] = field(default_factory=dict)

    def parts(self, names: Sequence[str]) -> dict[str, Array]:
        """Everything by name: "z", "∂a", "∂w", …"""
        named = zip(names, self.gradients, strict=False)
        return {OUTPUT: self.z, **{f"∂{name}": g for name, g in named if g is not None}, **self.extras}


Answerer = Callable[[Question], Answer]


def is_real(x: Any) -> bool:
    """An array of floating-point numbers: what has a gradient."""
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def _rounded(x: Any, dtype: Any) -> Any:
    return x.astype(dtype).astype(np.float64) if is_real(x) else x


# -- the engine --


def by_form(operation: Operation, form: str, dtype: Any = np.float64) -> Answerer:
    """The engine's answer in one form and precision."""

    def call(*inputs: Any, **settings: Any) -> Any:
        with engine.form(form):
            return apply(operation, *inputs, **settings)

    return by_tensors(call, dtype)


def by_tensors(call: Callable[..., Any], dtype: Any = np.float64) -> Answerer:
    """The answer of a function on the engine's tensors."""

    def answer(question: Question) -> Answer:
        inputs = [_leaf(x, dtype) for x in question.inputs]
        z = _first(call(*inputs, **question.settings))
        if z.requires_grad:
            z.backward(engine.from_numpy(question.cotangent(z.shape).astype(z.dtype)))
        return Answer(z.detach().numpy(), tuple(_grad(x) for x in inputs))

    return answer


def _leaf(x: Any, dtype: Any) -> Any:
    """A tensor of the engine that wants a gradient, as non-contiguous as x is."""
    if not isinstance(x, np.ndarray):
        return x
    if x.dtype.kind != "f":
        return engine.from_numpy(x)
    array = np.empty_like(x, dtype) if x.flags.forc else np.empty((*x.shape, 2), dtype)[..., 0]
    array[...] = x
    return engine.from_numpy(array).requires_grad_()


def _grad(x: Any) -> Array | None:
    wants = getattr(x, "requires_grad", False)
    return x.grad.detach().numpy() if wants and x.grad is not None else None


def _first(z: Any) -> Any:
    return z[0] if isinstance(z, tuple) else z


# -- PyTorch --


def by_pytorch(operation: Operation) -> Answerer:
    """PyTorch's answer, in float64."""
    return by_torch(operation.pytorch)


def by_torch(call: Callable[..., Any], dtype: str = "float64") -> Answerer:
    """The answer of a function on PyTorch's tensors. An input that the output does not rest on has gradient 0."""
    torch = load_torch("this check")

    def answer(question: Question) -> Answer:
        inputs = [torch.tensor(x.copy()) if isinstance(x, np.ndarray) else x for x in question.inputs]
        inputs = [x.to(getattr(torch, dtype)).requires_grad_() if _is_real_tensor(x) else x for x in inputs]
        z = _first(call(*inputs, **question.settings))
        if z.requires_grad:
            z.backward(torch.tensor(question.cotangent(tuple(z.shape)), dtype=z.dtype))
        gradients = [
            (torch.zeros_like(x) if x.grad is None else x.grad).numpy() if _is_real_tensor(x) else None for x in inputs
        ]
        return Answer(z.detach().numpy(), tuple(gradients) if z.requires_grad else (None,) * len(inputs))

    return answer


def _is_real_tensor(x: Any) -> bool:
    return hasattr(x, "is_floating_point") and x.is_floating_point()


# -- plain functions on arrays --


def numerically(forward: Callable[..., Any]) -> Answerer:
    """The answer of a forward function on arrays, with gradients by numerical differentiation; none at a kink.

    Derivatives are kept for the last inputs, so that asking again with another cotangent is cheap.
    """
    known: dict[int, Array | None] = {}
    last: list[Any] = [None]

    def answer(question: Question) -> Answer:
        def f(*inputs: Any) -> Array:
            return np.asarray(_first(forward(*inputs, **question.settings)))

        key = (*map(id, question.inputs), str(question.settings))
        if last[0] is None or last[0][0] != key:
            known.clear()
            last[0] = key, question.inputs  # the inputs too, so that no other array gets their ids
        z = f(*question.inputs)
        delta = question.cotangent(z.shape)
        for i, x in enumerate(question.inputs):
            if i not in known:
                smooth = is_real(x) and derivative.is_smooth(f, question.inputs, i)
                known[i] = derivative.jacobian(f, question.inputs, i) if smooth else None
        slopes = [known[i] for i in range(len(question.inputs))]
        return Answer(z, tuple(None if slope is None else derivative.contracted(delta, slope) for slope in slopes))

    return answer


def by_pair(forward: Callable[..., Any], backward: Callable[..., Any] | None, dtype: Any = np.float64) -> Answerer:
    """The answer of a user's functions on arrays.

    `forward(*inputs)` returns z, or z and something to remember; `backward` takes (δ, *inputs), (δ, z, *inputs),
    (δ, what was remembered) or δ alone and returns the gradients. Settings reach the parameters of their names, and
    inputs that are None at the end are left out where forward has no parameter for them.
    """

    def answer(question: Question) -> Answer:
        inputs = [np.array(x, dtype) if is_real(x) else x for x in fitting(forward, question)]
        made = forward(*inputs, **taken(forward, question.settings))
        z = np.asarray(_first(made))
        if backward is None:
            return Answer(z, (None,) * len(question.inputs))
        delta = question.cotangent(z.shape).astype(z.dtype)
        settings = taken(backward, question.settings)
        room = positional_count(backward, settings)
        if room == 1 or (isinstance(made, tuple) and room == len(made)):
            gradients = backward(delta, *made[1:] if room > 1 else (), **settings)
        else:
            middle = [z] if room == len(inputs) + 2 else []
            gradients = backward(delta, *middle, *inputs, **settings)
        gradients = gradients if isinstance(gradients, tuple | list) else (gradients,)
        padded = [*gradients, *[None] * len(question.inputs)][: len(question.inputs)]
        return Answer(z, tuple(None if g is None else np.asarray(g) for g in padded))

    return answer


def taken(function: Callable[..., Any], settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that a function has parameters for."""
    parameters = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return settings
    return {name: value for name, value in settings.items() if name in parameters}


def positional_count(function: Callable[..., Any], settings: dict[str, Any]) -> int:
    """How many arguments a function takes by position, beside the settings."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in kinds and name not in settings for name, p in inspect.signature(function).parameters.items())


def fitting(forward: Callable[..., Any], question: Question) -> tuple[Any, ...]:
    """The inputs without those at the end that are None and that the function has no parameter for."""
    inputs = question.inputs
    while inputs and inputs[-1] is None and len(inputs) > positional_count(forward, question.settings):
        inputs = inputs[:-1]
    return inputs
