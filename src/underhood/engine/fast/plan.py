"""Plans: a training step recorded once and replayed, fused and without coming back to Python.

    step = underhood.plan(lambda x, t: F.cross_entropy(net(x), t), optimizer)
    loss = step(x, t)

is the same as

    optimizer.zero_grad(); loss = F.cross_entropy(net(x), t); loss.backward(); optimizer.step()

The function maps tensors to the loss, or to a tuple that begins with it. Without an optimiser the gradients are
added to `.grad`, as by `backward()`; under `no_grad` only the results are made. The first call of a kind (shapes and
dtypes of the inputs, with or without gradients, threads) runs the function once more to write it down, and undoes what
that changed; then every call replays it: layers that follow each other are done together, an image at a time, in
memory that was laid out once.

What may change from call to call: the inputs' numbers, the weights', the learning rate and the other constants of
the optimiser, dropout's masks (drawn anew, in the same order). `net.eval()`, another batch size, hooks, new parameters
are noticed, and recorded anew. What Python decides from numbers inside the function cannot be replayed; such a
function runs as it stands every time, and `step.reason` says why. Anything else that Python does in it (printing,
counting, reading a global) happens only while it is recorded.

The numbers are those of the step as it stands but for rounding: sums are added in another order, in the same order
for the same number of threads. A gradient's memory, and a result's other than the loss, is used again by the next call.
"""

from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
from numba import get_num_threads

from underhood.engine import tape
from underhood.engine.fast.kernel import Program
from underhood.engine.fast.lowering import Field, Flat, Lowering, Memory
from underhood.engine.fast.recording import Recording, Refused, Value
from underhood.engine.fast.sinks import Sinks
from underhood.engine.fast.stages import PAGES, Stage
from underhood.engine.forms import Array, current_form
from underhood.engine.optim.optimizer import Optimizer
from underhood.engine.tensor import Tensor

KEPT = 4  # recordings of one kind: for `train` and `eval`, say


class Plan:
    """A step that is replayed. `reason` says why the last call was not, empty if it was."""

    def __init__(self, function: Callable[..., Any], optimizer: Optimizer | None = None) -> None:
        self.function, self.optimizer = function, optimizer
        self.reason = "no call yet"
        self._known: dict[Any, list[Replay] | str] = {}

    def __call__(self, *inputs: Tensor) -> Any:
        """One step on `inputs`; returns what the function returns."""
        if current_form() != "fast" or tape.listener() is not None:
            self.reason = f"the form asked for is {current_form()!r}"
            return self._as_it_stands(inputs)
        threads = get_num_threads()
        key = self._key(inputs, threads)
        known = self._known.setdefault(key, [])
        if isinstance(known, str):
            self.reason = known
            return self._as_it_stands(inputs)
        self.reason = ""
        replay = next((replay for replay in known if replay.holds()), None) or self._record(key, inputs, threads)
        return replay.run(inputs) if replay is not None else self._as_it_stands(inputs)

    def times(self, *inputs: Tensor, repeats: int = 20) -> list[tuple[str, float]]:
        """The kernels of a replay in their order, each with the median of the seconds that it takes by itself.

        It runs them: weights and optimiser are left as after some steps, on numbers that make no sense.
        """
        self(*inputs)
        if self.reason:
            raise RuntimeError(f"this step is not replayed: {self.reason}")
        known = self._known[self._key(inputs, get_num_threads())]
        return next(replay for replay in known if replay.holds()).times(repeats)  # type: ignore[union-attr]

    def _as_it_stands(self, inputs: tuple[Tensor, ...]) -> Any:
        if self.optimizer is not None and tape.is_grad_enabled():
            self.optimizer.zero_grad()
        results = self.function(*inputs)
        self._learn(results)
        return _off_the_tape(results)

    @staticmethod
    def _key(inputs: tuple[Tensor, ...], threads: int) -> Any:
        return tuple((x.array.shape, x.array.dtype) for x in inputs), tape.is_grad_enabled(), threads

    def _learn(self, results: Any) -> None:
        loss = results[0] if isinstance(results, tuple) else results
        if tape.is_grad_enabled() and loss.requires_grad:
            loss.backward()
            if self.optimizer is not None:
                self.optimizer.step()

    def _record(self, key: Any, inputs: tuple[Tensor, ...], threads: int) -> "Replay | None":
        """Write the step down without doing it; None where it cannot be replayed."""
        recording = Recording(inputs)
        try:
            with tape.listening(recording):
                results = self.function(*inputs)
            outputs = recording.given_out(results if isinstance(results, tuple) else (results,))
            replay = Replay(recording, outputs, self.optimizer, threads, isinstance(results, tuple))
        except Refused as why:
            self.reason = str(why)
            if recording.lasting:
                self._known[key] = str(why)
            return None
        finally:
            recording.undo()
        kept: Any = self._known[key]
        self._known[key] = [replay, *kept[: KEPT - 1]]
        return replay


def _off_the_tape(results: Any) -> Any:
    return tuple(x.detach() for x in results) if isinstance(results, tuple) else results.detach()


