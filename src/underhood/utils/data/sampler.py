"""Samplers: in which order a loader visits the items. Each iterates over indices, or over lists of them.

PyTorch: torch.utils.data.Sampler and its like; drawn from the same generators in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np

from underhood.engine.dtypes import float64
from underhood.engine.generator import Generator
from underhood.engine.random import stream, uniform
from underhood.engine.tensor import Tensor

T_co = TypeVar("T_co", covariant=True)


def fresh_seed(generator: Any = None) -> int:
    """A whole number below 2⁶³ from the stream, to seed another one with."""
    return int(stream(generator).integers(0, 2**63))


class Sampler(Generic[T_co]):
    """An order: write `__iter__`, and `__len__` if it is known."""

    def __init__(self, data_source: Any = None) -> None:
        pass

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError


class SequentialSampler(Sampler[int]):
    """0, 1, 2, …"""

    def __init__(self, data_source: Any) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Every index once, in random order; with `replacement`, `num_samples` of them, each drawn from all."""

    def __init__(
        self, data_source: Any, replacement: bool = False, num_samples: int | None = None, generator: Any = None
    ) -> None:
        self.data_source, self.replacement, self.generator = data_source, replacement, generator
        self._num_samples = num_samples
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(f"num_samples should be a positive integer value, but got num_samples={self.num_samples}")

    @property
    def num_samples(self) -> int:
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        n, count = len(self.data_source), self.num_samples
        rng = Generator().manual_seed(fresh_seed()) if self.generator is None else self.generator
        if self.replacement:
            for size in (*[32] * (count // 32), count % 32):
                yield from rng.integers(0, n, size).tolist()
        else:
            for size in (*[n] * (count // n), count % n):
                yield from rng.permutation(n)[:size].tolist()

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order."""

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices, self.generator = indices, generator

    def __iter__(self) -> Iterator[int]:
        return (self.indices[i] for i in stream(self.generator).permutation(len(self.indices)).tolist())

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """`num_samples` indices, i with a chance in proportion to `weights[i]`; without replacement none comes twice."""

    def __init__(
        self, weights: Sequence[float], num_samples: int, replacement: bool = True, generator: Any = None
    ) -> None:
        if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
            raise ValueError(f"num_samples should be a positive integer value, but got num_samples={num_samples}")
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got replacement={replacement}")
        chances = np.asarray(weights.array if isinstance(weights, Tensor) else weights, float64)
        if chances.ndim != 1:
            raise ValueError(f"weights should be a 1d sequence but given weights have shape {chances.shape}")
        if not np.isfinite(chances).all() or chances.min(initial=0) < 0 or not chances.sum() > 0:
            raise ValueError("weights are finite, not negative, and not all 0")
        if not replacement and num_samples > np.count_nonzero(chances):
            raise ValueError(f"{num_samples} different indices cannot be drawn from {np.count_nonzero(chances)}")
        self.weights, self.num_samples, self.replacement, self.generator = chances, num_samples, replacement, generator

    def __iter__(self) -> Iterator[int]:
        if self.replacement:  # where a uniform number falls among the cumulated chances
            edges = np.cumsum(self.weights) / self.weights.sum()
            drawn = uniform((self.num_samples,), float64, generator=self.generator)
            return iter(np.minimum(np.searchsorted(edges, drawn, "right"), len(edges) - 1).tolist())
        # the smallest of exponential waiting times (Efraimidis & Spirakis 2006)
        drawn = uniform(self.weights.shape, float64, generator=self.generator)
        with np.errstate(divide="ignore"):
            waiting = -np.log1p(-drawn) / self.weights
        return iter(np.argsort(waiting, kind="stable")[: self.num_samples].tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Another sampler's indices in lists of `batch_size`; a last, shorter one is left out with `drop_last`."""

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(f"batch_size should be a positive integer value, but got batch_size={batch_size}")
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        whole, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return whole + bool(rest and not self.drop_last)
