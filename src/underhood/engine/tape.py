"""The tape: what was computed, written down so that it can be run backwards.

The tape is data. A Node records the operation, the form it ran in, its settings, where its inputs came from and
the arrays that backward will read. There are no closures: whoever wants to know what a network did (`trace`,
`profile`, the plan) reads the nodes.

Reverse mode: for a scalar E and z = f(x₁, …, xₙ) on the tape, ∂E/∂xᵢ = (∂z/∂xᵢ)ᵀ ∂E/∂z, summed over all the
uses of xᵢ. Nodes are numbered as they are made, so the descending numbers are a topological order.

Source: Linnainmaa 1970; Baydin et al. 2018, "Automatic differentiation in machine learning: a survey".
"""

from __future__ import annotations

import heapq
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from underhood.engine.forms import Array, Form, Operation

if TYPE_CHECKING:
    from underhood.engine.tensor import Tensor

_numbers = count()
_keeping: ContextVar[bool] = ContextVar("keeping", default=False)
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)

Hook = Callable[[Array], Array | None]


class Listener(Protocol):
    """Who writes down a whole step, to repeat it: every operation, and their side effects."""

    def ran(
        self,
        operation: Operation,
        inputs: Sequence[Any],
        settings: dict[str, Any],
        output: Tensor,
        extras: Sequence[Tensor],
        in_place: bool,
    ) -> None:
        """output, *extras = operation(*inputs, **settings), where output may be the first input changed in place."""

    def side_effect(self, kind: str, **facts: Any) -> None:
        """Something that no operation records: a mask was "drawn", a statistic is "moved", a batch "counted"."""

    def read(self, tensor: Tensor, as_array: bool = False) -> None:
        """The values left the tape, perhaps as an array on the same memory: what follows may depend on them."""

    def writes(self, tensor: Tensor) -> None:
        """A tensor is about to be changed in place."""

    def draws(self, own: bool) -> None:
        """Random numbers are about to be drawn, from the engine's own stream or another."""

    def backward(self) -> None:
        """Gradients are about to be computed or hooked, or an optimiser is about to step."""

    def checked(self, tensor: Tensor, check: Callable[[Array], None]) -> None:
        """The values of a tensor were checked by a function that raises if they are wrong."""

    def called(self, module: Any) -> None:
        """A module ran."""

    def created(self, tensor: Tensor) -> None:
        """A tensor was created, by an operation or otherwise."""

    def constant(self, tensor: Tensor) -> None:
        """A tensor was filled from numbers that stand in Python."""

    def shared(self, tensor: Tensor, source: Tensor) -> None:
        """A tensor was created on the memory of another, off the tape."""


class Source(Protocol):
    """Where a gradient flows to: a Node, or a leaf Tensor that gathers it."""

    shape: Any
    dtype: Any