def plan(function: Callable[..., Any], optimizer: Optimizer | None = None) -> Plan:
    """The step `function` with backward and the optimiser's update, recorded at the first call and replayed later."""
    return Plan(function, optimizer)


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
        self.sinks = Sinks(optimizer)
        self.optimizer = optimizer
        self.modes = [(m, m.training) for m in recording.modules.values()]
        values = {id(x): x for line in recording.lines for x in line.inputs if isinstance(x, Value)}
        self.leaves = [(v.tensor, v.tensor.array, v.gradient) for v in values.values() if v.tensor is not None]
        self.lowered: Lowering | None = None

    def holds(self) -> bool:
        """Whether everything is as it was recorded."""
        return (
            all(m.training is mode and not (m._before or m._after or m._backward) for m, mode in self.modes)
            and all(t.array is array and t._wanted == wants and not t.hooks for t, array, wants in self.leaves)
            and self.sinks.holds()
        )

    def run(self, inputs: tuple[Tensor, ...]) -> Any:
        """The step on other numbers."""
        to = self.lowered = self.lowered or self._lower()
        self._enter(to, inputs)
        for check in to.checks:
            check()
        for value, again in () if self.drawn else self.recording.drawn:
            value.tensor.array[...] = again()  # type: ignore[union-attr]
        self.drawn = False
        for counter in self.recording.counters:
            counter.array += 1
        before = self._gradients_before() if self.learns and self.optimizer is None else {}
        if self.learns:
            self.sinks.refresh()
        for segment in to.segments:
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
            programs = [segment for segment in self.lowered.segments if isinstance(segment, Program)]
            rounds.append([each for program in programs for each in program.times(self.threads)])
        names = [name for name, _ in rounds[0]]
        return [(name, median(each[i][1] for each in rounds)) for i, name in enumerate(names)]

    def _enter(self, to: Lowering, inputs: tuple[Tensor, ...]) -> None:
        """Let the program read these inputs where they lie."""
        arrays = [np.ascontiguousarray(x.array) for x in inputs]
        for number, i in to.inputs.items():
            to.values[number, "flat"].array = arrays[i]
        for i, segment, slot in to.patches:
            to.segments[segment].table[slot] = arrays[i].__array_interface__["data"][0]

    def _gradients_before(self) -> dict[int, Array]:
        """What stands in `.grad`: a copy where it is our own memory, which is about to be written over."""
        found = {}
        for t, _, wants in self.leaves:
            if wants and t.grad is not None:
                found[id(t)] = t.grad.array
        if self.lowered is not None:
            own = {id(memory.array) for _, memory in self.lowered.parameters.values()}
            found = {key: array.copy() if id(array) in own else array for key, array in found.items()}
        return found

    def _leave_gradients(self, to: Lowering, before: dict[int, Array]) -> None:
        for value, memory in to.parameters.values():
            p = value.tensor
            assert p is not None
            if id(p) in before:
                memory.array += before[id(p)]
            if p.grad is None or p.grad.array is not memory.array:
                p.grad = Tensor(memory.array)

    def _result(self, to: Lowering, value: Value) -> Tensor:
        memory = to.either(value)
        found = memory.view() if isinstance(memory, Field) else memory.array.reshape(value.shape)
        return Tensor(np.array(found) if found.ndim == 0 else found)

    # -- making the program --

    def _lower(self) -> Lowering:
        first = self._pass(None)
        second = self._pass(first.memories)
        for segment in second.segments:
            if isinstance(segment, Program):
                segment.seal()
        return second

    def _pass(self, lives: list[Memory] | None) -> Lowering:
        dtype = next((line.output.dtype for line in self.recording.lines if line.output.dtype.kind == "f"), np.float32)
        root = self.outputs[0] if self.learns else None
        to = Lowering(dtype, self.threads, root, self.sinks, lives)
        self.sinks.begin()
        for i, value in enumerate(self.recording.inputs):
            to.inputs[value.number] = i
            placeholder = Flat(value.shape, value.dtype, pinned=True)
            placeholder.array = np.zeros(value.shape, value.dtype)
            to.values[value.number, "flat"] = placeholder
        for stage in self.stages:
            stage.prepare(to)
        for stage in self.stages:
            stage.begin(to)
        for stage in self.stages:
            stage.forward(to)
        if root is not None:
            to.gradients[root.number] = to.held(np.ones(root.shape, dtype))
            back = []
            for stage in reversed(self.stages):
                if stage.output.gradient and stage.output.number in to.gradients:
                    stage.backward(to)
                    back.append(stage)
            for stage in back:
                stage.end(to)
            self.sinks.finish(to)
        return to


def _stages(recording: Recording) -> list[Stage]:
    """The lines taken together as far as the pages know how, in the order of each stage's last line."""
    found: list[Stage] = []
    taken: set[int] = set()
    for line in recording.lines:
        if line.number not in taken:
            stage = next((made for page in PAGES if (made := page.match(line, taken)) is not None), None)
            if stage is None:
                raise Refused(f"{line.operation.name} moves statistics of its own making")
            taken |= {each.number for each in stage.lines}
            found.append(stage)
    return sorted(found, key=lambda stage: stage.lines[-1].number)
