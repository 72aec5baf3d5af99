"""An optimiser's step as it stands: all parameters' updates in one call, laid out once.

The weights and their buffers stay where they are from step to step, and only the gradients are new: the call keeps
the addresses of the former, and is laid out anew when one of them has moved. Every update is divided among the
threads, and none waits for another.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from underhood.engine.fast.call import Call, threads_for
from underhood.engine.fast.update import rule_update
from underhood.engine.forms import Array


class Update(NamedTuple):
    """w, *buffers = rule(w, g, *buffers, *constants), in place; the buffers stand in `state` by their names."""

    parameter: Any
    group: dict[str, Any]
    state: dict[str, Any]
    rule: Callable[..., Any]
    names: tuple[str, ...]
    w: Array
    buffers: tuple[Array, ...]


class Step:
    """The updates of some parameters, of one dtype and contiguous."""

    def __init__(self, updates: Sequence[Update], constants: Sequence[tuple[Any, ...]]) -> None:
        self.updates, self.known = updates, list(constants)
        self.choices = [(each.group, (each.rule, each.names)) for each in {id(u.group): u for u in updates}.values()]
        self.size = sum(each.w.size for each in updates)
        self.threads = threads_for(self.size)
        call = self.call = Call(updates[0].w.dtype, self.threads)
        self.constants = [np.array([*each, 0], call.dtype) for each in constants]
        for each, numbers in zip(updates, self.constants, strict=True):
            kernel = rule_update(each.rule, len(each.buffers), len(numbers) - 1)
            held = [call.held(x) for x in (each.w, *each.buffers)]
            arguments = held[0], call.given(each.w.size), *held[1:], call.held(numbers), each.w.size
            call.emit(kernel, *arguments, images=self.threads)
        call.sealed()

    def holds(self, optimizer: Any, wanted: Sequence[tuple[Any, dict[str, Any]]]) -> bool:
        """Whether it updates just these parameters of these groups: the same arrays by the same rules, worth as many
        threads.
        """
        if len(wanted) != len(self.updates) or self.threads != threads_for(self.size):
            return False
        if any(optimizer.chosen(group) != choice for group, choice in self.choices):
            return False
        for (p, group), known in zip(wanted, self.updates, strict=True):
            state = known.state
            if p is not known.parameter or group is not known.group or optimizer.state.get(p) is not state:
                return False
            if p.array is not known.w or p.grad.array.dtype != self.call.dtype:
                return False
            for name, buffer in zip(known.names, known.buffers, strict=True):
                if name not in state or state[name].array is not buffer:
                    return False
        return True

    def __call__(self, gradients: Sequence[Array], constants: Sequence[tuple[Any, ...]]) -> None:
        """Update with these gradients and constants."""
        for i, each in enumerate(constants):
            if each != self.known[i]:
                self.known[i], self.constants[i][:-1] = each, each
        self.call(*[np.ascontiguousarray(g) for g in gradients])


def offered(updates: Sequence[Update], gradients: Sequence[Array]) -> bool:
    """Whether all of them can be one call."""
    arrays = [x for each in updates for x in (each.w, *each.buffers)]
    alike = len({x.dtype for x in (*arrays, *gradients)}) == 1 and updates[0].w.dtype.kind == "f"
    return alike and all(x.flags.c_contiguous for x in arrays)
