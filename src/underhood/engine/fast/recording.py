"""A step written down: every operation in its order, on values that are numbered instead of held.

The engine tells a Recording what runs (tape.Listener). A Value is what an operation made, or what came from outside:
an input of the step, or a leaf (a parameter, a buffer, a constant that Python wrote down). A step can be repeated from
its lines alone as long as nothing else decides what is computed; where something might, `refuse` says what:

- values that left the tape (`.numpy()`, `if z.sum() > 0:`), since Python may have acted on them; a small leaf may be
  read, and its value is compared before every replay,
- a tensor made inside the step that is neither an operation's result nor the same memory under another name
  (`.detach()`, `.data`) nor filled from Python's numbers,
- memory of the inputs, of leaves and buffers that is written to; memory that is read after it was changed through
  another name for it,
- random numbers other than dropout's masks and rand, randn, randint, randperm,
- gradients of the step's inputs, backward inside the step, hooks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from underhood.engine.fast.guard import Guard
from underhood.engine.forms import Array, Operation
from underhood.engine.tensor import Tensor

READABLE = 64  # elements of a leaf that Python may read


class Refused(Exception):
    """Ends a step that cannot be repeated as soon as that is known."""


@dataclass(eq=False)
class Value:
    """An array of a step. `origin` is "input", "leaf" (of `tensor`) or "line".

    `source` is the value whose memory it is under another name, off the tape.
    """

    number: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    origin: str
    tensor: Tensor | None  # of a leaf
    gradient: bool  # whether one is wanted
    uses: list["Line"] = field(default_factory=list)
    is_result: bool = False  # returned by the step
    is_shared: bool = False  # other values lie in the same memory
    source: "Value | None" = None

    def only_use(self) -> "Line | None":
        """The one line that reads it, if nothing else does."""
        return self.uses[0] if len(self.uses) == 1 and not (self.is_result or self.is_shared) else None


@dataclass(eq=False)
class Line:
    """output, *extras = operation(*inputs, **settings), and its side effects."""

    number: int
    operation: Operation
    inputs: tuple[Any, ...]
    settings: dict[str, Any]
    output: Value
    extras: tuple[Value, ...]
    side_effects: list[dict[str, Any]] = field(default_factory=list)


class Recording:
    """What a step did. Use it as `with tape.listening(Recording(inputs, guard))`; `guard` learns of the modules."""

    def __init__(self, inputs: Sequence[Tensor], guard: Guard) -> None:
        self.lines: list[Line] = []
        self.guard = guard
        self.drawn: list[tuple[Value, Callable[[], Array]]] = []  # masks, and how to draw them anew
        self.counters: list[Tensor] = []
        self.moved: list[Tensor] = []  # running statistics
        self.checks: list[tuple[Value, Callable[[Array], None]]] = []
        self.reads: list[tuple[Tensor, Array]] = []  # leaves that Python read, and what it found
        self.lasting = True  # whether it will be refused again
        self._draws = 0
        self._before: list[tuple[Array, Array]] = []  # statistics and counters, and copies from before the step
        self._kept: list[Tensor] = list(inputs)  # so that no id is given twice
        self._created: set[int] = set()
        self._constants: set[int] = set()
        self._stale: set[int] = set()
        self._count = 0
        self._values: dict[int, Value] = {}
        self.inputs = [self._new(x, "input") for x in inputs]
        self._external: list[Array] = [x.array for x in inputs]

    def refuse(self, why: str) -> None:
        raise Refused(why)

    # -- what the engine tells --

    def created(self, tensor: Tensor) -> None:
        self._created.add(id(tensor))
        self._kept.append(tensor)

    def constant(self, tensor: Tensor) -> None:
        self._constants.add(id(tensor))

    def shared(self, tensor: Tensor, source: Tensor) -> None:
        of = self._value(source)
        of.is_shared = True
        value = self._new(tensor, "leaf" if of.origin == "leaf" else "line", False)
        value.tensor, value.source, value.is_shared = of.tensor, of, True

    def called(self, module: Any) -> None:
        self.guard.add(module)
        if module._hooks:
            self.lasting = False
            self.refuse(f"{type(module).__name__} has hooks")

    def read(self, tensor: Tensor, as_array: bool = False) -> None:
        if id(tensor) in self._constants and id(tensor) not in self._values and not as_array:
            return
        value = self._value(tensor)
        if as_array or value.origin != "leaf" or tensor.array.size > READABLE:
            self.refuse("values left the tape inside the step (.item(), .numpy(), or a condition on them)")
        self.reads.append((tensor, tensor.array.copy()))

    def writes(self, tensor: Tensor) -> None:
        if id(tensor) in self._constants:
            self._value(tensor)  # as it is before the write
        if id(tensor) not in self._created or any(np.may_share_memory(tensor.array, x) for x in self._external):
            self.refuse("the step changes a tensor from outside in place (a parameter, a buffer or an input)")

    def draws(self, own: bool) -> None:
        self._draws += 1
        if not own:
            self.refuse("random numbers are drawn from a generator of their own")

    def backward(self) -> None:
        self.refuse("backward, a hook on a tensor or an optimiser's step stands inside the step")

    def checked(self, tensor: Tensor, check: Callable[[Array], None]) -> None:
        value = self._value(tensor)
        value.is_shared = True  # so that it is not fused away
        self.checks.append((value, check))

    def side_effect(self, kind: str, **facts: Any) -> None:
        if kind == "drawn":
            self._draws -= 1
            self.drawn.append((self._new(facts["tensor"], "leaf"), facts["again"]))
        elif kind == "moved":
            self._keep(facts["running"])
            self.moved.append(facts["running"])
            self.lines[-1].side_effects.append(facts)
        elif kind == "counted":
            self._keep(facts["counter"])
            self.counters.append(facts["counter"])
            if not facts["steady"]:
                self.refuse("a BatchNorm averages over all batches (momentum=None)")

    def ran(
        self,
        operation: Operation,
        inputs: Sequence[Any],
        settings: dict[str, Any],
        output: Tensor,
        extras: Sequence[Tensor],
        in_place: bool,
    ) -> None:
        if _holds_array(settings):
            self.refuse(f"{operation.name} picks elements by an array that may differ each time")
        read = tuple(self._value(x) if isinstance(x, Tensor) else x for x in inputs)
        if in_place:
            self._changed(output)
        wanted = any(isinstance(x, Value) and x.gradient for x in read) and output.requires_grad
        made = self._new(output, "line", wanted)
        others = tuple(self._new(x, "line", False) for x in extras)
        line = Line(len(self.lines), operation, read, settings, made, others)
        self.lines.append(line)
        for x in read:
            if isinstance(x, Value):
                x.uses.append(line)

    # -- at the end --

    def finish(self, tensors: Sequence[Any], scalar: bool = True) -> list[Value]:
        """The step's results, after a last look at what no operation told of. A step's first result is a `scalar`."""
        if not all(isinstance(x, Tensor) for x in tensors):
            self.refuse("the step returns something that is no tensor")
        if any(value.gradient for value in self.inputs):
            self.refuse("an input of the step wants a gradient")
        if self._draws:
            self.refuse("random numbers are drawn inside the step that cannot be drawn again")
        values = [self._value(x) for x in tensors]
        for value in values:
            value.is_result = True
            if value.source is not None:
                value.source.is_result = True  # it lies in the same memory
        if scalar and values[0].gradient and tensors[0].array.size != 1:
            self.refuse("the loss is not a single number")
        if scalar and any(value.tensor is not None and value.tensor.hooks for value in self.leaves()):
            self.lasting = False
            self.refuse("a parameter has hooks")
        self._check_statistics()
        self._check_memory(values)
        self._mark_shared()
        self._kept, self._values, self._external = [], {}, []  # the step is over: what it made need not be held
        return values

    def restore(self) -> None:
        """Statistics and counters as they were before the step."""
        for array, values in reversed(self._before):
            array[...] = values

    def leaves(self) -> list[Value]:
        """The values that came from outside and were read by a line."""
        values = {id(x): x for line in self.lines for x in line.inputs if isinstance(x, Value)}
        return [value for value in values.values() if value.tensor is not None]

    def _keep(self, tensor: Tensor) -> None:
        self._before.append((tensor.array, tensor.array.copy()))

    def _check_statistics(self) -> None:
        """Statistics move somewhere in the step; whoever reads them in it would have to know where."""
        arrays = [x.array for x in (*self.moved, *self.counters)]
        for value in self.leaves():
            assert value.tensor is not None
            if any(np.may_share_memory(value.tensor.array, array) for array in arrays):
                self.refuse("running statistics are read in the step that moves them")
        for tensor, _ in self.reads:
            if any(np.may_share_memory(tensor.array, array) for array in arrays):
                self.refuse("running statistics are read in the step that moves them")

    def _check_memory(self, results: Sequence[Value]) -> None:
        """One kind of floats, and leaves that kernels can read where they lie."""
        known = [x for line in self.lines for x in (*line.inputs, line.output) if isinstance(x, Value)]
        if len({x.dtype for x in known if x.dtype.kind == "f"}) > 1:
            self.refuse("floats of two kinds meet in the step")
        if not all(x.tensor is None or x.tensor.array.flags.c_contiguous for x in (*known, *results)):
            self.refuse("a parameter or a buffer is not contiguous")

    def _mark_shared(self) -> None:
        """Say which leaves lie in the same memory, so that none is updated before the others are read."""
        leaves = self.leaves()
        for i, a in enumerate(leaves):
            for b in leaves[:i]:
                assert a.tensor is not None
                assert b.tensor is not None
                if np.may_share_memory(a.tensor.array, b.tensor.array):
                    a.is_shared = b.is_shared = True

    # -- values --

    def _new(self, tensor: Tensor, origin: str, gradient: bool | None = None) -> Value:
        wanted = tensor.requires_grad if gradient is None else gradient
        leaf = tensor if origin == "leaf" else None
        value = Value(self._count, tensor.array.shape, tensor.array.dtype, origin, leaf, wanted)
        self._count += 1
        self._values[id(tensor)] = value
        self._kept.append(tensor)
        return value

    def _value(self, tensor: Tensor) -> Value:
        if id(tensor) in self._stale:
            self.refuse("memory is read after it was changed through another name for it")
        if id(tensor) not in self._values:
            if id(tensor) not in self._created:
                self._external.append(tensor.array)
                return self._new(tensor, "leaf")
            if id(tensor) not in self._constants or tensor.requires_grad:
                self.refuse(f"a tensor of shape {tuple(tensor.shape)} is made inside the step")
            constant = self._new(tensor, "leaf")
            constant.tensor = Tensor(tensor.array.copy())  # the step may write into its own
            return constant
        if self._values[id(tensor)].origin == "line" and tensor.requires_grad and tensor.is_leaf:
            self.refuse("a tensor made inside the step is made a leaf that wants a gradient")
        return self._values[id(tensor)]

    def _changed(self, tensor: Tensor) -> None:
        """Other names for memory that was just changed may no longer be read."""
        for other in self._kept:
            if other is not tensor and id(other) in self._values and np.may_share_memory(other.array, tensor.array):
                self._stale.add(id(other))


def _holds_array(settings: Any) -> bool:
    if isinstance(settings, dict):
        return any(_holds_array(value) for value in settings.values())
    if isinstance(settings, tuple | list):
        return any(_holds_array(value) for value in settings)
    return isinstance(settings, np.ndarray | Tensor)
