"""A step written down: every operation in its order, on values that are numbered instead of held.

The engine tells a Recording what runs (tape.Listener). A Value is what an operation made, or what came from outside:
an input of the step, a parameter, or a tensor that was there before. A step can be repeated from its lines alone as
long as nothing else decides what is computed; where something might, `refusal` says what:

- values that left the tape (`.item()`, `.numpy()`, `if x:`), since Python may have acted on them,
- a tensor of several elements made inside the step that is no operation's result, since it may differ each time,
- memory that is read after it was changed through another name for it,
- gradients of the step's inputs, hooks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from underhood.engine import random
from underhood.engine.forms import Operation
from underhood.engine.tensor import Tensor


class Refused(Exception):
    """Ends a step that cannot be repeated as soon as that is known."""


@dataclass(eq=False)
class Value:
    """An array of a step. `origin` is "input", "leaf" (a parameter, a buffer, a constant) or "line"."""

    number: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    origin: str
    tensor: Tensor | None  # of a leaf
    gradient: bool  # whether one is wanted
    uses: list["Line"] = field(default_factory=list)
    is_result: bool = False  # returned by the step

    def only_use(self) -> "Line | None":
        """The one line that reads it, if nothing else does."""
        return self.uses[0] if len(self.uses) == 1 and not self.is_result else None


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
    """What a step did. Use it as `with tape.listening(Recording(inputs))`."""

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        self.lines: list[Line] = []
        self.modules: dict[int, Any] = {}
        self.drawn: list[tuple[Value, Any]] = []  # masks, and how to draw them anew
        self.counters: list[Tensor] = []
        self.refusal = ""
        self.lasting = True  # whether it will be refused again
        self._before: list[tuple[np.ndarray, np.ndarray]] = []  # what the step has changed, and a copy from before
        self._stream = random.stream().bit_generator.state
        self._kept: list[Tensor] = list(inputs)  # so that no id is given twice
        self._created: set[int] = set()
        self._stale: set[int] = set()
        self._count = 0
        self._values: dict[int, Value] = {}
        self.inputs = [self._new(x, "input") for x in inputs]

    def refuse(self, why: str) -> None:
        self.refusal = self.refusal or why
        raise Refused(why)

    # -- what the engine tells --

    def created(self, tensor: Tensor) -> None:
        self._created.add(id(tensor))
        self._kept.append(tensor)

    def called(self, module: Any) -> None:
        self.modules[id(module)] = module
        if module._hooks:
            self.lasting = False
            self.refuse(f"{type(module).__name__} has hooks")

    def read(self, tensor: Tensor) -> None:
        value = self._values.get(id(tensor))
        if value is not None and value.origin != "leaf":
            self.refuse("values left the tape inside the step (.item(), .numpy(), or a condition on them)")

    def side_effect(self, kind: str, **facts: Any) -> None:
        if kind == "drawn":
            value = self._new(facts["tensor"], "leaf")
            self.drawn.append((value, facts["again"]))
        elif kind == "moved":
            self._before.append((facts["running"].array, facts["running"].array.copy()))
            self.lines[-1].side_effects.append(facts)
        elif kind == "counted":
            self._before.append((facts["counter"].array, facts["counter"].array.copy()))
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

    def undo(self) -> None:
        """Statistics and counters as they were before the step; after a refusal the engine's stream too."""
        for array, copy in reversed(self._before):
            array[...] = copy
        if self.refusal:
            random.stream().bit_generator.state = self._stream

    # -- values --

    def results(self, tensors: Sequence[Tensor]) -> list[Value]:
        """The step's results."""
        if any(value.gradient for value in self.inputs):
            self.refuse("an input of the step wants a gradient")
        values = [self._value(x) for x in tensors]
        for value in values:
            value.is_result = True
        return values

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
            if id(tensor) in self._created and tensor.array.size > 1:
                self.refuse(f"a tensor of shape {tuple(tensor.shape)} is made inside the step")
            return self._new(tensor, "leaf")
        return self._values[id(tensor)]

    def _changed(self, tensor: Tensor) -> None:
        """Other names for memory that was just changed may no longer be read."""
        for other in self._kept:
            if other is not tensor and id(other) in self._values and np.may_share_memory(other.array, tensor.array):
                self._stale.add(id(other))
