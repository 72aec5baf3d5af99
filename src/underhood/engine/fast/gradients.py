"""How gradients find their way: from the stage that makes one to the value that it belongs to.

Gradients of a value's several uses add up where the first arrived, in the way the value lies. A parameter's goes to
its gradient target (gradient_targets.py).
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from underhood.engine.fast.gradient_targets import GradientTargets
from underhood.engine.fast.images import relu_gradient
from underhood.engine.fast.layout import Layout
from underhood.engine.fast.memory import Contiguous, Memory, Padded
from underhood.engine.fast.recording import Value
from underhood.engine.fast.vectors import lanes


class Gradients:
    """The gradients of one pass. `root` is the loss, None where no gradient is wanted."""

    def __init__(self, values: Layout, targets: GradientTargets, root: Value | None) -> None:
        self.values, self.memory, self.schedule = values, values.memory, values.schedule
        self.targets, self.root = targets, root
        self.wanted = root is not None
        self.seeded = False  # whether the root's gradient comes from outside
        self.arrived: dict[int, Memory] = {}  # by the values' numbers
        self.parameters: dict[int, tuple[Value, Contiguous]] = {}

    # -- where they have arrived --

    def of(self, value: Value) -> Any:
        """The gradient that has arrived at a value, in the way the value lies."""
        return self.arrived[value.number]

    def as_contiguous(self, value: Value) -> Contiguous:
        """The gradient that has arrived, contiguous."""
        found = self.of(value)
        if isinstance(found, Padded):
            made = self.memory.contiguous(value.shape)
            self.values.flatten(found, made)
            return made
        contiguous: Contiguous = found
        return contiguous

    def as_padded(self, value: Value) -> Padded:
        """The gradient that has arrived at a value that was made as images."""
        found: Padded = self.of(value)
        return found

    def is_root(self, value: Value) -> bool:
        """Whether the gradient that arrives there is 1."""
        return value is self.root and not self.seeded

    # -- where to put them --

    def into(self, value: Value) -> tuple[Any, bool]:
        """Where to put a gradient of a value, in the way the value lies, and whether to add it to what is there."""
        if value.number in self.arrived:
            return self.arrived[value.number], True
        memory: Memory
        if self.values.is_padded(value):
            memory = self.memory.padded(value.shape, self.values.border(value, "gradient"))
        else:
            memory = self.memory.contiguous(value.shape)
        self.arrived[value.number] = memory
        return memory, False

    def put(self, value: Value, gradient: Contiguous) -> None:
        """Hand a contiguous gradient to a value."""
        target, add = self.into(value)
        if isinstance(target, Padded):
            self.values.unflatten(gradient, target, add)
        else:

            def put() -> None:
                made = gradient.array.reshape(target.array.shape)
                target.array[...] = target.array + made if add else made

            self.schedule.python("gradient (not fused)", put, target, gradient)

    @contextmanager
    def into_padded(self, value: Value) -> Iterator[tuple[Padded, bool]]:
        """Images to put a gradient of a value into, and whether to add; what lies contiguous gets it afterwards."""
        if self.values.is_padded(value):
            yield self.into(value)
            return
        apart = self.memory.padded(value.shape)
        yield apart, False
        target, add = self.into(value)
        self.values.flatten(apart, target, add)

    @contextmanager
    def into_new_padded(self, value: Value) -> Iterator[Padded]:
        """Images to write a gradient into without adding; it is added afterwards where that is needed."""
        with self.into_padded(value) as (target, add):
            if not add:
                yield target
                return
            apart = self.memory.padded(value.shape)
            yield apart
            n, _, h, w = value.shape
            kernel = relu_gradient(lanes(self.memory.dtype), False, True)
            self.schedule.emit(kernel, apart.image(), apart.image(), target.image(), n, h, w, apart.depth, images=n)

    @contextmanager
    def into_new_contiguous(self, value: Value) -> Iterator[Contiguous]:
        """Contiguous memory to write a gradient into without adding; it is added afterwards where that is needed."""
        if not self.values.is_padded(value) and value.number not in self.arrived:
            yield self.into(value)[0]
            return
        apart = self.memory.contiguous(value.shape)
        yield apart
        self.put(value, apart)

    # -- parameters --

    def target(self, parameter: Value) -> tuple[Contiguous, float]:
        """Where to put a parameter's gradient, and which fraction of what is there to keep."""
        if parameter.number in self.parameters:
            return self.parameters[parameter.number][1], 1.0
        array, keep = self.targets.memory(parameter.tensor)
        memory = self.memory.contiguous(parameter.shape) if array is None else self.memory.held(array)
        self.parameters[parameter.number] = (parameter, memory)
        return memory, keep

    def update_within(self, parameter: Value) -> Contiguous | None:
        """The constants with which the kernel that makes the gradient is to update the parameter too, None if not.

        Only for a gradient whose one kernel is the last that reads the parameter.
        """
        only = len(parameter.uses) == 1 and not parameter.is_shared and not parameter.is_result
        return self.targets.update_within(self.memory, parameter) if only else None

    def finish(self, leaves: Iterable[Value]) -> None:
        """After all gradients have arrived: those of `leaves` that lie elsewhere go to their targets, and then come the
        optimiser's updates that are left.
        """
        for value in leaves:
            if value.number in self.arrived:
                self._move_to_target(value)
        self.targets.finish(self.values, list(self.parameters.values()))

    def _move_to_target(self, parameter: Value) -> None:
        gradient, (target, keep) = self.as_contiguous(parameter), self.target(parameter)

        def move() -> None:
            made, into = gradient.array.reshape(target.array.shape), target.array
            into[...] = made + keep * into if keep else made

        self.schedule.python("gradient (not fused)", move, target, gradient)
