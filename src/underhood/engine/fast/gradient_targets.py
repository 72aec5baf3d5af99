"""Gradient targets: where the gradient of a parameter goes, and the update that follows.

Without an optimiser it is left in `.grad`. With SGD and plain momentum it goes straight into the momentum,

    v ← μ v + ∂E/∂w,   w ← w − η v

so that it is never written down by itself: one array less to pass over. Any other rule reads it from memory of its
own and runs as its page says, compiled.
"""

from typing import Any

import numpy as np

from underhood.engine import aligned
from underhood.engine.fast.layout import Layout
from underhood.engine.fast.memory import Allocator, Contiguous
from underhood.engine.fast.recording import Value
from underhood.engine.fast.update import momentum_update, rule_update
from underhood.engine.forms import Array
from underhood.engine.optim.optimizer import Optimizer
from underhood.engine.optim.sgd import SGD
from underhood.engine.tensor import Tensor


class GradientTargets:
    """The parameters' gradients and their updates, under one optimiser or none."""

    def __init__(self, optimizer: Optimizer | None) -> None:
        self.optimizer = optimizer
        self.groups: dict[int, dict[str, Any]] = {}
        if optimizer is not None:
            self.groups = {id(p): group for group in optimizer.param_groups for p in group["params"]}
        self.chosen = self._choices()
        self.fresh: set[int] = set()  # parameters whose buffers have just begun
        self.kept: list[tuple[Tensor, str, Array]] = []
        self.written: dict[int, tuple[Any, ...]] = {}  # the constants as they stand

    def memory(self, parameter: Tensor | None) -> tuple[Array | None, float]:
        """Memory for a parameter's gradient, None for new memory, and which fraction of it to keep."""
        assert parameter is not None
        group = self.groups.get(id(parameter))
        if self.optimizer is None or group is None or not _only_momentum(self.optimizer, group):
            return None, 0.0
        return self._buffers(parameter, group)[0], float(group["momentum"])

    def _buffers(self, p: Tensor, group: dict[str, Any]) -> list[Array]:
        """What the optimiser keeps for a parameter, begun where it keeps nothing yet."""
        assert self.optimizer is not None
        state = self.optimizer.state.setdefault(p, {})
        names = self.optimizer.chosen(group)[1]
        missing = [name for name in names if name not in state]
        for name in set(names) - set(missing):
            if not state[name].array.flags.c_contiguous:
                state[name] = Tensor(np.ascontiguousarray(state[name].array))
        for name in missing:
            first = np.asarray(self.optimizer.start(name, p.array, group))
            state[name] = Tensor(aligned.zeros(first.shape, first.dtype))
            state[name].array[...] = first
        state.setdefault("step", 0)
        if missing:
            self.fresh.add(id(p))
        buffers = [state[name].array for name in names]
        self.kept += [(p, name, state[name].array) for name in names]
        return buffers

    def holds(self) -> bool:
        """Whether the optimiser still has the parameters, rules, factors and memory that the program was made for."""
        if self.optimizer is None:
            return True
        states = self.optimizer.state
        return self.chosen == self._choices() and all(
            p in states and name in states[p] and states[p][name].array is array for p, name, array in self.kept
        )

    def _choices(self) -> list[Any]:
        if self.optimizer is None:
            return []
        return [
            (
                [id(p) for p in group["params"]],
                self.optimizer.chosen(group)[0],
                group["momentum"] if _only_momentum(self.optimizer, group) else None,
            )
            for group in self.optimizer.param_groups
        ]

    def begin(self) -> None:
        """Forget the updates of an earlier pass."""
        self.steps: list[tuple[Tensor, dict[str, Any], Array]] = []

    def update_within(self, memory: Allocator, value: Value) -> Contiguous | None:
        """The constant η, for a kernel that does w ← w − η v itself as soon as it has v; None where that is not all."""
        p = value.tensor
        group = self.groups.get(id(p))
        if self.optimizer is None or p is None or group is None or not _only_momentum(self.optimizer, group):
            return None
        return self._constants(memory, p, group)

    def finish(self, values: Layout, parameters: list[tuple[Value, Contiguous]]) -> None:
        """The updates that are left, after all gradients are there."""
        done = {id(p) for p, _, _ in self.steps}
        for value, gradient in parameters:
            p = value.tensor
            if p is not None and id(p) in self.groups and id(p) not in done:
                self._update(values, p, value, gradient)

    def _constants(self, memory: Allocator, p: Tensor, group: dict[str, Any]) -> Contiguous:
        """Memory for what `refresh` writes down before every step."""
        assert self.optimizer is not None
        count = len(self.optimizer.constants(group, {**self.optimizer.state[p], "step": 1}, False))
        constants = memory.held(np.zeros(count, memory.dtype))
        self.steps.append((p, group, constants.array))
        return constants

    def _update(self, values: Layout, p: Tensor, value: Value, gradient: Contiguous) -> None:
        assert self.optimizer is not None
        group, memory, schedule = self.groups[id(p)], values.memory, values.schedule
        rule, _ = self.optimizer.chosen(group)
        buffers = [memory.held(array) for array in self._buffers(p, group)]
        constants = self._constants(memory, p, group)
        parts = memory.threads if p.array.size > 4096 else 1
        if _only_momentum(self.optimizer, group):
            schedule.emit(
                momentum_update, values.read_contiguous(value), gradient, constants, p.array.size, parts=parts
            )
            return
        arguments = (values.read_contiguous(value), gradient, *buffers, constants, p.array.size)
        schedule.emit(rule_update(rule, len(buffers), constants.array.size), *arguments, parts=parts)

    def refresh(self) -> None:
        """Count the step, and write down the numbers that it needs: learning rates, bias corrections."""
        if self.optimizer is None:
            return
        self.optimizer.stepped = True
        made = self.optimizer.advance([(p, group) for p, group, _ in self.steps], self.fresh)
        for (p, _, constants), numbers in zip(self.steps, made, strict=True):
            p.versions[0] += 1
            if self.written.get(id(p)) != numbers:
                self.written[id(p)] = numbers
                constants[:] = numbers
        self.fresh.clear()

    def unwind(self) -> None:
        """Count the step back that an error has ended."""
        if self.optimizer is not None:
            for p, _, _ in self.steps:
                self.optimizer.state[p]["step"] -= 1
                p.versions[0] -= 1

    def gradient(self, p: Tensor, memory: Array, before: Array | None) -> Array:
        """∂E/∂w after a step that has put it into `memory`: with plain momentum v ← μ v + ∂E/∂w, v from `before`."""
        group = self.groups[id(p)]
        assert self.optimizer is not None
        if not _only_momentum(self.optimizer, group):
            return memory
        return memory if before is None else memory - group["momentum"] * before


def _only_momentum(optimizer: Optimizer, group: dict[str, Any]) -> bool:
    """Whether v ← μ v + ∂E/∂w, w ← w − η v is all there is to do."""
    others = ("dampening", "weight_decay", "nesterov", "maximize")
    return type(optimizer) is SGD and group["momentum"] != 0 and not any(group[name] for name in others)
