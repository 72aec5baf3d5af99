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
    """w, *buffers = rule(w, g, *buffers, *constants), in place."""

    rule: Callable[..., Any]
    w: Array
    g: Array
    buffers: tuple[Array, ...]
    constants: tuple[Any, ...]


class Step:
    """The updates of some parameters, of one dtype and contiguous."""

    def __init__(self, updates: Sequence[Update]) -> None:
        self.updates = [each._replace(g=each.w) for each in updates]  # without the gradients, which pass away
        self.known = [each.constants for each in updates]
        self.threads = threads_for(sum(each.w.size for each in updates))
        call = self.call = Call(updates[0].w.dtype, self.threads)
        self.constants = [np.array([*each.constants, 0], call.dtype) for each in updates]
        for each, constants in zip(updates, self.constants, strict=True):
            kernel = rule_update(each.rule, len(each.buffers), len(each.constants))
            held = [call.held(x) for x in (each.w, *each.buffers)]
            arguments = held[0], call.given(each.w.size), *held[1:], call.held(constants), each.w.size
            call.emit(kernel, *arguments, images=self.threads)
        call.sealed()

    def fits(self, updates: Sequence[Update]) -> bool:
        """Whether these are updates of the same arrays by the same rules, and worth as many threads."""
        if len(updates) != len(self.updates) or self.threads != threads_for(sum(each.w.size for each in updates)):
            return False
        return all(
            x.w is y.w and x.rule is y.rule and len(x.buffers) == len(y.buffers)
            and all(a is b for a, b in zip(x.buffers, y.buffers, strict=True))
            for x, y in zip(updates, self.updates, strict=True)
        )  # fmt: skip

    def __call__(self, updates: Sequence[Update]) -> None:
        """Update with these gradients and constants."""
        for i, each in enumerate(updates):
            if each.constants != self.known[i]:
                self.known[i], self.constants[i][:-1] = each.constants, each.constants
        self.call(*(np.ascontiguousarray(each.g) for each in updates))


def offered(updates: Sequence[Update]) -> bool:
    """Whether all of them can be one call."""
    dtypes = {x.dtype for each in updates for x in (each.w, each.g, *each.buffers)}
    contiguous = all(x.flags.c_contiguous for each in updates for x in (each.w, *each.buffers))
    return len(dtypes) == 1 and contiguous and updates[0].w.dtype.kind == "f"
