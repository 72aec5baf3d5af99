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

What may change from call to call: the values of inputs and weights, the learning rate and the other constants of the
optimiser, dropout's masks (drawn anew, in the same order). `net.eval()`, another batch size, hooks, new parameters
are noticed, and recorded anew. What Python decides from values inside the function cannot be replayed; such a
function runs as it stands every time, and `step.reason` says why. Anything else that Python does in it (printing,
counting, reading a global) happens only while it is recorded.

The numbers are those of the step as it stands but for rounding: sums are added in another order, in the same order
for the same number of threads. A gradient's memory, and a result's other than the loss, is used again by the next call.
"""

from collections.abc import Callable
from typing import Any

from numba import get_num_threads

from underhood.engine import tape
from underhood.engine.fast.recording import Recording, Refused
from underhood.engine.fast.replay import Replay
from underhood.engine.forms import current_form
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
            outputs = recording.results(results if isinstance(results, tuple) else (results,))
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
