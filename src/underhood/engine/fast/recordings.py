"""The recordings of one function, and which of them serves a call.

A recording is made for a **kind** of call: the shapes and dtypes of the inputs, which of them are one tensor, with
gradients or without, threads. Of each kind several are kept, as of `train` and `eval`. A call is served by one that is
free and of which nothing has changed (replay.py); where there is none the function is run once more to be written down,
and what that changed is undone.
"""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from underhood.engine import grad_mode, tape
from underhood.engine.fast.guard import Guard, TooMuch
from underhood.engine.fast.recording import Recording, Refused
from underhood.engine.fast.replay import Replay
from underhood.engine.fast.state import State
from underhood.engine.fast.threads import thread_count
from underhood.engine.forms import current_form
from underhood.engine.optim.optimizer import Optimizer
from underhood.engine.tensor import Tensor

PATIENCE = 8  # recordings of one kind that may go out of date before they have been replayed four times each
COMPARED = 2000  # every so many replays one is held against the step as it stands: under 1 % of the time


class Recordings:
    """What is known of `function`: of each kind `kept` replays, or why there is none.

    With `halves`, forward and backward are replayed by themselves.
    """

    def __init__(
        self, function: Callable[..., Any], optimizer: Optimizer | None, kept: int, halves: bool = False
    ) -> None:
        self.function, self.optimizer, self.kept, self.halves = function, optimizer, kept, halves
        self._known: dict[Any, list[Replay] | str] = {}
        self._recorded: Counter[Any] = Counter()
        self._replayed: Counter[Any] = Counter()

    @staticmethod
    def kind(inputs: tuple[Tensor, ...]) -> Any:
        """What a recording is made for."""
        kinds = tuple([(x.array.shape, x.array.dtype, x.requires_grad) for x in inputs])
        first = tuple(next(i for i, y in enumerate(inputs) if y is x) for x in inputs) if len(inputs) > 1 else ()
        return kinds, first, grad_mode.is_grad_enabled(), thread_count(), threading.get_ident()

    def find(self, inputs: tuple[Tensor, ...]) -> tuple[Replay | None, Any, str]:
        """A replay that serves these inputs, None where there is none; the kind of the call; and why not."""
        if current_form() != "fast":
            return None, None, f"the form asked for is {current_form()!r}"
        if tape.listener() is not None:
            return None, None, "it is part of another step"
        kind, why = self.kind(inputs), ""
        known = self._known.setdefault(kind, [])
        if isinstance(known, str):
            return None, kind, known
        replay = next((each for each in known if each.is_free() and not each.stale()), None)
        if replay is None:
            stale = [why for each in known if (why := each.stale())]
            if len(known) - len(stale) >= self.kept:
                return None, kind, f"{self.kept} outputs wait for their backward"
            replay, why = self.record(kind, inputs, stale[-1] if stale else "too many outputs wait")
        self._replayed[kind] += replay is not None
        return replay, kind, why

    def end(self, kind: Any, why: str) -> str:
        """Run calls of this kind as they stand from now on; `why` once more."""
        self._known[kind] = why
        return why

    def record(self, kind: Any, inputs: tuple[Tensor, ...], stale: str = "") -> tuple[Replay | None, str]:
        """Write the function down and undo what that did; None where it cannot be replayed, and why.

        `stale` says why another recording is wanted.
        """
        state, guard, recording = None, None, None
        count = self._recorded[kind] = self._recorded[kind] + 1
        try:
            if count > PATIENCE and self._replayed[kind] < 4 * count:
                raise Refused(f"it would have to be recorded at every call: {stale}")
            guard = Guard(self.function)
            state = State(guard.tensors(), self.optimizer)
            recording = Recording(inputs, guard)
            with tape.listening(recording):
                results = self.function(*inputs)
            several = isinstance(results, tuple) and not self.halves
            outputs = recording.finish(results if several else (results,), scalar=not self.halves)
            if changed := guard.changed() or state.changed([*recording.moved, *recording.counters]):
                raise Refused(f"{changed} inside the {'network' if self.halves else 'step'}")
            replay = Replay(recording, outputs, self.optimizer, thread_count(), several, self.halves)
        except (Refused, TooMuch) as why:
            if recording is None or recording.lasting:
                self.end(kind, str(why))
            return None, str(why)
        finally:
            for each in (recording, guard, state):
                if each is not None:
                    each.restore()
        known: Any = self._known.get(kind, [])
        self._known[kind] = [replay, *known[: self.kept - 1]]
        return replay, ""


def is_compared(replay: Replay) -> bool:
    """Whether its next run is to be held against the step as it stands: the first two, and one now and then."""
    return replay.runs < 2 or replay.runs % COMPARED == 0