class Node:
    """One line of the tape: z, *extras = operation(*inputs, **settings).

    `parents` holds, for each input, the Node that made it, the leaf Tensor that it is, or None where no gradient
    is wanted. `saved` holds z, the extras and the inputs as backward will be handed them.
    """

    hands_over = False  # whether backward's results are memory that nobody else writes
    __slots__ = (
        "dtype",
        "form",
        "hooks",
        "number",
        "operation",
        "parents",
        "saved",
        "settings",
        "shape",
        "versions",
    )

    def __init__(
        self,
        operation: Operation,
        form: str,
        settings: dict[str, Any],
        parents: tuple[Source | None, ...],
        saved: tuple[Any, ...],
        versions: tuple[tuple[list[int], int, str], ...],
    ) -> None:
        self.number = next(_numbers)
        self.operation, self.form, self.settings = operation, form, settings
        self.parents = parents
        self.saved: tuple[Any, ...] | None = saved
        self.versions = versions
        self.shape, self.dtype = saved[0].shape, saved[0].dtype
        self.hooks: list[Hook] = []

    def __repr__(self) -> str:
        return f"<{self.operation.name} #{self.number}, {self.form}>"

    def check(self) -> None:
        """Refuse to run backward what was freed, or has changed since."""
        if self.saved is None:
            raise RuntimeError(
                f"Trying to backward through the graph a second time: {self.operation.name} has already freed what "
                "it saved. Specify retain_graph=True at the first backward if you need a second one."
            )
        for cell, version, name in self.versions:
            if cell[0] != version:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace operation: "
                    f"{'the output' if name == 'z' else f'argument {name}'} of {self.operation.name}, output shape "
                    f"{tuple(self.shape)}, is at version {cell[0]}; expected version {version} instead."
                )

    def backward(self, gradient: Array) -> tuple[Array | None, ...]:
        """The gradients of the inputs, given that of the output."""
        self.check()
        assert self.saved is not None
        form: Form = getattr(self.operation, self.form)
        if form.backward is None:
            raise RuntimeError(f"{self.operation.name} has no gradient")
        extra = {"needs": tuple(p is not None for p in self.parents)} if _wants_needs(form.backward) else {}
        gradients = form.backward(gradient, *self.saved, **self.settings, **extra)
        return gradients if isinstance(gradients, tuple) else (gradients,)


@cache
def _wants_needs(backward: Callable[..., Any]) -> bool:
    return "needs" in inspect.signature(getattr(backward, "py_func", backward)).parameters


def listener() -> Listener | None:
    """Whoever writes the step down now."""
    return _listener.get()


@contextmanager
def listening(who: Listener) -> Iterator[None]:
    """Tell `who` of everything that runs inside."""
    token = _listener.set(who)
    try:
        yield
    finally:
        _listener.reset(token)


def read(tensor: Tensor, as_array: bool = False) -> None:
    """Say that Python sees the values of a tensor."""
    if (who := _listener.get()) is not None:
        who.read(tensor, as_array)


def constant(tensor: Tensor) -> Tensor:
    """Say that a tensor was filled from numbers that stand in Python, and hand it back."""
    if (who := _listener.get()) is not None:
        who.constant(tensor)
    return tensor


def checked(tensor: Tensor, check: Callable[[Array], None]) -> None:
    """Let `check` raise if the values of a tensor are wrong, now and whenever the step is repeated."""
    check(tensor.array)
    if (who := _listener.get()) is not None:
        who.checked(tensor, check)


@contextmanager
def keep_values() -> Iterator[None]:
    """While it lasts nodes keep every value as it was, whatever is written into it later, not those alone that backward
    reads: for whoever reads the tape.
    """
    token = _keeping.set(True)
    try:
        yield
    finally:
        _keeping.reset(token)


def keeps_values() -> bool:
    """Whether nodes keep every value."""
    return _keeping.get()


def shape_only(array: Array) -> Array:
    """An array of the same shape and dtype without memory of its own: what backward gets of an unsaved input."""
    return _shape_only(array.shape, array.dtype) if array.dtype.kind == "f" else array


