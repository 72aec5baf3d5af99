"""What a worker computes: one step of training a network, in the parts that are timed.

    load      the next batch made: read, augmented, scaled
    move      brought to the device
    compute   forward, backward and, under DDP, the gradients' all-reduce beside it
    update    the optimiser's step

The batch is drawn at random, or comes from a data set with the augmentation that CIFAR networks are trained with (crop
of 4 pixels' padding, flip, normalised). Worker r of k takes every k-th of an epoch's images, from the r-th on.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from underhood.instruments.memory.ledger import loss_of
from underhood.instruments.memory.optimizers import optimizer
from underhood.instruments.pytorch import load_torch
from underhood.instruments.target import resolve

KEPT = 4  # random batches, in turn
PADDING = 4


class Work:
    """The network of a task on this worker's device. `task`: network, arguments, shape, data, optimizer, device."""

    def __init__(self, task: dict[str, Any], rank: int, workers: int) -> None:
        torch = load_torch("scaling")
        self.torch, self.device = torch, torch.device(task["device"])
        torch.manual_seed(0)
        self.net = resolve(task["network"], task["arguments"]).build(torch.nn).to(self.device).train()
        self.rule = optimizer(task["optimizer"])(self.net.parameters())
        self.batches = _batches(task, rank, workers)
        self.gradient_bytes = sum(p.numel() * p.element_size() for p in self.net.parameters() if p.requires_grad)

    def step(self, net: Any, quiet: Callable[[], AbstractContextManager[Any]] = nullcontext) -> list[float]:
        """One step of `net`, which is this network or a wrapper of it; the seconds of its parts (result.PARTS)."""
        marks = [self._now()]
        x, t = next(self.batches)
        classes = int(t.max()) + 1  # asked of a GPU it would wait for it
        marks.append(self._now())
        x, t = self.torch.from_numpy(x).to(self.device), self.torch.from_numpy(t).to(self.device)
        marks.append(self._now())
        self.rule.zero_grad()
        with quiet():
            self._loss(net(x), t, classes).backward()
        marks.append(self._now())
        self.rule.step()
        marks.append(self._now())
        return [after - before for before, after in pairwise(marks)]

    def _now(self) -> float:
        if self.device.type == "cuda":
            self.torch.cuda.synchronize()
        return perf_counter()

    def _loss(self, out: Any, t: Any, classes: int) -> Any:
        logits = self.torch.is_tensor(out) and out.dim() == 2 and out.shape[1] >= classes
        return self.torch.nn.functional.cross_entropy(out, t) if logits else loss_of(out)


Batch = tuple[Any, Any]


def _batches(task: dict[str, Any], rank: int, workers: int) -> Iterator[Batch]:
    if task["data"] is None:
        return _random(task["batch"], task["shape"], rank)
    return _of_data(task, rank, workers)


def _random(batch: int, shape: list[int], rank: int) -> Iterator[Batch]:
    rng = np.random.default_rng(rank)
    kept = [(rng.standard_normal((batch, *shape), np.float32), rng.integers(0, 2, batch)) for _ in range(KEPT)]
    while True:
        yield from kept


def _of_data(task: dict[str, Any], rank: int, workers: int) -> Iterator[Batch]:
    from underhood import data
    from underhood.data.augmentation import Chain, Crop, Flip, pixels_of
    from underhood.data.streams import stream

    arrays = data.load(task["data"], task["root"] and Path(task["root"]))
    mean, std = (np.asarray(values)[:, None, None] for values in (arrays.mean, arrays.std))
    scale, shift = (1 / (arrays.white * std)).astype(np.float32), (mean / std).astype(np.float32)
    chain, images, size = Chain((Crop(PADDING), Flip())), len(arrays.train), task["batch"]
    epoch = 0
    while True:
        drawn = chain.drawn(0, epoch, images, *arrays.shape[1:])
        own = stream("shuffling", 0, epoch).permutation(images)[rank::workers]
        for first in range(0, len(own) - size + 1, size) or [0]:
            rows = own[first : first + size]
            x = pixels_of(arrays.train.take(rows), drawn.view(rows), scale, shift)
            yield x, arrays.train.labels[rows].astype(np.int64)
        epoch += 1
