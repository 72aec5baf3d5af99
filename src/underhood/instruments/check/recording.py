"""What a network does in one pass, written down: every layer's input, output and gradient, every weight's gradient.

A layer is a module without modules in it. Both libraries have the same hooks, so that one recorder serves both. The
loss is E = Σ ⟨δ, output⟩ with a random cotangent δ for every output, or any function of the first one.

Of a network on PyTorch the functions between its layers are steps of the record too (see `steps`); of one on the
engine the layers alone. Dropout is switched off while a pass is recorded, and what was to be dropped is noted.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import numpy as np

from underhood import engine
from underhood.errors import BadInput
from underhood.instruments.check.gap import Array
from underhood.instruments.check.layers import LayerQuestion, as_array, as_question
from underhood.instruments.check.steps import Dropped, Flow, is_dropout
from underhood.instruments.pytorch import load_torch

Arguments = tuple[tuple[Any, ...], dict[str, Any]]  # what a network is called with: nests with arrays in them


class PassFailed(Exception):
    """The network itself raised; `where` is the layer that was running."""

    def __init__(self, where: str, error: Exception) -> None:
        text = str(error).strip().splitlines()
        super().__init__(f"{where}: {type(error).__name__}: {text[0] if text else ''}".rstrip(": "))


def is_about_precision(error: Exception) -> bool:
    """Whether PyTorch complains of float64 beside float32."""
    return any(word in str(error).lower() for word in ("dtype", "scalar type", "found double", "found float"))


@dataclass
class Call:
    """One use of a layer. δ is ∂E/∂output, absent where no gradient came; `input` is there if it is one tensor."""

    name: str
    layer: Any
    input: Array | None
    output: Array
    delta: Array | None = None
    query: LayerQuestion | None = None  # with the weights as they were, where it was wanted
    arguments: Arguments = ((), {})
    outputs: int = 1  # tensors that it returned and that carry a gradient

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
    outputs: dict[str, Array] = field(default_factory=dict)
    input_gradients: dict[str, Array] = field(default_factory=dict)
    gradients: dict[str, Array] = field(default_factory=dict)
    buffers: dict[str, Array] = field(default_factory=dict)
    flow: Flow = field(default_factory=Flow)
    carried: tuple[str, ...] = ()  # outputs that a gradient comes back from
    changed: tuple[str, ...] = ()  # inputs that the network wrote over

    @property
    def input_gradient(self) -> Array | None:
        """∂E/∂ the first input."""
        return next(iter(self.input_gradients.values()), None)

    @property
    def dropped(self) -> list[Dropped]:
        return self.flow.dropped


def is_ours(net: Any) -> bool:
    """Whether a network is the engine's; else it is PyTorch's."""
    return isinstance(net, engine.nn.Module)


def precision_of(net: Any) -> str:
    """The dtype of the first floating-point weight or buffer; float64 where there is none."""
    for tensor in (*net.parameters(), *net.buffers()):
        dtype = str(tensor.dtype).removeprefix("torch.")
        if dtype.startswith(("float", "bfloat")):
            return dtype
    return "float64"


def tensor_for(net: Any, array: Array) -> Any:
    """An array as a tensor of the network's library; floating-point numbers in the precision of its first weight."""
    if array.dtype.kind == "f":
        array = array.astype(precision_of(net))
    return engine.tensor(array) if is_ours(net) else load_torch().tensor(array)


def no_inplace(net: Any) -> None:
    """Let no layer write over the output of the one before it: that one is to be read."""
    for module in net.modules():
        if getattr(module, "inplace", False):
            module.inplace = False


