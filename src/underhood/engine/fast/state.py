"""Everything that a step may change, copied, so that the step can be run and undone: weights, buffers, gradients, the
optimiser's state, the streams of random numbers.
"""

from collections.abc import Iterable
from copy import copy
from typing import Any

import numpy as np

from underhood.engine import random
from underhood.engine.fast.rounding import same
from underhood.engine.forms import Array
from underhood.engine.optim.optimizer import Optimizer
from underhood.engine.tensor import Tensor


class State:
    """A copy of what `tensors`, the optimiser and the engine's stream of random numbers are now."""

    def __init__(self, tensors: Iterable[Tensor], optimizer: Optimizer | None) -> None:
        self.optimizer = optimizer
        owned = [p for group in optimizer.param_groups for p in group["params"]] if optimizer else []
        self.tensors = list({id(t): t for t in (*tensors, *owned)}.values())
        self.arrays = [(t.array, t.array.copy(), t.versions[0]) for t in self.tensors]
        self.grads = [(t.grad, None if t.grad is None else t.grad.array.copy()) for t in self.tensors]
        self.kept = {} if optimizer is None else {p: _copied(state) for p, state in optimizer.state.items()}
        self.stepped = optimizer is not None and optimizer.stepped
        self.rng = random.stream()
        self.stream = stream_state(self.rng)

    def restore(self) -> None:
        """Make everything as it was."""
        for t, (array, values, version) in zip(self.tensors, self.arrays, strict=True):
            t.array = array
            array[...] = values
            t.versions[0] = version
        for t, (grad, values) in zip(self.tensors, self.grads, strict=True):
            t.grad = grad
            if grad is not None:
                grad.array[...] = values
        self.restore_optimizer()
        restore_stream(self.rng, self.stream)
        random.use(self.rng)

    def restore_optimizer(self) -> None:
        """The optimiser's part of it."""
        if self.optimizer is not None:
            self.optimizer.stepped = self.stepped
            self.optimizer.state.clear()
            for p, state in self.kept.items():
                self.optimizer.state[p] = {
                    name: _put_back(*value) if isinstance(value, tuple) else value for name, value in state.items()
                }

    def differs(self, found: list[Array], expected: list[Array]) -> str:
        """In words: what a run that gave `found` and left this state has other than one that gave `expected` and
        left everything as it is now. What an optimiser moves is not looked at.
        """
        if len(found) != len(expected):
            return "another number of results"
        for i, (a, b) in enumerate(zip(found, expected, strict=True)):
            if not same(a, b):
                return f"result {i}" if i else "the loss or output"
        groups = self.optimizer.param_groups if self.optimizer is not None else []
        moved = {id(p) for group in groups for p in group["params"]}
        for t, (_, values, _) in zip(self.tensors, self.arrays, strict=True):
            if id(t) not in moved and not same(values, t.array):
                return f"a buffer of shape {tuple(t.shape)}"
        return "random numbers" if repr(stream_state(self.rng)) != repr(self.stream) else ""

    def changed(self, but: Iterable[Tensor]) -> str:
        """What is not as it was, in words, other than the values of some tensors."""
        known = {id(t) for t in but}
        for t, (array, values, _), (grad, _) in zip(self.tensors, self.arrays, self.grads, strict=True):
            if t.array is not array:
                return "a tensor has got another array"
            if t.grad is not grad:
                return "gradients have changed"
            if id(t) not in known and not np.array_equal(array, values, equal_nan=array.dtype.kind == "f"):
                return "a parameter or a buffer has changed"
        return ""


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    """An optimiser's state of one parameter: tensors with copies of their values, numbers as they are."""
    return {name: (value, value.array.copy()) if isinstance(value, Tensor) else value for name, value in state.items()}


def _put_back(tensor: Tensor, values: Array) -> Tensor:
    tensor.array[...] = values
    return tensor


def stream_state(rng: np.random.Generator) -> dict[str, Any]:
    """Where a stream of random numbers stands."""
    own = dict(getattr(rng, "__dict__", {}))
    return {"own": own, "bits": copy(rng.bit_generator.state)}


def restore_stream(rng: np.random.Generator, state: dict[str, Any]) -> None:
    """Go back to where a stream stood."""
    rng.bit_generator.state = state["bits"]
    getattr(rng, "__dict__", {}).update(state["own"])
