"""What a network does in one pass, written down: every layer's input, output and gradient, every weight's gradient.

A layer is a module without modules in it. Both libraries have the same hooks, so that one recorder serves both. The
loss is E = ⟨δ, net(x)⟩ with a random cotangent δ, or any function of the output.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from underhood import engine
from underhood.errors import BadInput
from underhood.instruments.check.gap import Array
from underhood.instruments.check.layers import LayerQuestion, as_array, as_question
from underhood.instruments.pytorch import load_torch


@dataclass
class Call:
    """One use of a layer. δ is ∂E/∂output, absent where no gradient came."""

    name: str
    layer: Any
    input: Array | None
    output: Array
    delta: Array | None = None
    query: LayerQuestion | None = None  # with the weights as they were, where it was wanted

    @property
    def kind(self) -> str:
        return type(self.layer).__name__

    def own(self, arrays: dict[str, Array]) -> dict[str, Array]:
        """What belongs to this layer among a network's arrays, by its name within the layer."""
        if self.name in ("", self.kind) and not any(key.startswith(f"{self.name}.") for key in arrays):
            return arrays  # the layer is the network
        return {key.removeprefix(f"{self.name}."): a for key, a in arrays.items() if key.startswith(f"{self.name}.")}


@dataclass
class Recording:
    """One pass: the calls in their order, and by name the gradients of the weights, and the buffers after it."""

    calls: list[Call] = field(default_factory=list)
    output: Array | None = None
    loss: Array | None = None
    input_gradient: Array | None = None
    gradients: dict[str, Array] = field(default_factory=dict)
    buffers: dict[str, Array] = field(default_factory=dict)


def is_ours(net: Any) -> bool:
    """Whether a network is the engine's; else it is PyTorch's."""
    return isinstance(net, engine.nn.Module)


def tensor_for(net: Any, array: Array) -> Any:
    """An array as a tensor of the network's library; real numbers in the precision of its first weight."""
    first = next(iter(net.parameters()), None)
    if first is not None and array.dtype.kind == "f":
        array = array.astype(str(first.dtype).removeprefix("torch."))
    return engine.tensor(array) if is_ours(net) else load_torch().tensor(array)


def no_inplace(net: Any) -> None:
    """Let no layer write over the output of the one before it: that one is to be read."""
    for module in net.modules():
        if getattr(module, "inplace", False):
            module.inplace = False


def record(
    net: Any,
    x: Array,
    loss: Callable[[Any], Any] | None = None,
    seed: int = 1,
    clear: bool = True,
    keep_queries: bool = False,
) -> Recording:
    """One pass forward and backward, after the gradients are cleared if `clear`.

    `loss(output)` is a tensor of one number; without it E = ⟨δ, output⟩. With `keep_queries` every call
    keeps its question, for the weights may move afterwards.
    """
    made = Recording()
    inputs = tensor_for(net, x)
    if x.dtype.kind == "f":
        inputs.requires_grad_()
    for parameter in net.parameters() if clear else ():
        parameter.grad = None
    with _listening(net, made, keep_queries):
        output = net(inputs)
        output = output[0] if isinstance(output, tuple) else output
        if not hasattr(output, "detach"):
            raise BadInput(f"{type(net).__name__} returns a {type(output).__name__}: check compares tensors")
        made.output = as_array(output)
        if loss is None:
            delta = np.asarray(np.random.default_rng(seed).normal(size=made.output.shape))
            output.backward(tensor_for(net, delta))
        else:
            scalar = loss(output)
            made.loss = as_array(scalar)
            scalar.backward()
    made.input_gradient = None if inputs.grad is None else as_array(inputs.grad)
    made.gradients = {n: as_array(p.grad) for n, p in net.named_parameters() if p.grad is not None}
    made.buffers = {n: as_array(b) for n, b in net.named_buffers()}
    return made


@contextmanager
def _listening(net: Any, made: Recording, keep_queries: bool) -> Iterator[None]:
    """Hooks on every layer while it lasts."""
    handles = []
    for name, layer in net.named_modules():
        if not any(True for _ in layer.children()):
            writer = _Writer(made, name or type(layer).__name__, keep_queries)
            handles += [layer.register_forward_pre_hook(writer.before), layer.register_forward_hook(writer.after)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@dataclass
class _Writer:
    """Writes the calls of one layer down."""

    made: Recording
    name: str
    keep_queries: bool
    query: LayerQuestion | None = None

    def before(self, layer: Any, inputs: tuple[Any, ...]) -> None:
        x = _first(inputs)
        self.query = as_question(layer, as_array(x)) if self.keep_queries and x is not None else None

    def after(self, layer: Any, inputs: tuple[Any, ...], output: Any) -> None:
        output = output[0] if isinstance(output, tuple) else output
        if not hasattr(output, "detach"):
            return
        x = _first(inputs)
        call = Call(self.name, layer, None if x is None else as_array(x), as_array(output), query=self.query)
        self.made.calls.append(call)
        if output.requires_grad:

            def keep(gradient: Any) -> None:
                call.delta = as_array(gradient)

            output.register_hook(keep)


def _first(inputs: tuple[Any, ...]) -> Any:
    """The input, if it is one tensor alone."""
    return inputs[0] if len(inputs) == 1 and hasattr(inputs[0], "detach") else None
