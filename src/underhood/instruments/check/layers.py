"""A layer as a question: the operation it is, its weights as inputs and its arguments as settings.

So the faults that are known for operations are known for layers too, of either library: the modules of both have
the same attributes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from underhood.engine import functional as F
from underhood.engine.forms import OPERATIONS
from underhood.instruments.check.gap import Array
from underhood.instruments.check.question import Answerer, Question, by_form, by_tensors

LIBRARIES = ("torch.nn", "underhood.engine.nn")  # where layers are what their names say
WINDOW = ("stride", "padding", "dilation", "groups")

# class → operation, the weights that are its inputs, the attributes that are its settings
KINDS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "Linear": ("linear", ("weight", "bias"), ()),
    "Conv1d": ("conv1d", ("weight", "bias"), WINDOW),
    "Conv2d": ("conv2d", ("weight", "bias"), WINDOW),
    "MaxPool2d": ("max_pool2d", (), ("kernel_size", "stride", "padding", "dilation", "ceil_mode")),
    "AvgPool2d": ("avg_pool2d", (), ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")),
    "LayerNorm": ("layer_norm", ("weight", "bias"), ("normalized_shape", "eps")),
    "GroupNorm": ("group_norm", ("weight", "bias"), ("num_groups", "eps")),
    "Softmax": ("softmax", (), ("dim",)),
    "LogSoftmax": ("log_softmax", (), ("dim",)),
    "BatchNorm1d": ("batch_norm", ("weight", "bias"), ("training", "eps", "momentum")),
    "BatchNorm2d": ("batch_norm", ("weight", "bias"), ("training", "eps", "momentum")),
}


@dataclass(frozen=True)
class LayerQuestion:
    """What a layer computes from x, and who knows it."""

    kind: str
    question: Question
    oracle: Answerer
    picked: Callable[[str, Array], Array] = lambda name, array: array  # of a weight, the elements that are compared


def as_array(tensor: Any) -> Array:
    """The numbers of a tensor of either library, a copy of their own."""
    tensor = tensor.detach().cpu()
    if getattr(tensor, "is_conj", bool)() or getattr(tensor, "is_neg", bool)():
        tensor = tensor.resolve_conj().resolve_neg()
    return np.array(tensor.numpy())


def as_question(layer: Any, x: Array, delta: Array | None = None) -> LayerQuestion | None:
    """The question that a layer answers for input x and cotangent δ; None for a layer that is no one operation."""
    kind = KINDS.get(type(layer).__name__)
    if kind is None or not type(layer).__module__.startswith(LIBRARIES) or _is_special(layer):
        return None
    operation, weights, arguments = kind
    settings = {name: getattr(layer, name) for name in arguments}
    parameters = tuple(None if getattr(layer, w) is None else as_array(getattr(layer, w)) for w in weights)
    inputs: tuple[Any, ...] = (x, *parameters)
    names: tuple[str, ...] = ("input", *weights)
    if operation == "batch_norm":
        return _batch_norm(layer, inputs, settings, delta)
    call = getattr(F, operation)
    question = Question(inputs, settings, names, delta=delta)
    if operation in ("layer_norm", "group_norm"):  # the argument between the input and the weights is a setting
        first = arguments[0]
        return LayerQuestion(
            operation, question, by_tensors(lambda x, w, b, **s: call(x, s[first], w, b, eps=s["eps"]))
        )
    return LayerQuestion(operation, question, by_tensors(lambda *a, **s: call(*a, **s)))


def _is_special(layer: Any) -> bool:
    """Whether a layer has an option of which the operation knows nothing."""
    return (
        getattr(layer, "padding_mode", "zeros") != "zeros"
        or bool(getattr(layer, "return_indices", False))
        or getattr(layer, "divisor_override", None) is not None
        or (hasattr(layer, "momentum") and layer.momentum is None)
        or (hasattr(layer, "dim") and layer.dim is None)
        or hasattr(layer, "parametrizations")
    )


def _batch_norm(layer: Any, inputs: tuple[Any, ...], settings: dict[str, Any], delta: Array | None) -> LayerQuestion:
    """The operation takes statistics where the layer does not compute them; what it keeps goes with the question."""
    kept = {name: as_array(b) for name in ("running_mean", "running_var") if (b := getattr(layer, name)) is not None}
    training = bool(settings["training"] or not kept)
    given = (None, None) if training else tuple(kept.values())
    question = Question(
        (*inputs, *given),
        {"training": training, "eps": settings["eps"]},
        ("input", "weight", "bias", "mean", "var"),
        delta=delta,
        extras=kept,
    )
    return LayerQuestion("batch_norm", question, by_form(OPERATIONS["batch_norm"], "vector"))