@lru_cache(maxsize=1024)
def _shape_only(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    return np.ndarray(shape, dtype, np.zeros((), dtype), strides=(0,) * len(shape))


def record(
    operation: Operation,
    form: str,
    settings: dict[str, Any],
    inputs: Sequence[Tensor | Any],
    output: Tensor,
    extras: Sequence[Array] = (),
) -> Node:
    """Write one line of the tape."""
    parents = tuple([getattr(x, "source", None) for x in inputs])
    read = operation.read(tuple([parent is not None for parent in parents]))
    versions: list[tuple[list[int], int, str]] = []
    values = [_saved("z", output, read, versions), *extras]
    for name, x in zip(operation.names(), inputs, strict=False):
        values.append(_saved(name, x, read, versions))
    return Node(operation, form, settings, parents, tuple(values), tuple(versions))


def _saved(name: str, x: Tensor | Any, read: frozenset[str], versions: list[tuple[list[int], int, str]]) -> Any:
    """An argument as backward will be handed it: a tensor's values if they are read, and then their version too."""
    cell = getattr(x, "versions", None)
    if cell is None:
        return x
    if name in read:
        versions.append((cell, cell[0], name))
    elif not keeps_values():
        return shape_only(x.array)
    return x.array.copy() if keeps_values() else x.array


def propagate(
    roots: Sequence[tuple[Source, Array]], *, retain: bool, wanted: Sequence[Source] | None = None
) -> dict[int, Array]:
    """Run the tape backwards from `roots`, pairs of a source and the gradient it starts with.

    Leaves gather their gradients in `.grad`, or, where `wanted` names sources, nothing is gathered and the
    gradients of those are returned by id.
    """
    if (who := _listener.get()) is not None:
        who.backward()
    gradients: dict[int, Array] = {}
    waiting: list[tuple[int, Node]] = []
    leaves: dict[int, Tensor] = {}
    found: dict[int, Array] = {}
    targets = None if wanted is None else {id(s) for s in wanted}
    leading = None if wanted is None else _leading(roots, wanted)

    def arrive(source: Source, gradient: Array) -> None:
        key = id(source)
        if leading is not None and key not in leading:
            return
        if key in gradients:
            gradients[key] = gradients[key] + gradient
            return
        gradients[key] = gradient
        if isinstance(source, Node):
            heapq.heappush(waiting, (-source.number, source))
        else:
            leaves[key] = source  # type: ignore[assignment]

    for source, gradient in roots:
        arrive(source, gradient)
    while waiting:
        node = heapq.heappop(waiting)[1]
        gradient = _hooked(node.hooks, gradients.pop(id(node)))
        if targets is not None and id(node) in targets:
            found[id(node)] = gradient
            if not any(id(p) in leading for p in node.parents):  # type: ignore[operator]
                continue
        for parent, g in zip(node.parents, node.backward(gradient), strict=False):
            if parent is not None and g is not None:
                arrive(parent, g if node.hands_over else _own(g, gradient, parent))
        if not retain:
            node.saved = None
    for key, leaf in leaves.items():
        gradient = _hooked(leaf.hooks, gradients[key])
        if targets is None:
            leaf.accumulate(gradient)
        elif key in targets:
            found[key] = gradient
    return found


def _leading(roots: Sequence[tuple[Source, Array]], wanted: Sequence[Source]) -> set[int]:
    """The ids of the wanted sources and of every node through which a gradient reaches one of them."""
    found = {id(source) for source in wanted}
    nodes = {node.number: node for source, _ in roots for node in walk(source)}
    for _, node in sorted(nodes.items()):  # parents have the smaller numbers
        if any(id(parent) in found for parent in node.parents):
            found.add(id(node))
    return found


def _hooked(hooks: list[Hook], gradient: Array) -> Array:
    for hook in hooks:
        changed = hook(gradient)
        gradient = gradient if changed is None else changed
    return gradient


def _own(g: Array, gradient: Array, parent: Source) -> Array:
    """The gradient in its parent's dtype; a leaf's is memory of its own, since the user may write into it."""
    if g.shape != parent.shape:
        raise AssertionError(f"gradient {g.shape} for an input {parent.shape}")
    if g.dtype != parent.dtype:
        return g.astype(parent.dtype)
    if not isinstance(parent, Node) and (g is gradient or g.base is not None):
        return g.copy()
    return g


def walk(source: Source | None) -> Iterator[Node]:
    """All nodes that a value rests on, newest first."""
    seen: set[int] = set()
    waiting = [(-source.number, source)] if isinstance(source, Node) else []
    while waiting:
        node = heapq.heappop(waiting)[1]
        if node.number not in seen:
            seen.add(node.number)
            yield node
            for parent in node.parents:
                if isinstance(parent, Node):
                    heapq.heappush(waiting, (-parent.number, parent))
