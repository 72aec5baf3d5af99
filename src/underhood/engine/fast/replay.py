"""A replay: a recording lowered to a program, and what is to be done around the program at every run."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from underhood.engine import grad_mode
from underhood.engine.fast.addresses import address
from underhood.engine.fast.gradient_targets import GradientTargets
from underhood.engine.fast.handover import Handover
from underhood.engine.fast.kernel import Program
from underhood.engine.fast.lowering import Lowering
from underhood.engine.fast.memory import Memory, Padded
from underhood.engine.fast.recording import Recording, Refused, Value
from underhood.engine.fast.rounding import Rounding
from underhood.engine.fast.stages import KINDS, Stage
from underhood.engine.fast.state import State
from underhood.engine.forms import Array
from underhood.engine.optim.optimizer import Optimizer
from underhood.engine.tensor import Tensor


class Replay:
    """One recording, and the program made from it at the first run. It is one thread's own."""

    def __init__(
        self,
        recording: Recording,
        outputs: list[Value],
        optimizer: Optimizer | None,
        threads: int,
        several: bool,
        halves: bool = False,
    ) -> None:
        self.recording, self.outputs, self.threads, self.several = recording, outputs, threads, several
        self.stages = _stages(recording)
        self.learns = grad_mode.is_grad_enabled() and outputs[0].gradient
        self.optimizer = optimizer
        self.targets = GradientTargets(optimizer if self.learns else None)
        drawn = {id(value) for value, _ in recording.drawn}
        values = [v for v in (*recording.leaves(), *outputs) if id(v) not in drawn]
        tensors = [v.tensor for v in values if v.tensor is not None]
        self.leaves = [(t, t.array, t._wanted) for t in {id(t): t for t in tensors}.values()]
        self.lowered: Lowering | None = None
        self.halves = halves  # forward and backward by themselves: for `compile`
        self.wanting: tuple[Tensor, ...] = ()  # the leaves that want a gradient, of a half,
        self.handed: list[Handover | None] = []  # and how each gets it, None for one that nothing reaches
        self.pending: Any = None  # refers to the tape's line that still wants the backward half
        self.runs = 0
        self.rounding = Rounding()
        self._memory = {id(_root(array)) for _, array, _ in self.leaves}

    def stale(self) -> str:
        """What is not as it was recorded, in words; empty if everything is."""
        for t, array, wanted in self.leaves:
            if t.array is not array or t._wanted != wanted or (t.hooks and not self.halves):
                return f"a parameter or buffer of shape {tuple(t.shape)} was exchanged, frozen or given a hook"
        for t, values in self.recording.reads:
            if not np.array_equal(t.array, values, equal_nan=values.dtype.kind == "f"):
                return f"the value {values.tolist()} that Python read in the step has changed"
        return self.recording.guard.changed() or ("" if self.targets.holds() else "the optimiser has changed")

    def run(self, inputs: tuple[Tensor, ...]) -> Any:
        """The step on other values."""
        to = self._begin(inputs)
        before = self._gradients_before() if self.learns else {}
        if self.learns:
            self.targets.refresh()
        try:
            self._run(to.schedule.segments)
        except BaseException:
            self.targets.unwind()
            raise
        if self.learns:
            self._leave_gradients(to, before)
        self.runs += 1
        results = tuple(self._result(to, value) for value in self.outputs)
        return results if self.several else results[0]

    def forward(self, inputs: tuple[Tensor, ...]) -> Array:
        """The first half alone: the output, in memory of its own."""
        to = self._begin(inputs)
        self._run(to.schedule.segments[: self.middle] if self.learns else to.schedule.segments)
        self.runs += 1
        return np.array(_seen(to, self.outputs[0]))

    def backward(self, gradient: Array) -> tuple[Array | None, ...]:
        """The second half: the gradients of `wanting`, memory that is theirs for as long as it is held."""
        assert self.lowered is not None
        self.seed[...] = gradient
        for each in self.handed:
            if each is not None:
                each.begin()
        self._run(self.lowered.schedule.segments[self.middle :])
        return tuple([None if each is None else each.end() for each in self.handed])

    def is_free(self) -> bool:
        """Whether no output waits for the backward half."""
        node = self.pending() if self.pending is not None else None
        return node is None or node.saved is None or node.used

    def _begin(self, inputs: tuple[Tensor, ...]) -> Lowering:
        """Inputs, random numbers and counters of a run."""
        to = self.lowered = self.lowered or self.lower()
        self._enter(to, inputs)
        for check in to.schedule.checks:
            check()
        for value, again in self.recording.drawn:
            value.tensor.array[...] = again()  # type: ignore[union-attr]
        for counter in self.recording.counters:
            counter.array += 1
        return to

    def _run(self, segments: Sequence[Any]) -> None:
        for segment in segments:
            if isinstance(segment, Program):
                segment.run(self.threads)
            else:
                segment()

    def gradients(self, before: State) -> Iterator[tuple[Tensor, Array]]:
        """The gradients of the run just made from the state `before`, where there are any."""
        assert self.lowered is not None
        own = {}
        for value, memory in self.lowered.gradients.parameters.values():
            p = value.tensor
            assert p is not None
            if id(p) in self.targets.groups:
                kept = before.kept.get(p, {}).get("momentum_buffer")
                own[id(p)] = p, self.targets.gradient(p, memory.array, None if kept is None else kept[1])
        for t in before.tensors:
            if id(t) not in self.targets.groups and t.grad is not None:
                own[id(t)] = t, t.grad.array
        yield from own.values()

    def seconds(self, clock: Callable[[], float]) -> float:
        """How long the program takes."""
        assert self.lowered is not None
        began = clock()
        self._run(self.lowered.schedule.segments)
        return clock() - began

    def times(self, clock: Callable[[], float]) -> list[tuple[str, float]]:
        """What the program does in its order, and the seconds it takes; see Plan.times."""
        assert self.lowered is not None
        found: list[tuple[str, float]] = []
        for segment in self.lowered.schedule.segments:
            if isinstance(segment, Program):
                found += segment.times(self.threads, clock)
            else:
                began = clock()
                segment()
                found.append((segment.__name__, clock() - began))
        return found

    def _enter(self, to: Lowering, inputs: tuple[Tensor, ...]) -> None:
        """Let the program read these inputs where they lie; what lies in a leaf's memory is copied."""
        for x, memory, slots in zip(inputs, to.schedule.inputs, self._entries, strict=True):
            array = np.ascontiguousarray(x.array)
            if id(_root(array)) in self._memory:
                array = array.copy()
            memory.array, begin = array, address(array)
            for table, slot in slots:
                table[slot] = begin

    def _gradients_before(self) -> dict[int, Array]:
        """What stands in `.grad` of what no optimiser steps: a copy where it is our own memory, about to be written."""
        found = {}
        for t, _, wants in self.leaves:
            if wants and t.grad is not None and id(t) not in self.targets.groups:
                found[id(t)] = t.grad.array
        if self.lowered is not None:
            own = {id(memory.array) for _, memory in self.lowered.gradients.parameters.values()}
            found = {key: array.copy() if id(array) in own else array for key, array in found.items()}
        return found

    def _leave_gradients(self, to: Lowering, before: dict[int, Array]) -> None:
        """Add the gradients to `.grad`; those that the optimiser has used up are not left."""
        for value, memory in to.gradients.parameters.values():
            p = value.tensor
            assert p is not None
            if id(p) in self.targets.groups:
                continue
            if id(p) in before:
                memory.array += before[id(p)]
            if p.grad is None or p.grad.array is not memory.array:
                p.grad = Tensor(memory.array)
        if self.optimizer is not None:
            self.optimizer.zero_grad()

    @staticmethod
    def _result(to: Lowering, value: Value) -> Tensor:
        found = _seen(to, value)
        return Tensor(np.array(found) if found.ndim == 0 else found)

    def tensors(self) -> list[Tensor]:
        """All tensors that a run may change."""
        recording = self.recording
        return [*recording.guard.tensors(), *recording.moved, *recording.counters, *(t for t, _, _ in self.leaves)]

    # -- making the program --

    def lower(self) -> Lowering:
        """The program, in two passes (see memory.py)."""
        first = self._pass(None)
        second = self._pass(first.memory.memories)
        for segment in second.schedule.segments:
            if isinstance(segment, Program):
                segment.seal()
        self._entries: list[list[tuple[Array, int]]] = [[] for _ in second.schedule.inputs]  # addresses of the inputs
        for i, segment, slot in second.schedule.patches:
            self._entries[i].append((second.schedule.segments[segment].table, slot))
        self._hand_over(second)
        return second

    def _hand_over(self, to: Lowering) -> None:
        """Let a half's gradients be memory of whoever takes them."""
        if self.halves and self.learns:
            made = {id(value.tensor): memory for value, memory in to.gradients.parameters.values()}
            programs = [segment for segment in to.schedule.segments if isinstance(segment, Program)]
            self.wanting = tuple(t for t, _, wanted in self.leaves if wanted)
            for memory in (made.get(id(t)) for t in self.wanting):
                slots = [(each.table, slot) for each in programs for slot in each.slots(memory.array)] if memory else []
                self.handed.append(Handover(memory, slots) if memory else None)

    def _pass(self, liveness: Sequence[Memory] | None) -> Lowering:
        dtype = next((line.output.dtype for line in self.recording.lines if line.output.dtype.kind == "f"), np.float32)
        root = self.outputs[0] if self.learns else None
        to = Lowering(dtype, self.threads, root, self.targets, liveness)
        self.targets.begin()
        for value in self.recording.inputs:
            placeholder = to.memory.held(np.zeros(value.shape, value.dtype))
            to.schedule.inputs.append(placeholder)
            to.values.put(value, placeholder)
        for stage in self.stages:
            stage.prepare(to)
        for stage in self.stages:
            stage.begin(to)
        checks = list(self.recording.checks)
        self._check(to, [(v, check) for v, check in checks if v.origin != "line"])
        for stage in self.stages:
            stage.forward(to)
            self._check(to, [(v, check) for v, check in checks if v.number == stage.output.number])
        if root is not None:
            self._backward(to, root)
        return to

    def _check(self, to: Lowering, checks: list[tuple[Value, Callable[[Array], None]]]) -> None:
        for value, check in checks:
            to.schedule.check(to.values.read_contiguous(value), value.shape, check)

    def _backward(self, to: Lowering, root: Value) -> None:
        arrived = to.gradients.arrived
        seed = to.memory.held(np.ones(root.shape, to.dtype))
        if self.halves:
            to.gradients.seeded = True
            self.middle, self.seed = to.schedule.cut(), seed.array
        if to.values.is_padded(root):
            images, _ = to.gradients.into(root)
            to.values.unflatten(seed, images)
        else:
            arrived[root.number] = seed
        back = []
        for stage in reversed(self.stages):
            if stage.output.gradient and stage.output.number in arrived:
                stage.backward(to)
                back.append(stage)
        for stage in back:
            stage.end(to)
        to.gradients.finish(self.recording.leaves())


def _stages(recording: Recording) -> list[Stage]:
    """The lines taken together as far as the kinds of stages know how, in the order of each stage's last line."""
    found: list[Stage] = []
    taken: set[int] = set()
    for line in recording.lines:
        if line.number not in taken:
            stage = next((made for kind in KINDS if (made := kind.match(line, taken)) is not None), None)
            if stage is None:
                raise Refused(f"{line.operation.name} moves statistics of its own making")
            taken |= {each.number for each in stage.lines}
            found.append(stage)
    return sorted(found, key=lambda stage: stage.lines[-1].number)


def _seen(to: Lowering, value: Value) -> Array:
    """A value in the program's memory."""
    memory = to.values.read(value)
    found: Array = memory.view() if isinstance(memory, Padded) else memory.array.reshape(value.shape)
    return found


def _root(array: Array) -> Array:
    """The array that owns the memory."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
