"""A replay held against the step as it stands.

Both begin from the same state. Results, gradients, running statistics and random streams have to agree to rounding;
then the optimiser makes its step from the replay's own gradients, and has to arrive where the replay did. (It is not
asked to arrive there from gradients that differ by rounding: Adam turns a gradient of 1e−12 into a step as long as any
other.) Where they agree the replay's state stays, as if nothing had been compared. Where they do not, that of the step
as it stands does.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from underhood.engine.fast.replay import Replay
from underhood.engine.fast.state import State, close
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
    before.restore()
    if optimizer is not None:
        optimizer.zero_grad()
    expected = function(*inputs)
    if replay.learns:
        _tuple(expected)[0].backward()
    why = after.differs(kept, [x.array for x in _tuple(expected)])
    diverged = not np.isfinite(kept[0]).all()  # then nan spreads by the order of sums
    learns = replay.learns and not diverged
    why = why or (_gradients_differ(before.tensors, gradients) if learns else "")
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


def _gradients_differ(tensors: list[Tensor], found: dict[int, Array]) -> str:
    expected = {id(t): t.grad.array for t in tensors if t.grad is not None}
    scale = max((float(np.abs(g).max()) for g in expected.values() if g.size), default=0.0)
    for t in tensors:
        a, b = found.get(id(t)), expected.get(id(t))
        if (a is None) != (b is None):
            return f"a parameter of shape {tuple(t.shape)} has a gradient in one of them"
        if a is not None and b is not None and not close(a, b, 1, scale * 1e-2):
            return f"the gradient of a parameter of shape {tuple(t.shape)}"
    return ""


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
        if id(t) in gradients and not close(values - start, t.array - start, 1, slack=float(rounding)):
            why = f"the update of a parameter of shape {tuple(t.shape)}"
    for t, grad, (array, values, version) in zip(before.tensors, own, before.arrays, strict=True):
        t.grad = grad
        if id(t) in gradients:
            array[...] = values
            t.versions[0] = version
    before.restore_optimizer()
    return why
