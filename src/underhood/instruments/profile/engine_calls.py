"""Every layer's call in one pass, recorded with its inputs, to be repeated alone: a network on our own engine.

Hooks on a copy note what each module was called with. What stands between the modules is read from the tape, which
is data: a node that no module made is an operation of its own, with its settings, its form and its inputs.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from underhood.engine import Tensor, no_grad
from underhood.engine.grad_mode import enable_grad
from underhood.engine.nn import Module
from underhood.engine.tape import Node, propagate, walk
from underhood.engine.tensor import apply
from underhood.instruments.record import PassError
from underhood.instruments.stopwatch import Clock


@dataclass
class EngineCall:
    """One call of a module or of an operation, repeated as in training."""

    name: str
    kind: str
    work: Callable[..., Any]
    inputs: tuple[Any, ...]
    learnt: list[Any] = field(default_factory=list)
    backward: bool = True
    shape: tuple[int, ...] = ()
    cotangent: np.ndarray | None = None

    @property
    def moved(self) -> int:
        """Bytes that its inputs and parameters have."""
        return sum(x.array.nbytes for x in (*self.inputs, *self.learnt) if isinstance(x, Tensor))

    def __call__(self, clock: Clock) -> tuple[float | None, ...]:
        """Seconds of forward and, where something wants a gradient, of backward."""
        with enable_grad() if self.backward else no_grad():
            leaves = [_leaf(x) if isinstance(x, Tensor) else x for x in self.inputs]
            out, forward = clock(lambda: self.work(*leaves))
        wanted = [x for x in (*leaves, *self.learnt) if isinstance(x, Tensor) and x.source is not None]
        if not isinstance(out, Tensor) or out.source is None or not wanted:
            return forward, None
        if self.cotangent is None:
            self.cotangent = np.random.default_rng(0).standard_normal(out.shape).astype(out.dtype)
        roots, sources = [(out.source, self.cotangent)], [x.source for x in wanted]
        _, backward = clock(lambda: propagate(roots, retain=False, wanted=sources))
        return forward, backward


def copied(module: Module) -> Module:
    """A copy with weights and state of its own, so that no running mean of the user's moves."""
    return deepcopy(module)


def capture(module: Module, inputs: tuple[Any, ...], backward: bool) -> list[EngineCall]:
    """The calls of the innermost modules and of the operations between them, in the order in which they ran."""
    calls: list[EngineCall] = []
    made: list[tuple[str, bool, set[int]]] = []  # of every module: path, whether it is a layer, its nodes
    times: dict[str, int] = {}
    order: dict[str, int] = {}  # the call's number on the tape: its order among operations
    stack: list[str] = []
    handles: list[Any] = []

    def watch(path: str, member: Module) -> None:
        is_layer = not any(True for _ in member.children())
        opened: list[tuple[Any, ...]] = []

        def before(_: Module, given: tuple[Any, ...]) -> None:
            stack.append(path)
            opened.append(given)

        def after(_: Module, __: tuple[Any, ...], out: Any) -> None:
            stack.pop()
            given = opened.pop()
            nodes = _nodes(out, given)
            made.append((path, is_layer, {node.number for node in nodes}))
            if is_layer:
                name = _numbered(times, path or type(member).__name__)
                order[name] = max((node.number for node in nodes), default=-1)
                learnt = list(member.parameters())
                shape = tuple(out.shape) if isinstance(out, Tensor) else ()
                calls.append(EngineCall(name, type(member).__name__, member, _held(given), learnt, backward, shape))

        handles.extend((member.register_forward_pre_hook(before), member.register_forward_hook(after)))

    for path, member in module.named_modules():
        watch(path, member)
    try:
        with enable_grad():  # the tape tells what stood between the modules, also when only forward is timed
            out = module(*inputs)
    except Exception as error:
        raise PassError((stack and stack[-1]) or type(module).__name__, error) from error
    finally:
        for handle in handles:
            handle.remove()
    for node in sorted(_nodes(out, inputs), key=lambda node: node.number):
        owners = [(len(numbers), path, is_layer) for path, is_layer, numbers in made if node.number in numbers]
        _, owner, inside = min(owners, default=(0, "", False))
        if not inside:
            name = _numbered(times, f"{owner}.{node.operation.name}" if owner else node.operation.name)
            order[name] = node.number
            calls.append(_operation(name, node, backward))
    return _in_order(calls, order)


def _in_order(calls: list[EngineCall], order: dict[str, int]) -> list[EngineCall]:
    """Layers as they ran, the operations between them by their position on the tape."""
    last = -1
    keys = {}
    for call in calls:
        last = max(last, order[call.name]) if call.kind != "function" else order[call.name]
        keys[call.name] = last
    return sorted(calls, key=lambda call: keys[call.name])


def _operation(name: str, node: Node, backward: bool) -> EngineCall:
    """A node of the tape as a call: inputs that it did not keep are ones of the same shape."""
    saved = node.saved or ()
    inputs = saved[len(saved) - len(node.parents) :]
    tensors = tuple(_input(x, parent is not None) for x, parent in zip(inputs, node.parents, strict=True))

    def work(*given: Any) -> Any:
        out = apply(node.operation, *given, **node.settings)
        return out[0] if isinstance(out, tuple) else out

    return EngineCall(name, "function", work, tensors, [], backward, tuple(node.shape))


def _input(value: Any, wanted: bool) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    array = np.ones(value.shape, value.dtype) if value.ndim and not any(value.strides) else value
    return Tensor(array, requires_grad=wanted)


def _leaf(x: Tensor) -> Tensor:
    return Tensor(x.array, requires_grad=x.requires_grad)


def _held(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(_leaf(x) if isinstance(x, Tensor) else x for x in inputs)


def _nodes(out: Any, inputs: Any) -> list[Node]:
    """What was written on the tape between some inputs and an output."""
    before = {node.number for x in inputs if isinstance(x, Tensor) for node in walk(x.source)}
    return [node for x in _all(out) for node in walk(x.source) if node.number not in before]


def _all(tree: Any) -> Iterator[Tensor]:
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, tuple | list):
        for part in tree:
            yield from _all(part)


def _numbered(times: dict[str, int], path: str) -> str:
    times[path] = times.get(path, 0) + 1
    return path if times[path] == 1 else f"{path}#{times[path]}"