def mapped(tree: Any, change: Callable[[Any], Any], of: Callable[[Any], bool]) -> Any:
    """A nest of tuples, lists and dicts with some of its leaves changed."""
    if of(tree):
        return change(tree)
    if isinstance(tree, Mapping):
        return {key: mapped(value, change, of) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        made = [mapped(value, change, of) for value in tree]
        return type(tree)(*made) if hasattr(tree, "_fields") else type(tree)(made)
    return tree


def is_tensor(x: Any) -> bool:
    return hasattr(x, "detach") and hasattr(x, "requires_grad")


def leaves(tree: Any, of: Callable[[Any], bool], name: str = "") -> dict[str, Any]:
    """The leaves of a nest by their names: `[0]`, `logits`, `boxes[1]`."""
    if of(tree):
        return {name or "output": tree}
    if is_dataclass(tree) and not isinstance(tree, type | Mapping):
        tree = {f.name: getattr(tree, f.name) for f in fields(tree)}
    parts: Sequence[tuple[str, Any]] = ()
    if isinstance(tree, Mapping):
        parts = [(f"{name}.{key}" if name else str(key), value) for key, value in tree.items()]
    elif isinstance(tree, list | tuple):
        parts = [(f"{name}[{i}]", value) for i, value in enumerate(tree)]
    return {key: leaf for part, value in parts for key, leaf in leaves(value, of, part).items()}


def record(
    net: Any,
    x: Array | Arguments,
    loss: Callable[[Any], Any] | None = None,
    seed: int = 1,
    clear: bool = True,
    keep_queries: bool = False,
    off: bool = False,
    backward: bool = True,
) -> Recording:
    """One pass forward and backward, after the gradients are cleared if `clear`.

    `loss(output)` is a tensor of one element; without it E = Σ ⟨δ, output⟩. With `keep_queries` every call keeps its
    question, for the weights may move afterwards. With `off` dropout passes everything on. What PyTorch draws at
    random it draws anew the same. Raises PassFailed where the network does.
    """
    made = Recording()
    given: dict[str, Any] = {}

    def fed(name: str) -> Callable[[Array], Any]:
        def feed(array: Array) -> Any:
            leaf = tensor_for(net, array)
            if array.dtype.kind == "f":
                leaf.requires_grad_()
            given[name] = leaf
            return leaf if is_ours(net) else leaf.clone()  # a leaf may not be written over

        return feed

    arguments: Arguments = x if isinstance(x, tuple) else ((x,), {})
    arrays = inputs_of(arguments)
    names = iter(arrays)
    args, kwargs = mapped(arguments, lambda array: fed(next(names))(array), is_array)
    copies = dict(zip(arrays, leaves((args, kwargs), is_tensor).values(), strict=True))
    for parameter in net.parameters() if clear else ():
        parameter.grad = None
    try:
        with _listening(net, made, keep_queries, off, copies), settled(net):
            output = net(*args, **kwargs)
    except BadInput:
        raise
    except Exception as error:
        failed = PassFailed(made.flow.running or type(net).__name__, error)
        if _runs(net, arguments):
            text = f"{type(net).__name__}: its forward runs by itself, but not where every tensor is recorded"
            raise BadInput(f"{text}: {failed}") from error
        raise failed from error
    tensors = leaves(output, is_tensor)
    if not tensors:
        raise BadInput(f"{type(net).__name__} returns a {type(output).__name__}: check compares tensors")
    made.outputs = {name: _real(as_array(tensor)) for name, tensor in tensors.items()}
    made.output = next(iter(made.outputs.values()))
    made.carried = tuple(name for name, tensor in tensors.items() if tensor.requires_grad)
    made.changed = tuple(
        name
        for name, copy in copies.items()
        if not np.array_equal(as_array(copy), as_array(given[name]), equal_nan=True)
    )
    if backward:
        try:
            _backward(net, tensors, made, loss, seed)
        except Exception as error:
            raise PassFailed("backward", error) from error
    made.input_gradients = {name: as_array(leaf.grad) for name, leaf in given.items() if leaf.grad is not None}
    made.gradients = {n: as_array(p.grad) for n, p in net.named_parameters() if p.grad is not None}
    made.buffers = {n: as_array(b) for n, b in net.named_buffers()}
    return made


def _runs(net: Any, arguments: Arguments) -> bool:
    """Whether the network runs where nothing is recorded, as one of torch.vmap's does."""
    args, kwargs = mapped(arguments, lambda array: tensor_for(net, array), is_array)
    try:
        with settled(net):
            deepcopy(net)(*args, **kwargs)
    except Exception:  # whatever the network raises
        return False
    return True


def inputs_of(arguments: Arguments) -> dict[str, Array]:
    """The arrays that a network is called with, by name: `input`, or `input 1`, `input 2`, `mask` …"""
    positional, named = arguments
    if len(positional) == 1 and not named and is_array(positional[0]):
        return {"input": positional[0]}
    found: dict[str, Array] = {}
    for i, value in enumerate(positional):
        found |= leaves(value, is_array, f"input {i + 1}")
    for key, value in named.items():
        found |= leaves(value, is_array, key)
    return found


def shifted(arguments: Arguments, moves: dict[str, Array], step: float) -> Arguments:
    """The same with a step added to some of the arrays, by their names."""
    names = iter(inputs_of(arguments))

    def move(array: Array) -> Array:
        direction = moves.get(next(names))
        return array if direction is None else array + step * direction

    moved: Arguments = mapped(arguments, move, is_array)
    return moved


@contextmanager
def settled(net: Any) -> Iterator[None]:
    """While it lasts PyTorch draws from a stream of its own, and makes tensors in the network's precision."""
    if is_ours(net):
        yield
        return
    torch = load_torch()
    kind = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.set_default_dtype(getattr(torch, precision_of(net)))
        try:
            yield
        finally:
            torch.set_default_dtype(kind)


def is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray)


def _real(array: Array) -> Array:
    """A complex number as two real ones."""
    return np.stack([array.real, array.imag], -1) if np.iscomplexobj(array) else array


