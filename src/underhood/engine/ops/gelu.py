"""GELU: x times the chance that a normal number lies below x.

    z = x Φ(x),   Φ(x) = ½ (1 + erf(x/√2))           ∂E/∂x = (Φ(x) + x φ(x)) δ,   φ(x) = e^(−x²/2) / √2π

    x, z: any shape, the same

Two cheaper curves go by the same name:

    approximate="tanh"      ½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))
    approximate="sigmoid"   x σ(1.702 x)

Source: Hendrycks & Gimpel 2016. PyTorch: torch.nn.functional.gelu, which lacks "sigmoid".
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from underhood.engine.dtypes import get_default_dtype
from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.lift import Number, unary_arrays, unary_loops, unary_samples
from underhood.engine.ops.activations import sigma
from underhood.engine.ops.cast import cast
from underhood.engine.ops.elementwise import erf_
from underhood.engine.tensor import Tensor, apply


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x Φ(x); `approximate` is "none", "tanh" or "sigmoid"."""
    if approximate not in CURVES:
        raise RuntimeError(f"approximate argument must be one of {', '.join(CURVES)}, not {approximate!r}")
    x = input if input.is_floating_point() else cast(input, get_default_dtype())
    return apply(ENTRY, x, approximate=approximate)


def _exact(x: Number) -> Number:
    return 0.5 * x * (1.0 + erf_(x / math.sqrt(2.0)))


def _exact_slope(x: Number) -> Number:
    return 0.5 * (1.0 + erf_(x / math.sqrt(2.0))) + x * np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


# the tanh curve is x σ(2u) with u = √(2/π) (x + 0.044715 x³), since ½ (1 + tanh u) = σ(2u)
SLOPE, CUBE = 2.0 * math.sqrt(2.0 / math.pi), 0.044715


def _tanh(x: Number) -> Number:
    return x * sigma(SLOPE * (x + CUBE * x * x * x))


def _tanh_slope(x: Number) -> Number:
    y = SLOPE * (x + CUBE * x * x * x)
    return sigma(y) * (1.0 + x * sigma(-y) * SLOPE * (1.0 + 3.0 * CUBE * x * x))


def _sigmoid(x: Number) -> Number:
    return x * sigma(1.702 * x)


def _sigmoid_slope(x: Number) -> Number:
    return sigma(1.702 * x) * (1.0 + 1.702 * x * sigma(-1.702 * x))


CURVES = {"none": (_exact, _exact_slope), "tanh": (_tanh, _tanh_slope), "sigmoid": (_sigmoid, _sigmoid_slope)}


def by_curve(lift: Callable[..., Form]) -> Form:
    """One form for all curves, from the forms that `lift` makes of each."""
    forms = {name: lift(f, slope) for name, (f, slope) in CURVES.items()}

    def forward(x: Array, *, approximate: str) -> Any:
        return forms[approximate].forward(x)

    def backward(dz: Array, z: Array, x: Array, *, approximate: str) -> Any:
        return forms[approximate].backward(dz, z, x)  # type: ignore[misc]

    return Form(forward, backward)


def samples(rng: np.random.Generator) -> list[Sample]:
    curves = [Sample(s.inputs, {"approximate": name}, s.note) for name in CURVES for s in unary_samples(rng)]
    return [*curves, Sample((np.array([-0.0, 0.0, 1.0]),), {"approximate": "none"}, "zero")]


def _by_torch(gelu: Any, x: Any, approximate: str) -> Any:
    return x * (1.702 * x).sigmoid() if approximate == "sigmoid" else gelu(x, approximate=approximate)


ENTRY = Operation(
    "gelu",
    gelu,
    definition=(loops := by_curve(unary_loops)),
    vector=by_curve(unary_arrays),
    fast=loops,
    reference="torch.nn.functional.gelu",
    ask=_by_torch,
    saves=("x",),
    samples=samples,
)
