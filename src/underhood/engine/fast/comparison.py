"""A replay held against the step as it stands.

Both begin from the same state. Results, gradients, running statistics and random streams have to agree to rounding;
then the optimiser makes its step from the replay's own gradients, and has to arrive where the replay did. (It is not
asked to arrive there from gradients that differ by rounding: Adam turns a gradient of 1e−12 into a step as long as any
other.) Where they agree the replay's state stays, as if nothing had been compared. Where they do not, that of the step
as it stands does.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from underhood.engine.fast.replay import Replay
from underhood.engine.fast.rounding import GRADIENTS, apart
from underhood.engine.fast.state import State
from underhood.engine.forms import Array
from underhood.engine.tensor import Tensor

DISAGREES = "a replay gave other values"  # how the reason begins


def compare(replay: Replay, before: State, inputs: tuple[Tensor, ...], function: Callable[..., Any]) -> tuple[Any, str]:
    """Run both from `before`; the results that hold, and in words what differs, empty if nothing does."""
    optimizer = replay.optimizer if replay.learns else None
    results = replay.run(inputs)
    kept = [x.array.copy() for x in _tuple(results)]
    gradients = {id(t): array.copy() for t, array in replay.gradients(before)}
    after = State(before.tensors, replay.optimizer)

    def run() -> Any:
        if optimizer is not None:
            optimizer.zero_grad()
        results = function(*inputs)
        if replay.learns:
            _tuple(results)[0].backward()
        return results

    before.restore()
    expected = run()
    why = after.differs(kept, [x.array for x in _tuple(expected)])
    diverged = not np.isfinite(kept[0]).all()  # then nan spreads by the order of sums
    learns = replay.learns and not diverged
    why = why or (_gradients_differ(replay, before, gradients, run) if learns else "")
    guard = replay.recording.guard.changed()
    if not (why or guard or diverged) and optimizer is not None:
        why = _updates_differ(before, after, gradients)
    if not (why or guard):
        after.restore()
        for x, array in zip(_tuple(results), kept, strict=True):
            x.array[...] = array
        return results, ""
    if optimizer is not None:
        optimizer.step()
    detached = tuple(x.detach() for x in _tuple(expected))
    return (detached if replay.several else detached[0]), guard or f"{DISAGREES}: {why}"


def _tuple(results: Any) -> tuple[Any, ...]:
    return results if isinstance(results, tuple) else (results,)


def _gradients_differ(replay: Replay, before: State, found: dict[int, Array], run: Callable[[], Any]) -> str:
    """In words, which gradient of the replay is not that of the step as it stands; all is left as `run` left it."""

    def gradients() -> list[Array | None]:
        return [None if t.grad is None else t.grad.array.copy() for t in before.tensors]

    stood: list[State] = []

    def again(move: Callable[[Iterable[Tensor]], None]) -> list[Array | None]:
        stood.append(State(before.tensors, before.optimizer))
        before.restore()
        move(t for t in before.tensors if id(t) in found)
        run()
        return gradients()

    first = replay.rounding.differ([found.get(id(t)) for t in before.tensors], gradients(), again)
    if stood:
        stood[0].restore()
    return "" if first is None else f"the gradient of a parameter of shape {tuple(before.tensors[first].shape)}"


def _updates_differ(before: State, after: State, gradients: dict[int, Array]) -> str:
    """Let the optimiser step from the replay's gradients; afterwards the gradients are again the step's own."""
    optimizer = after.optimizer
    assert optimizer is not None
    own = [t.grad for t in after.tensors]
    for t in after.tensors:
        t.grad = Tensor(gradients[id(t)]) if id(t) in gradients else None
    optimizer.step()
    why = ""
    for t, (_, start, _), (_, values, _) in zip(after.tensors, before.arrays, after.arrays, strict=True):
        rounding = 16 * np.finfo(t.dtype).eps * np.abs(start).max(initial=0) if t.dtype.kind == "f" else 0.0
        if id(t) not in gradients:
            continue
        limit = GRADIENTS[t.dtype.itemsize]
        if not apart(values - start, t.array - start, slack=float(rounding)).within(limit):
            why = f"the update of a parameter of shape {tuple(t.shape)}"
    for t, grad, (array, values, version) in zip(before.tensors, own, before.arrays, strict=True):
        t.grad = grad
        if id(t) in gradients:
            array[...] = values
            t.versions[0] = version
    before.restore_optimizer()
    return why
