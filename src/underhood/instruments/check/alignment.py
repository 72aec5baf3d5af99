"""Which tensors of one pass are tensors of another: by their elements, whatever they are called."""

from typing import Any

import numpy as np

from underhood.instruments.check.gap import Array, gap
from underhood.instruments.check.steps import Flow
from underhood.instruments.check.weights import Links

NEAR = 1e-8


class Known:
    """Which tensors of mine are tensors of the reference's."""

    def __init__(self, mine: Flow, right: Flow, links: Links) -> None:
        self.mine, self.right = mine, right
        self.same: dict[int | str, int | str] = {}
        for link in links.links:
            self.same.setdefault(link.mine, link.theirs)
        for key in mine.sources:
            if key in right.sources and key not in self.same and equal(mine.sources[key], right.sources[key]):
                self.same[key] = key
        by_size: dict[int, list[int]] = {}
        met: set[int | str] = set()
        for j, step in enumerate(right.steps):
            by_size.setdefault(step.array.size, []).append(j)
        for i, step in enumerate(mine.steps):
            for j in by_size.get(step.array.size, ()):
                if equal(step.array, right.steps[j].array):
                    self.same.setdefault(i, j)
                    met.add(j)
        self.bad = self._bad(mine, set(self.same))
        self.missed = self._bad(right, met)

    @staticmethod
    def _bad(flow: Flow, known: set[Any]) -> list[int]:
        """Steps that are not known and lead to none that is."""
        leads = [i in known for i in range(len(flow.steps))]
        for i in reversed(range(len(flow.steps))):
            if leads[i]:
                for parent in flow.steps[i].parents:
                    if isinstance(parent, int):
                        leads[parent] = True
        return [i for i, good in enumerate(leads) if not good]


def equal(a: Array, b: Array) -> bool:
    """The same elements in the same order, whatever the shape; in any order where the shapes differ."""
    if a.size != b.size or not a.size or a.dtype.kind != b.dtype.kind:
        return False
    flat = a.reshape(-1), b.reshape(-1)
    if gap(flat[0], flat[1]).relative < NEAR:
        return True
    if a.shape == b.shape or a.dtype.kind != "f":
        return False
    return gap(np.sort(flat[0]), np.sort(flat[1])).relative < NEAR
