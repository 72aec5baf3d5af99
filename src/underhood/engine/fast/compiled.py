"""A network that runs by a recording behind the ordinary loop:

    net = underhood.compile(net)
    optimizer.zero_grad(); loss = criterion(net(x), t); loss.backward(); optimizer.step()

`net(x)` runs the forward half of a recorded program and returns its output, a tensor of its own. Its line on the tape
is the program's other half: when backward comes there with ∂E/∂output, it makes the gradients of all parameters at
once and hands them on as any line does. Losses, hooks, gradients, the optimiser and whatever is read in between are
therefore the ordinary ones. What a plan watches and compares (plan.py) is watched and compared here too; where the
network cannot be replayed it runs as it stands, and `net.reason` says why.

Until an output has been run backward, or forgotten, the program's memory is its own; a call that comes before that gets
a program of its own, or runs as it stands. A second backward (retain_graph) runs the network again as it stands.
"""

import threading
import weakref
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np
from numba import get_num_threads

from underhood.engine import random, tape
from underhood.engine.fast.comparison import DISAGREES
from underhood.engine.fast.guard import Guard, TooMuch
from underhood.engine.fast.plan import COMPARED, PATIENCE, tensors_of
from underhood.engine.fast.recording import Recording, Refused
from underhood.engine.fast.replay import Replay
from underhood.engine.fast.state import State, close, restore_stream, stream_state
from underhood.engine.forms import Array, current_form
from underhood.engine.nn.module import Module
from underhood.engine.tensor import Tensor

KEPT = 6  # programs of one kind: of `train` and `eval`, and for outputs that wait for their backward


class Name:
    """What stands for an operation on the tape's line of a compiled network."""

    name = "compiled"


class Half(tape.Node):
    """The line of the tape that a compiled network's output stands on."""

    __slots__ = ("__weakref__", "call")

    def __init__(self, call: "Call", output: Array, versions: tuple[tuple[list[int], int, str], ...]) -> None:
        super().__init__(Name(), "fast", {}, tuple(call.leaves), (output,), versions)  # type: ignore[arg-type]
        self.call = call

    def backward(self, gradient: Array) -> tuple[Array | None, ...]:
        self.check()
        return tuple(self.call.backward(gradient))


class Call:
    """One call of a compiled network that may be run backward."""

    def __init__(self, owner: "Compiled", key: Any, replay: Replay, inputs: tuple[Tensor, ...], stream: Any) -> None:
        self.owner, self.key, self.replay, self.inputs, self.stream = owner, key, replay, inputs, stream
        self.leaves = replay.wanting()
        self.used = False
        self.reference: Tensor | None = None  # the output as it stands, where the two are compared

    def backward(self, gradient: Array) -> list[Array | None]:
        """The gradients of the parameters, by the program; by the network as it stands where that is used up."""
        if self.used:
            return self._again(gradient)
        self.used = True
        found: list[Array | None] = [g.copy() for g in self.replay.backward(gradient)]
        if self.reference is None:
            return found
        expected = self._through(self.reference, gradient)
        self.reference = None
        if not np.isfinite(gradient).all():  # then nan spreads by the order of sums
            return found
        scale = max((float(np.abs(g).max()) for g in expected if g is not None and g.size), default=0.0)
        for p, a, b in zip(self.leaves, found, expected, strict=True):
            if a is None or b is None or not close(a, b, 1, scale * 1e-2):
                self.owner.end(self.key, f"a replay gave another gradient for a parameter of shape {tuple(p.shape)}")
                return expected
        return found

    def _through(self, output: Tensor, gradient: Array) -> list[Array | None]:
        wanted: list[Any] = list(self.leaves)
        hooks = [list(p.hooks) for p in self.leaves]  # they wait for what is handed on
        for p in self.leaves:
            p.hooks.clear()
        try:
            found = tape.propagate([(output.source, gradient)], retain=False, wanted=wanted)
        finally:
            for p, own in zip(self.leaves, hooks, strict=True):
                p.hooks[:] = own
        return [found.get(id(p)) for p in self.leaves]

    def _again(self, gradient: Array) -> list[Array | None]:
        """Forward and backward as they stand, from where the random numbers stood; nothing else of it is left."""
        if changed := self.replay.recording.guard.changed():
            raise RuntimeError(f"cannot run a compiled network backward again: {changed}")
        state = State(self.owner.tensors(self.replay), None)
        try:
            if self.stream is not None:
                restore_stream(random.stream(), self.stream)
            with tape.enable_grad():
                return self._through(self.owner._net(*self.inputs), gradient)
        finally:
            state.restore()


