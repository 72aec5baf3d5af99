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
from collections import Counter
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

from numba import get_num_threads

from underhood.engine import tape
from underhood.engine.fast.comparison import compare
from underhood.engine.fast.guard import Guard, TooMuch
from underhood.engine.fast.lowering import Lowering
from underhood.engine.fast.recording import Line, Recording, Refused
from underhood.engine.fast.replay import Replay
from underhood.engine.fast.state import State
from underhood.engine.forms import current_form
from underhood.engine.optim.optimizer import Optimizer
from underhood.engine.tensor import Tensor

KEPT = 4  # recordings of one kind: for `train` and `eval`, say
PATIENCE = 8  # recordings of one kind that may go out of date before they have been replayed four times each
COMPARED = 2000  # every so many replays one is held against the step as it stands: under 1 % of the time


class Plan:
    """A step that is replayed. `reason` says why the last call was not, empty if it was."""

    def __init__(self, function: Callable[..., Any], optimizer: Optimizer | None = None) -> None:
        self.function, self.optimizer = function, optimizer
        self.reason = "no call yet"
        self._known: dict[Any, list[Replay] | str] = {}
        self._recorded: Counter[Any] = Counter()
        self._replayed: Counter[Any] = Counter()
        self._lock = threading.RLock()  # one call at a time, from whatever thread

    def __call__(self, *inputs: Tensor) -> Any:
        """One step on `inputs`; returns what the function returns."""
        with self._lock:
            return self._call(inputs)

    def _call(self, inputs: tuple[Tensor, ...]) -> Any:
        if current_form() != "fast" or tape.listener() is not None:
            self.reason = (
                "it is part of another step" if tape.listener() else f"the form asked for is {current_form()!r}"
            )
            return self._as_it_stands(inputs)
        key = self._key(inputs)
        known = self._known.setdefault(key, [])
        if isinstance(known, str):
            self.reason = known
            return self._as_it_stands(inputs)
        self.reason, stale = "", ""
        replay = next((replay for replay in known if not (stale := replay.stale())), None)
        if replay is None:
            replay = self._record(key, inputs, stale)
        if replay is None:
            return self._as_it_stands(inputs)
        self._replayed[key] += 1
        if replay.runs < 2 or replay.runs % COMPARED == 0:
            return self._compared(key, replay, inputs)
        return replay.run(inputs)

    def times(self, *inputs: Tensor, repeats: int = 20) -> list[tuple[str, float]]:
        """What a replay does, in its order, each with the median of the seconds that it takes: kernels by their
        names, operations that are not fused by theirs, and last what Python does around them. Together they are what
        a replayed step takes.

        Kernels that share a band (see kernel.py) are timed one by one, and their seconds scaled to what the band takes.
        It runs them: weights and optimiser are left as after some steps, on values that make no sense.
        """
        steps = []
        for _ in range(repeats + 2):
            began = perf_counter()
            self(*inputs)
            steps.append(perf_counter() - began)
        if self.reason:
            raise RuntimeError(f"this step is not replayed: {self.reason}")
        known = self._known[self._key(inputs)]
        assert not isinstance(known, str)
        replay = next(replay for replay in known if not replay.stale())
        around = median(steps[2:]) - median(replay.seconds(repeats))
        return [*replay.times(repeats), ("around the program (Python)", max(around, 0.0))]

    def laid_out(self, *inputs: Tensor) -> tuple[Lowering, list[Line]]:
        """The program of a step on such inputs with its memory, and what was recorded; nothing is run.

        Raises RuntimeError where the step can't be replayed.
        """
        with self._lock:
            key = self._key(inputs)
            self._known.setdefault(key, [])
            replay = self._record(key, inputs, "")
            if replay is None:
                raise RuntimeError(f"this step is not replayed: {self.reason}")
            return replay.lower(), replay.recording.lines

    def _as_it_stands(self, inputs: tuple[Tensor, ...]) -> Any:
        learns = tape.is_grad_enabled()
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

    @staticmethod
    def _key(inputs: tuple[Tensor, ...]) -> Any:
        """What a recording is made for: the inputs' kinds, which of them are one, and who asks."""
        kinds = tuple((x.array.shape, x.array.dtype, x.requires_grad) for x in inputs)
        first = tuple(next(i for i, y in enumerate(inputs) if y is x) for x in inputs) if len(inputs) > 1 else ()
        return kinds, first, tape.is_grad_enabled(), get_num_threads(), threading.get_ident()

    def _record(self, key: Any, inputs: tuple[Tensor, ...], stale: str) -> Replay | None:
        """Write the step down without doing it; None where it cannot be replayed."""
        self._recorded[key] += 1
        state, guard, recording = None, None, None
        try:
            if self._recorded[key] > PATIENCE and self._replayed[key] < 4 * self._recorded[key]:
                raise Refused(f"it would have to be recorded at every call: {stale}")
            guard = Guard(self.function)
            state = State([t for module in guard.modules.values() for t in tensors_of(module)], self.optimizer)
            recording = Recording(inputs, guard)
            with tape.listening(recording):
                results = self.function(*inputs)
            several = isinstance(results, tuple)
            outputs = recording.finish(results if several else (results,))
            if changed := guard.changed() or state.changed([*recording.moved, *recording.counters]):
                raise Refused(f"{changed} inside the step")
            replay = Replay(recording, outputs, self.optimizer, get_num_threads(), several)
        except (Refused, TooMuch) as why:
            self.reason = str(why)
            if recording is None or recording.lasting:
                self._known[key] = str(why)
            return None
        finally:
            if recording is not None:
                recording.restore()
            if guard is not None:
                guard.restore()
            if state is not None:
                state.restore()
        kept: Any = self._known[key]
        self._known[key] = [replay, *kept[: KEPT - 1]]
        return replay

    def _compared(self, key: Any, replay: Replay, inputs: tuple[Tensor, ...]) -> Any:
        """A replay held against the step as it stands; where they disagree, the plan ends."""
        tensors = [t for module in replay.recording.guard.modules.values() for t in tensors_of(module)]
        moved = replay.recording.moved + replay.recording.counters
        before = State([*tensors, *moved, *(t for t, _, _ in replay.leaves)], self.optimizer)
        try:
            results, self.reason = compare(replay, before, inputs, self.function)
        except Exception as error:
            self._known[key] = f"the step as it stands fails: {error}"
            raise
        if self.reason:
            self._known[key] = self.reason
        return results


def tensors_of(module: Any) -> list[Tensor]:
    """The parameters and buffers of one module."""
    return [t for t in (*module._parameters.values(), *module._buffers.values()) if t is not None]


def _off_the_tape(results: Any) -> Any:
    if isinstance(results, tuple):
        return tuple(_off_the_tape(x) for x in results)
    return results.detach() if isinstance(results, Tensor) else results


def plan(function: Callable[..., Any], optimizer: Optimizer | None = None) -> Plan:
    """The step `function` with backward and the optimiser's update, recorded at the first call and replayed later."""
    return Plan(function, optimizer)
