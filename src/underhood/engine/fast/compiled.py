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
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from typing import Any

import numpy as np

from underhood.engine import grad_mode, random, tape
from underhood.engine.fast.comparison import DISAGREES
from underhood.engine.fast.recordings import Recordings, is_compared
from underhood.engine.fast.replay import Replay
from underhood.engine.fast.state import State, restore_stream, stream_state
from underhood.engine.forms import Array
from underhood.engine.nn.module import Module
from underhood.engine.tensor import Tensor

KEPT = 6  # programs of one kind: of `train` and `eval`, and for outputs that wait for their backward


class Name:
    """What stands for an operation on the tape's line of a compiled network."""

    name = "compiled"


class Half(tape.Node):
    """The line of the tape that a compiled network's output stands on: one call that may be run backward."""

    __slots__ = ("__weakref__", "before", "cells", "inputs", "kind", "owner", "reference", "replay", "stream", "used")
    hands_over = True

    def __init__(
        self, owner: "Compiled", kind: Any, replay: Replay, inputs: tuple[Tensor, ...], stream: Any, output: Array
    ) -> None:
        super().__init__(Name(), "fast", {}, replay.wanting, (output,), ())  # type: ignore[arg-type]
        self.owner, self.kind, self.replay, self.inputs, self.stream = owner, kind, replay, inputs, stream
        self.used = False
        self.reference: Tensor | None = None  # the output as it stands, where the two are compared
        self.cells = [x.versions for x in inputs] + [t.versions for t, _, _ in replay.leaves]
        self.before = [cell[0] for cell in self.cells]

    def check(self) -> None:
        super().check()
        for cell, version in zip(self.cells, self.before, strict=True):
            if cell[0] != version:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace operation: "
                    f"an input, a parameter or a buffer of the compiled network, output shape {tuple(self.shape)}, is "
                    f"at version {cell[0]}; expected version {version} instead."
                )

    def backward(self, gradient: Array) -> tuple[Array | None, ...]:
        """The gradients of the parameters, by the program; by the network as it stands where that is used up."""
        self.check()
        if self.used:
            return self._again(gradient)
        self.used = True
        found = self.replay.backward(gradient)
        return found if self.reference is None else self._compared(gradient, found)

    def _compared(self, gradient: Array, found: tuple[Array | None, ...]) -> tuple[Array | None, ...]:
        """The gradients, held against those as they stand."""
        assert self.reference is not None
        expected = self._through(self.reference, gradient)
        self.reference = None
        if not np.isfinite(gradient).all():  # then nan spreads by the order of sums
            return found
        first = self.replay.rounding.differ(found, expected, lambda move: self._again(gradient, move))
        if first is None:
            return found
        shape = tuple(self.replay.wanting[first].shape)
        self.owner.end(self.kind, f"a replay gave another gradient for a parameter of shape {shape}")
        return expected

    def _through(self, output: Tensor, gradient: Array) -> tuple[Array | None, ...]:
        wanted: list[Any] = list(self.replay.wanting)
        hooks = [list(p.hooks) for p in wanted]  # they wait for what is handed on
        for p in wanted:
            p.hooks.clear()
        try:
            found = tape.propagate([(output.source, gradient)], retain=False, wanted=wanted)
        finally:
            for p, own in zip(wanted, hooks, strict=True):
                p.hooks[:] = own
        return tuple(found.get(id(p)) for p in wanted)

    def _again(
        self, gradient: Array, move: Callable[[Iterable[Tensor]], None] | None = None
    ) -> tuple[Array | None, ...]:
        """Forward and backward as they stand, from where the random numbers stood; nothing else of it is left.

        `move` may change the weights before it.
        """
        if changed := self.replay.recording.guard.changed():
            raise RuntimeError(f"cannot run a compiled network backward again: {changed}")
        state = State(self.replay.tensors(), None)
        try:
            if self.stream is not None:
                restore_stream(random.stream(), self.stream)
            if move is not None:
                move(self.replay.wanting)
            with grad_mode.enable_grad():
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
        own(self, "_recordings", Recordings(net, None, KEPT, halves=True))
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

    def end(self, kind: Any, reason: str) -> str:
        """Run calls of this kind as they stand from now on."""
        self.reason = self._recordings.end(kind, reason)
        return reason

    def _replayed(self, inputs: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, str]:
        """The output of a replay, None where there is none, and then why."""
        if options or not all(isinstance(x, Tensor) for x in inputs):
            return None, "the network is called with something that is no tensor"
        if any(x.requires_grad for x in inputs):
            return None, "an input of the network wants a gradient"
        replay, kind, why = self._recordings.find(inputs)
        return (None, why) if replay is None else self._run(kind, replay, inputs)

    def _run(self, kind: Any, replay: Replay, inputs: tuple[Tensor, ...]) -> tuple[Any, str]:
        before = State(replay.tensors(), None) if is_compared(replay) else None
        stream = stream_state(random.stream()) if replay.recording.drawn else None
        output = Tensor(replay.forward(inputs))
        expected = None
        if before is not None:
            after = State(before.tensors, None)
            before.restore()
            expected = self._net(*inputs)
            if why := after.differs([output.array], [expected.array]) or replay.recording.guard.changed():
                return expected, self.end(kind, f"{DISAGREES}: {why}")
            after.restore()
        if replay.learns:
            output.node = node = Half(self, kind, replay, inputs, stream, output.array)
            node.reference = expected
            replay.pending = weakref.ref(node)
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