class Compiled(Module):
    """A network and its recordings. `reason` says why the last call was not replayed, empty if it was."""

    def __init__(self, net: Module, fullgraph: bool = False) -> None:
        super().__init__()
        own = object.__setattr__
        self._modules["_orig_mod"] = net
        own(self, "fullgraph", fullgraph)
        own(self, "reason", "no call yet")
        own(self, "_known", {})
        own(self, "_recorded", {})
        own(self, "_lock", threading.RLock())

    @property
    def _net(self) -> Any:
        """The network as it stands."""
        return self._modules["_orig_mod"]

    def __deepcopy__(self, memo: dict[int, Any]) -> "Compiled":
        return Compiled(deepcopy(self._net, memo), self.fullgraph)

    def __getattr__(self, name: str) -> Any:
        if name in ("_parameters", "_buffers", "_modules") or name in self.__dict__.get("_modules", ()):
            return super().__getattr__(name)
        return getattr(self._net, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("reason", "training"):
            object.__setattr__(self, name, value)
        else:
            setattr(self._net, name, value)

    def __getitem__(self, index: Any) -> Any:
        return self._net[index]

    def __len__(self) -> int:
        return len(self._net)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._net)

    def __bool__(self) -> bool:
        return True

    def forward(self, *inputs: Any, **options: Any) -> Any:
        with self._lock:
            output, self.reason = self._replayed(inputs, options)
        if self.reason and self.fullgraph:
            raise RuntimeError(f"compile(fullgraph=True): the network is not replayed: {self.reason}")
        return output if output is not None else self._net(*inputs, **options)

    def end(self, key: Any, reason: str) -> None:
        """Run calls of this kind as they stand from now on."""
        self.reason = self._known[key] = reason

    def tensors(self, replay: Replay) -> list[Tensor]:
        """All tensors that a call may change."""
        modules = replay.recording.guard.modules.values()
        recording = replay.recording
        leaves = [t for t, _, _ in replay.leaves]
        return [*(t for m in modules for t in tensors_of(m)), *recording.moved, *recording.counters, *leaves]

    def _replayed(self, inputs: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, str]:
        """The output of a replay, None where there is none, and then why."""
        if current_form() != "fast" or tape.listener() is not None:
            return None, "it is part of another step" if tape.listener() else f"the form is {current_form()!r}"
        if options or not all(isinstance(x, Tensor) for x in inputs):
            return None, "the network is called with something that is no tensor"
        if any(x.requires_grad for x in inputs):
            return None, "an input of the network wants a gradient"
        kinds = tuple((x.array.shape, x.array.dtype) for x in inputs)
        first = tuple(next(i for i, y in enumerate(inputs) if y is x) for x in inputs) if len(inputs) > 1 else ()
        key = kinds, first, tape.is_grad_enabled(), get_num_threads(), threading.get_ident()
        known = self._known.setdefault(key, [])
        if isinstance(known, str):
            return None, known
        current = [replay for replay in known if not (stale := replay.stale())]
        replay = next((replay for replay in current if replay.is_free()), None)
        if replay is None:
            if len(current) >= KEPT:
                return None, f"{KEPT} outputs wait for their backward"
            replay, why = self._record(key, inputs, "" if current or not known else stale)
            if replay is None:
                return None, why
        return self._run(key, replay, inputs)

    def _record(self, key: Any, inputs: tuple[Tensor, ...], stale: str) -> tuple[Replay | None, str]:
        count = self._recorded[key] = self._recorded.get(key, 0) + 1
        replays = sum(replay.runs for replay in self._known[key])
        state = guard = recording = None
        try:
            if count > PATIENCE and replays < 4 * count:
                raise Refused(f"it would have to be recorded at every call: {stale or 'too many outputs wait'}")
            guard = Guard(self._net)
            state = State([t for module in guard.modules.values() for t in tensors_of(module)], None)
            recording = Recording(inputs, guard)
            with tape.listening(recording):
                output = self._net(*inputs)
            outputs = recording.finish((output,), scalar=False)
            if changed := guard.changed() or state.changed([*recording.moved, *recording.counters]):
                raise Refused(f"{changed} inside the network")
            replay = Replay(recording, outputs, None, get_num_threads(), several=False, halves=True)
        except (Refused, TooMuch) as why:
            if recording is None or recording.lasting:
                self._known[key] = str(why)
            return None, str(why)
        finally:
            for each in (recording, guard, state):
                if each is not None:
                    each.restore()
        self._known[key] = [replay, *self._known[key][: KEPT - 1]]
        return replay, ""

    def _run(self, key: Any, replay: Replay, inputs: tuple[Tensor, ...]) -> tuple[Any, str]:
        compared = replay.runs < 2 or replay.runs % COMPARED == 0
        before = State(self.tensors(replay), None) if compared else None
        stream = stream_state(random.stream()) if replay.recording.drawn else None
        output = Tensor(np.array(replay.forward(inputs)))
        call = Call(self, key, replay, inputs, stream) if replay.learns else None
        if before is not None:
            after = State(before.tensors, None)
            before.restore()
            expected = self._net(*inputs)
            why = after.differs([output.array], [expected.array]) or replay.recording.guard.changed()
            if why:
                self.end(key, f"{DISAGREES}: {why}")
                return expected, self.reason
            after.restore()
            if call is not None:
                call.reference = expected
        if call is not None:
            read = {id(x.versions): x.versions for x in (*inputs, *(t for t, _, _ in replay.leaves))}
            versions = tuple((cell, cell[0], "read by the compiled network") for cell in read.values())
            output.node = Half(call, output.array, versions)
            replay.pending = weakref.ref(output.node)
        return output, ""


def compile(
    model: Module,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: Any = None,
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    disable: bool = False,
) -> Any:
    """`model`, to be called as ever, running by recordings where it can; see the head of this page.

    `fullgraph` makes it an error where it cannot. What torch.compile's other arguments choose does not arise here.
    """
    if not isinstance(model, Module):
        raise TypeError(
            f"underhood.compile takes a network (nn.Module), not {type(model).__name__}; see underhood.plan"
        )
    return model if disable else Compiled(model, fullgraph)
