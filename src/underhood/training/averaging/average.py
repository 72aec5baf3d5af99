"""What averaging is: copies of a network's weights that follow them, and are evaluated and saved in their place.

    s: the copy of one entry of the state_dict   w: the entry itself

Every entry with floating-point numbers is followed by the same rule: weights, biases, and the running statistics of
a BatchNorm, so that statistics and weights belong together. Counters are not; they stay the network's own. While
the network trains it holds its own weights; before an evaluation they change places with the copies, and change
back before the next step.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, Protocol

import numpy as np

Array = np.ndarray
Tensors = dict[str, Any]


class Averaging(Protocol):
    """One page, with its settings. Tensors are of either library; nothing here is recorded for backward."""

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]

    def update(self, copies: Tensors, own: Tensors, updates: int) -> None:
        """Bring the copies up to date, in place, after step number `updates`, counted from 1."""


class Average:
    """The copies of one network, and whether they stand in its place."""

    def __init__(self, rule: Averaging, net: Any, back: Any) -> None:
        self.rule, self.net, self.back = rule, net, back
        self.updates = 0
        self.aside: Tensors = {}  # the network's own weights, while the copies stand in their place
        self.copies = {name: _copy(w) for name, w in self._own()}

    def _own(self) -> Iterator[tuple[str, Any]]:
        """The entries that are followed, as they lie in the network's memory."""
        return ((name, w) for name, w in self.net.state_dict().items() if w.is_floating_point())

    def update(self) -> None:
        """After a step of the optimiser."""
        self.updates += 1
        with self.back.no_grad():
            self.rule.update(self.copies, dict(self._own()), self.updates)

    def show(self) -> None:
        """Put the copies into the network."""
        if not self.aside:
            with self.back.no_grad():
                for name, w in self._own():
                    self.aside[name] = w.detach().clone()
                    w.copy_(self.copies[name])

    def hide(self) -> None:
        """Give the network its own weights back."""
        if self.aside:
            with self.back.no_grad():
                for name, w in self._own():
                    w.copy_(self.aside[name])
            self.aside = {}

    def state(self) -> dict[str, Array]:
        """The copies as arrays, for a checkpoint."""
        arrays = {f"average.{name}": np.array(self.back.array(s)) for name, s in self.copies.items()}
        return {"averaging.updates": np.array(self.updates), **arrays}

    def restore(self, state: dict[str, Array]) -> None:
        """Undo `state`."""
        self.updates = int(state["averaging.updates"])
        with self.back.no_grad():
            for name, s in self.copies.items():
                s.copy_(self.back.exactly(state[f"average.{name}"]))


def _copy(w: Any) -> Any:
    """A tensor of the same elements; bfloat16 has too few digits to add a thousandth of anything."""
    return w.detach().clone().float() if "bfloat16" in str(w.dtype) else w.detach().clone()


def towards(s: Any, w: Any, fraction: float) -> None:
    """s ← s + fraction · (w − s), in place."""
    s.add_((w - s) * fraction)