def _backward(net: Any, tensors: dict[str, Any], made: Recording, loss: Callable[[Any], Any] | None, seed: int) -> None:
    if loss is not None:
        scalar = loss(next(iter(tensors.values())))
        made.loss = as_array(scalar)
        return scalar.backward()
    rng = np.random.default_rng(seed)
    roots: list[Any] = []
    deltas: list[Any] = []
    for name, tensor in tensors.items():
        delta = np.asarray(rng.normal(size=made.outputs[name].shape))
        if tensor.requires_grad:
            roots.append(
                load_torch().view_as_real(tensor.resolve_conj()) if made.outputs[name].ndim > tensor.ndim else tensor
            )
            kind = str(roots[-1].dtype).removeprefix("torch.")
            deltas.append(
                engine.tensor(delta.astype(kind)) if is_ours(net) else load_torch().tensor(delta).to(roots[-1].dtype)
            )
    if not roots:
        return None
    if is_ours(net):
        for i, (root, delta) in enumerate(zip(roots, deltas, strict=True)):
            root.backward(delta, retain_graph=i + 1 < len(roots))
        return None
    return load_torch().autograd.backward(roots, deltas)


@contextmanager
def _listening(net: Any, made: Recording, keep_queries: bool, off: bool, given: dict[str, Any]) -> Iterator[None]:
    """Hooks on every layer while it lasts, and on PyTorch a watch on the functions between them."""
    made.flow.begin(net, given, off, is_ours(net))
    handles = []
    for name, layer in net.named_modules():
        writer = _Writer(
            made, name, name or type(layer).__name__, keep_queries, not any(True for _ in layer.children())
        )
        handles += [layer.register_forward_pre_hook(writer.before, **({} if is_ours(net) else {"with_kwargs": True}))]
        handles += [layer.register_forward_hook(writer.after, **({} if is_ours(net) else {"with_kwargs": True}))]
    try:
        with nullcontext() if is_ours(net) else made.flow.watching():
            yield
    finally:
        for handle in handles:
            handle.remove()


@dataclass
class _Writer:
    """Writes the calls of one module down, if it is a layer, and notes where the pass is."""

    made: Recording
    path: str
    name: str
    keep_queries: bool
    is_layer: bool
    opened: list[tuple[Any, ...]] = field(default_factory=list)

    def before(self, layer: Any, inputs: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> None:
        flow = self.made.flow
        with flow.unwatched():
            flow.enter(self.path, layer if self.is_layer else None)
            if self.is_layer:
                tensor = _only(inputs)
                x = None if tensor is None else as_array(tensor)  # now: the layer may write over it
                query = as_question(layer, x) if self.keep_queries and x is not None else None
                self.opened.append(
                    (flow.arguments((inputs, kwargs or {})), x, query, _without_recurrent_dropout(self, layer))
                )

    def after(self, layer: Any, inputs: tuple[Any, ...], *rest: Any) -> Any:
        flow, output = self.made.flow, rest[-1]
        with flow.unwatched():
            flow.leave()
            if not self.is_layer:
                return None
            arguments, x, query, p = self.opened.pop()
            if p:
                layer.dropout = p
            if passes := self._passes(layer, inputs, output):
                flow.dropped.append(Dropped(self.name, getattr(layer, "p", None), bool(layer.training), x, layer))
                output = inputs[0]
            if tensors := list(leaves(output, is_tensor).values()):
                call = Call(self.name, layer, x, as_array(tensors[0]), query=query, arguments=flow.filled(arguments))
                call.outputs = sum(bool(tensor.requires_grad) for tensor in tensors)
                self.made.calls.append(call)
                flow.layer(self.name, layer, arguments, tensors)
                if tensors[0].requires_grad:
                    tensors[0].register_hook(_keeper(call))
        return output if passes else None

    def _passes(self, layer: Any, inputs: tuple[Any, ...], output: Any) -> bool:
        """Whether the layer is a dropout that has to pass its input on."""
        x = _only(inputs)
        return self.made.flow.off and is_dropout(layer) and x is not None and x.shape == getattr(output, "shape", None)


def _without_recurrent_dropout(writer: _Writer, layer: Any) -> float:
    """Switch off the dropout between the layers of an LSTM; its p, if it was on."""
    p = getattr(layer, "dropout", 0.0)
    if not writer.made.flow.off or not hasattr(layer, "num_layers") or not isinstance(p, float) or not p:
        return 0.0
    writer.made.flow.dropped.append(Dropped(writer.name, p, bool(layer.training), np.zeros(())))
    layer.dropout = 0.0
    return p


def _keeper(call: Call) -> Callable[[Any], None]:
    def keep(gradient: Any) -> None:
        call.delta = as_array(gradient) if call.delta is None else call.delta + as_array(gradient)

    return keep


def _only(inputs: tuple[Any, ...]) -> Any:
    """The input, if it is one tensor alone."""
    return inputs[0] if len(inputs) == 1 and hasattr(inputs[0], "detach") else None
