"""Faults of derivatives: of the wrong variable, without δ, at a kink, of the Jacobian's diagonal alone.

∂E/∂x = δ · f′(x)      σ′ = y (1 − y) with y = σ(x), not x (1 − x);  relu′(0) = 0, which is `x > 0`, not `x >= 0`
∂E/∂x = Jᵀ δ           of a softmax: y (δ − Σ δ y), not δ y (1 − y), which is J's diagonal alone
"""

from collections.abc import Callable, Iterator

import numpy as np

from underhood.instruments.check.faults.case import Case, Fault, Guess
from underhood.instruments.check.gap import Array

# f′ as it is written with the output, taken of the input by mistake
WITH_INPUT: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "sigmoid": ("x(1 − x) where y(1 − y), y = σ(x), is expected", lambda x: x * (1 - x)),
    "tanh": ("1 − x² where 1 − y², y = tanh x, is expected", lambda x: 1 - x * x),
    "exp": ("x where y = e^x is expected", lambda x: x),
    "sqrt": ("1/(2x) where 1/(2y), y = √x, is expected", lambda x: 0.5 / x),
    "rsqrt": ("−x³/2 where −y³/2, y = 1/√x, is expected", lambda x: -0.5 * x**3),
    "reciprocal": ("−x² where −y², y = 1/x, is expected", lambda x: -x * x),
}


def _of_first(case: Case) -> bool:
    """Whether this is the gradient of the first input of a function of each element by itself, or of rows."""
    x = case.question.inputs[0] if case.question.inputs else None
    return (
        bool(case.question.names)
        and case.part == f"∂{case.question.names[0]}"
        and isinstance(x, np.ndarray)
        and x.shape == case.right.z.shape
    )


def _wrong_variable(case: Case) -> Iterator[Guess]:
    if not _of_first(case):
        return
    x, z = case.question.inputs[0], case.right.z
    delta = case.question.cotangent(z.shape)
    if case.kind in WITH_INPUT:
        text, slope = WITH_INPUT[case.kind]
        yield f"the derivative is {text}", delta * slope(x)
    if case.kind == "softmax":
        dim = case.settings["dim"]
        yield (
            "it is computed with the input where the output is expected",
            x * (delta - (delta * x).sum(dim, keepdims=True)),
        )
    inputs = (z, *case.question.inputs[1:])
    yield "the derivative is taken at the output, where the input is expected", case.ask(inputs=inputs, delta=delta)


def _without_delta(case: Case) -> Iterator[Guess]:
    if case.is_gradient:
        yield "it is not multiplied by δ, the gradient that comes in", case.ask(delta=np.ones(case.right.z.shape))
        delta = case.question.cotangent(case.right.z.shape)
        if delta.shape == case.expected.shape:
            yield "δ is passed on as it is", delta


def _kink(case: Case) -> Iterator[Guess]:
    if not _of_first(case):
        return
    x = case.question.inputs[0]
    step = np.where(np.isfinite(x), 1e-12 * np.maximum(np.abs(x), 1), 0)
    for side, sign, comparison in (("right", 1, "`>=` for `>`"), ("left", -1, "`>` for `>=`")):
        guess = case.ask(inputs=(x + sign * step, *case.question.inputs[1:]))
        if guess is not None:
            same = np.isclose(guess, case.expected, rtol=1e-6, atol=1e-9, equal_nan=True)  # everywhere but at the kink
            yield (
                f"at the kink it is the slope to the {side}, as with {comparison}",
                np.where(same, case.expected, guess),
            )


def _diagonal(case: Case) -> Iterator[Guess]:
    if not _of_first(case) or case.kind not in ("softmax", "log_softmax"):
        return
    z = case.right.z
    slope = z * (1 - z) if case.kind == "softmax" else 1 - np.exp(z)
    yield (
        "the Jacobian's diagonal alone: every input moves all outputs of its row",
        case.question.cotangent(z.shape) * slope,
    )


FAULTS = (
    Fault("derivative of the wrong variable", _wrong_variable),
    Fault("incoming gradient left out", _without_delta),
    Fault("slope at the kink", _kink),
    Fault("diagonal of the Jacobian", _diagonal),
)
