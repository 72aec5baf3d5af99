"""DataLoader: batches of a data set, one after the other, by processes of its own if asked.

    sampler → indices → items → collate → batch

PyTorch: torch.utils.data.DataLoader. `pin_memory` is taken and means nothing without a GPU.
"""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice, repeat
from typing import Any

from underhood.utils.data.collate import default_collate, default_convert
from underhood.utils.data.dataset import IterableDataset, items
from underhood.utils.data.sampler import BatchSampler, RandomSampler, SequentialSampler, fresh_seed
from underhood.utils.data.workers import Pool


class DataLoader:
    """The batches of `dataset`; iterate over it, once an epoch.

    With `batch_size=None` the items come one by one, uncollated. `num_workers` processes fetch `prefetch_factor`
    batches each ahead; `worker_init_fn(id)` runs in each at its start, and with `persistent_workers` they live on.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check(num_workers, timeout, prefetch_factor, persistent_workers)
        self.dataset, self.num_workers, self.timeout = dataset, num_workers, timeout
        self.worker_init_fn, self.generator, self.pin_memory = worker_init_fn, generator, pin_memory
        self.prefetch_factor, self.persistent_workers = prefetch_factor or 2, persistent_workers
        if isinstance(multiprocessing_context, str):
            multiprocessing_context = multiprocessing.get_context(multiprocessing_context)
        self.multiprocessing_context = multiprocessing_context
        self.iterable = isinstance(dataset, IterableDataset)
        if self.iterable and (shuffle or sampler is not None or batch_sampler is not None):
            raise ValueError("DataLoader with IterableDataset: it has an order of its own, no shuffle and no sampler")
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
                )
            batch_size, drop_last = None, False
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
        if sampler is None and not self.iterable:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_size is not None and not self.iterable:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)  # type: ignore[arg-type]
        self.batch_size, self.drop_last = batch_size, drop_last
        self.sampler, self.batch_sampler = sampler, batch_sampler
        self.batched = batch_size is not None or batch_sampler is not None
        self.collate_fn: Any = collate_fn or (default_collate if self.batched else default_convert)
        self._pool: Pool | None = None

    @property
    def fetching(self) -> Callable[[Any], Callable[[Any], Any]]:
        """What makes, in the process that fetches, the function from indices to a batch."""
        if not self.iterable:
            return partial(_from_indices, self.batched, self.collate_fn)
        return partial(_from_iterator, self.batch_size, self.drop_last, self.collate_fn)

    def _order(self) -> Iterator[Any]:
        """What is asked for, batch by batch."""
        return repeat(None) if self.iterable else iter(self.batch_sampler if self.batched else self.sampler)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        order, base_seed = self._order(), fresh_seed(self.generator)
        return self._by_workers(order, base_seed) if self.num_workers else self._here(order)

    def _here(self, order: Iterator[Any]) -> Iterator[Any]:
        fetch = self.fetching(self.dataset)
        for indices in order:
            try:
                batch = fetch(indices)
            except StopIteration:
                return
            yield batch

    def _by_workers(self, order: Iterator[Any], base_seed: int) -> Iterator[Any]:
        keep = self.persistent_workers and not self.iterable
        pool, self._pool = self._pool or Pool(self, base_seed), None
        finished = False
        try:
            yield from pool.batches(order)
            finished = True
        finally:
            if keep and finished:
                self._pool = pool
            else:
                pool.close()

    def __len__(self) -> int:
        if self.iterable:
            n = len(self.dataset)
            if self.batch_size is None:
                return n
            return n // self.batch_size if self.drop_last else math.ceil(n / self.batch_size)
        return len(self.batch_sampler if self.batched else self.sampler)  # type: ignore[arg-type]

    def __del__(self) -> None:
        if (pool := getattr(self, "_pool", None)) is not None:
            pool.close()


def _from_indices(batched: bool, collate: Callable[[Any], Any], dataset: Any) -> Callable[[Any], Any]:
    if not batched:
        return lambda index: collate(dataset[index])
    return lambda indices: collate(items(dataset, indices))


def _from_iterator(
    batch_size: int | None, drop_last: bool, collate: Callable[[Any], Any], dataset: Any
) -> Callable[[Any], Any]:
    source = iter(dataset)

    def fetch(_: Any) -> Any:
        if batch_size is None:
            return collate(next(source))
        batch = list(islice(source, batch_size))
        if not batch or (drop_last and len(batch) < batch_size):
            raise StopIteration
        return collate(batch)

    return fetch


def _check(num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool) -> None:
    if num_workers < 0:
        raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError("prefetch_factor option could only be specified in multiprocessing, with num_workers > 0")
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent_workers and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")
