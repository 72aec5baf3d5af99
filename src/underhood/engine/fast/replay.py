"""A replay: a recording lowered to a program, and what is to be done around the program at every run."""

from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np

from underhood.engine import tape
from underhood.engine.fast.gradient_targets import GradientTargets
from underhood.engine.fast.kernel import Program
from underhood.engine.fast.lowering import Lowering
from underhood.engine.fast.memory import Memory, Padded
from underhood.engine.fast.recording import Recording, Refused, Value
from underhood.engine.fast.stages import KINDS, Stage
from underhood.engine.forms import Array
from underhood.engine.optim.optimizer import Optimizer
from underhood.engine.tensor import Tensor


class Replay:
    """One recording, and the program made from it at the first run."""

    def __init__(
        self,
        recording: Recording,
        outputs: list[Value],
        optimizer: Optimizer | None,
        threads: int,
        several: bool,
    ) -> None:
        self.recording, self.outputs, self.threads, self.several = recording, outputs, threads, several
        self.stages = _stages(recording)
        self.drawn = True  # the masks are those of the recording, until they are used
        self.learns = tape.is_grad_enabled() and outputs[0].gradient
        self.targets = GradientTargets(optimizer)
        self.optimizer = optimizer
        self.modes = [(m, m.training) for m in recording.modules.values()]
        values = {id(x): x for line in recording.lines for x in line.inputs if isinstance(x, Value)}
        self.leaves = [(v.tensor, v.tensor.array, v.gradient) for v in values.values() if v.tensor is not None]
        self.lowered: Lowering | None = None

    def holds(self) -> bool:
        """Whether everything is as it was recorded."""
        return (
            all(m.training is mode and not m._hooks for m, mode in self.modes)
            and all(t.array is array and t._wanted == wants and not t.hooks for t, array, wants in self.leaves)
            and self.targets.holds()
        )

    def run(self, inputs: tuple[Tensor, ...]) -> Any:
        """The step on other values."""
        to = self.lowered = self.lowered or self._lower()
        self._enter(to, inputs)
        for check in to.schedule.checks:
            check()
        for value, again in () if self.drawn else self.recording.drawn:
            value.tensor.array[...] = again()  # type: ignore[union-attr]
        self.drawn = False
        for counter in self.recording.counters:
            counter.array += 1
        before = self._gradients_before() if self.learns and self.optimizer is None else {}
        if self.learns:
            self.targets.refresh()
        for segment in to.schedule.segments:
            if isinstance(segment, Program):
                segment.run(self.threads)
            else:
                segment()
        if self.learns and self.optimizer is None:
            self._leave_gradients(to, before)
        results = tuple(self._result(to, value) for value in self.outputs)
        return results if self.several else results[0]

    def times(self, repeats: int) -> list[tuple[str, float]]:
        """The kernels in their order, and the median of their seconds."""
        assert self.lowered is not None
        rounds = []
        for _ in range(repeats):
            programs = [segment for segment in self.lowered.schedule.segments if isinstance(segment, Program)]
            rounds.append([each for program in programs for each in program.times(self.threads)])
        names = [name for name, _ in rounds[0]]
        return [(name, median(each[i][1] for each in rounds)) for i, name in enumerate(names)]

    def _enter(self, to: Lowering, inputs: tuple[Tensor, ...]) -> None:
        """Let the program read these inputs where they lie."""
        arrays = [np.ascontiguousarray(x.array) for x in inputs]
        for memory, array in zip(to.schedule.inputs, arrays, strict=True):
            memory.array = array
        for i, segment, slot in to.schedule.patches:
            to.schedule.segments[segment].table[slot] = arrays[i].__array_interface__["data"][0]

    def _gradients_before(self) -> dict[int, Array]:
        """What stands in `.grad`: a copy where it is our own memory, which is about to be written over."""
        found = {}
        for t, _, wants in self.leaves:
            if wants and t.grad is not None:
                found[id(t)] = t.grad.array
        if self.lowered is not None:
            own = {id(memory.array) for _, memory in self.lowered.gradients.parameters.values()}
            found = {key: array.copy() if id(array) in own else array for key, array in found.items()}
        return found

    def _leave_gradients(self, to: Lowering, before: dict[int, Array]) -> None:
        for value, memory in to.gradients.parameters.values():
            p = value.tensor
            assert p is not None
            if id(p) in before:
                memory.array += before[id(p)]
            if p.grad is None or p.grad.array is not memory.array:
                p.grad = Tensor(memory.array)

    def _result(self, to: Lowering, value: Value) -> Tensor:
        memory = to.values.read(value)
        found = memory.view() if isinstance(memory, Padded) else memory.array.reshape(value.shape)
        return Tensor(np.array(found) if found.ndim == 0 else found)

    # -- making the program --

    def _lower(self) -> Lowering:
        """The program, in two passes (see memory.py)."""
        first = self._pass(None)
        second = self._pass(first.memory.memories)
        for segment in second.schedule.segments:
            if isinstance(segment, Program):
                segment.seal()
        return second

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
        for stage in self.stages:
            stage.forward(to)
        if root is not None:
            self._backward(to, root)
        return to

    def _backward(self, to: Lowering, root: Value) -> None:
        arrived = to.gradients.arrived
        arrived[root.number] = to.memory.held(np.ones(root.shape, to.dtype))
        back = []
        for stage in reversed(self.stages):
            if stage.output.gradient and stage.output.number in arrived:
                stage.backward(to)
                back.append(stage)
        for stage in back:
            stage.end(to)
        to.gradients.finish()


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
