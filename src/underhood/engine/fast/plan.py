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

A plan gives what the step as it stands gives, or runs it as it stands and says why in `step.reason`. What may change
from call to call: values of inputs, weights and buffers, the optimiser's constants, what is drawn at random (anew, in
the same order). Whatever else the function rests on is watched (guard.py), and recorded anew when it has changed. What
cannot be replayed is refused (recording.py). And the first replays, and one now and then, are held against the step as
it stands (comparison.py). What Python does that leaves no trace (printing) happens only while a step is recorded or
compared. With an optimiser the gradients are used up, and none is left in `.grad`.

The numbers are those of the step as it stands but for rounding: sums are added in another order, in the same order
for the same number of threads. A gradient's memory, and a result's other than the loss, is used again by the next call.
"""

import threading
from collections.abc import Callable
from statistics import median
from time import perf_counter, thread_time
from typing import Any

from underhood.engine import grad_mode
from underhood.engine.fast.comparison import compare
from underhood.engine.fast.lowering import Lowering
from underhood.engine.fast.recording import Line
from underhood.engine.fast.recordings import Recordings, is_compared
from underhood.engine.fast.replay import Replay
from underhood.engine.fast.state import State
from underhood.engine.optim.optimizer import Optimizer
from underhood.engine.tensor import Tensor

KEPT = 4  # recordings of one kind: for `train` and `eval`, say


class Plan:
    """A step that is replayed. `reason` says why the last call was not, empty if it was."""

    def __init__(self, function: Callable[..., Any], optimizer: Optimizer | None = None) -> None:
        self.function, self.optimizer = function, optimizer
        self.reason = "no call yet"
        self.recordings = Recordings(function, optimizer, KEPT)
        self._lock = threading.RLock()  # one call at a time, from whatever thread

    def __call__(self, *inputs: Tensor) -> Any:
        """One step on `inputs`; returns what the function returns."""
        with self._lock:
            replay, kind, self.reason = self.recordings.find(inputs)
            if replay is None:
                return self._as_it_stands(inputs)
            return self._compared(kind, replay, inputs) if is_compared(replay) else replay.run(inputs)

    def times(self, *inputs: Tensor, repeats: int = 20) -> list[tuple[str, float]]:
        """What a replay does, in its order, each with the median of the seconds that it takes: kernels by their
        names, operations that are not fused by theirs, and last what Python does around them. Together they are what
        a replayed step takes.

        Whole steps, the program and its parts are timed in turn; of one thread it is the processor's time, which
        others at work on the machine do not lengthen. Kernels that share a band (see kernel.py) are timed one by one,
        and their seconds scaled to what the band takes. It runs them: weights and optimiser are left as after some
        steps, on values that make no sense.
        """
        for _ in range(3):
            self(*inputs)
        replay, _, _ = self.recordings.find(inputs)
        if self.reason or replay is None:
            raise RuntimeError(f"this step is not replayed: {self.reason}")
        clock = thread_time if replay.threads == 1 else perf_counter
        around: list[float] = []
        rounds: list[list[tuple[str, float]]] = []
        for _ in range(repeats):
            began = clock()
            self(*inputs)
            around.append(clock() - began - replay.seconds(clock))
            rounds.append(replay.times(clock))
        parts = [(each[0][0], median(seconds for _, seconds in each)) for each in zip(*rounds, strict=True)]
        return [*parts, ("around the program (Python)", max(median(around), 0.0))]

    def laid_out(self, *inputs: Tensor) -> tuple[Lowering, list[Line]]:
        """The program of a step on such inputs with its memory, and what was recorded; nothing is run.

        Raises RuntimeError where the step can't be replayed.
        """
        with self._lock:
            replay, self.reason = self.recordings.record(self.recordings.kind(inputs), inputs)
            if replay is None:
                raise RuntimeError(f"this step is not replayed: {self.reason}")
            return replay.lower(), replay.recording.lines

    def _as_it_stands(self, inputs: tuple[Tensor, ...]) -> Any:
        learns = grad_mode.is_grad_enabled()
        if self.optimizer is not None and learns:
            self.optimizer.zero_grad()
        results = self.function(*inputs)
        loss = results[0] if isinstance(results, tuple) else results
        if learns and loss.requires_grad:
            loss.backward()
            if self.optimizer is not None:
                self.optimizer.step()
                self.optimizer.zero_grad()
        return _off_the_tape(results)

    def _compared(self, kind: Any, replay: Replay, inputs: tuple[Tensor, ...]) -> Any:
        """A replay held against the step as it stands; where they disagree, the plan ends."""
        before = State(replay.tensors(), self.optimizer)
        try:
            results, self.reason = compare(replay, before, inputs, self.function)
        except Exception as error:
            self.recordings.end(kind, f"the step as it stands fails: {error}")
            raise
        if self.reason:
            self.recordings.end(kind, self.reason)
        return results


def _off_the_tape(results: Any) -> Any:
    if isinstance(results, tuple):
        return tuple(_off_the_tape(x) for x in results)
    return results.detach() if isinstance(results, Tensor) else results


def plan(function: Callable[..., Any], optimizer: Optimizer | None = None) -> Plan:
    """The step `function` with backward and the optimiser's update, recorded at the first call and replayed later."""
    return Plan(function, optimizer)
