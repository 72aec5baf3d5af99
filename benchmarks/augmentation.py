"""What augmentation costs: whole batches beside the usual transforms of single images, and beside a training step.

python -m benchmarks.augmentation [--seconds 3] [--rounds 3] [--threads 2]

The usual way is that of PyTorch's tutorials: a Dataset that makes a PIL picture of each image, then RandomCrop(32,
padding=4), RandomHorizontalFlip, ToTensor, Normalize (programs/tutorial_transforms.py), in a DataLoader. Both read
CIFAR-10 (UNDERHOOD_DATA) and give batches of 128 normalised float32 images; nothing else runs meanwhile.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil
import torch
from torch.utils.data import DataLoader

from benchmarks.programs.tutorial_transforms import Pictures, usual
from underhood import data
from underhood.data.registry import Arrays
from underhood.lab.machine import machine, versions
from underhood.networks import NETWORKS
from underhood.report.facts import describe
from underhood.tables import Column, Table
from underhood.training.pipeline import Part, read, shuffled
from underhood.training.settings import DataSettings

BATCH = 128
TUTORIAL = ["crop", "flip", "normalise"]  # the usual order: what comes in at the border is black
WITH_CUTOUT = ["crop", "flip", "cutout"]
NETWORKS_TIMED = ("simple-nn", "resnet20")


# ----------------------------------------------------------------------------------------------------
# The usual way, one image after the other


def tutorial(arrays: Arrays) -> Pictures:
    """CIFAR-10's training images with the transforms of a tutorial."""
    pixels = np.ascontiguousarray(arrays.train.images.transpose(0, 2, 3, 1))
    return Pictures(pixels, arrays.train.labels.tolist(), usual(arrays.mean, arrays.std))


def usual_batches(dataset: Pictures, workers: int) -> Iterator[torch.Tensor]:
    """Batches, epoch after epoch."""
    loader = DataLoader(
        dataset, batch_size=BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0, drop_last=True
    )
    while True:
        for x, _ in loader:
            yield x


# ----------------------------------------------------------------------------------------------------
# Ours


def part(augmentation: list[Any], repeats: int = 1) -> Part:
    """CIFAR-10's training images with these augmentations."""
    chosen = DataSettings.model_validate({"name": "cifar10", "augmentation": augmentation, "repeats": repeats})
    return read(chosen, None, 0, "float32").train


def our_batches(images: Part, size: int = BATCH) -> Iterator[torch.Tensor]:
    """The same with all that belongs to an epoch: its order, its draws, the batches as tensors."""
    epoch = 0
    while True:
        drawn = images.in_epoch(0, epoch)
        order = shuffled(len(images), 0, epoch)
        for start in range(0, len(images) - size + 1, size):
            x, _ = drawn.batch(order[start : start + size])
            yield torch.from_numpy(x)
        epoch += 1


# ----------------------------------------------------------------------------------------------------
# Measuring


@dataclass
class Speed:
    """What was measured of one way: images a second, and microseconds of processor time an image."""

    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def cost(self) -> float:
        return statistics.median(self.costs)

    def measure(self, batches: Iterator[torch.Tensor], seconds: float) -> None:
        """About so many seconds of batches, after a warm-up of a sixth of that."""
        self._count(batches, seconds / 6)
        rate, cost = self._count(batches, seconds)
        self.rates.append(rate)
        self.costs.append(cost)

    def _count(self, batches: Iterator[torch.Tensor], seconds: float) -> tuple[float, float]:
        images, began, spent = 0, time.perf_counter(), processor_time()
        while (passed := time.perf_counter() - began) < seconds:
            images += len(next(batches))
        return images / passed, 1e6 * (processor_time() - spent) / images


def processor_time() -> float:
    """Seconds that this process and its workers computed."""
    this = psutil.Process()
    times = [process.cpu_times() for process in (this, *this.children())]
    return sum(each.user + each.system for each in times)


def speeds(ways: dict[str, Callable[[], Iterator[torch.Tensor]]], seconds: float, rounds: int) -> dict[str, Speed]:
    """Each way in turn, `rounds` times, so that what disturbs the machine disturbs all."""
    found = {name: Speed() for name in ways}
    for _ in range(rounds):
        for name, start in ways.items():
            batches = start()
            found[name].measure(batches, seconds)
            del batches  # and with it the loader's workers
    return found


def in_training(name: str, batches: Iterator[torch.Tensor], seconds: float) -> tuple[float, float]:
    """Milliseconds of a batch and of the step that trains on it, in turn: the medians. Float32, eager."""
    torch.manual_seed(0)
    net = NETWORKS[name].build(torch.nn)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    t = torch.randint(10, (BATCH,))
    times: list[tuple[float, float]] = []
    while len(times) < 6 or np.sum(times) < seconds:
        began = time.perf_counter()
        x = next(batches)
        there = time.perf_counter()
        loss = torch.nn.functional.cross_entropy(net(x), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        times.append((there - began, time.perf_counter() - there))
    batch, step = np.median(times[2:], axis=0)
    return 1e3 * float(batch), 1e3 * float(step)


READING = """
import sys, time, psutil
import numpy as np
from underhood import data
from underhood.training.pipeline import read, shuffled
from underhood.training.settings import DataSettings
import sklearn.datasets, torch
chosen = DataSettings(name=sys.argv[1], augmentation=["crop", "flip", "cutout"])
resident = psutil.Process().memory_info
began = time.perf_counter()
arrays = data.load(sys.argv[1])
loaded = time.perf_counter() - began
train = read(chosen, None, 0, "float32").train
train.in_epoch(0, 0).batch(np.arange(128))
before = resident().rss
most = 0
drawn, order = train.in_epoch(0, 1), shuffled(len(train), 0, 1)
for start in range(0, len(train), 128):
    drawn.batch(order[start : start + 128])
    most = max(most, resident().rss)
print(loaded, (most - before) / 1e6, arrays.train.images.nbytes / 1e6)
"""


def reading(name: str, cache: str) -> tuple[float, float, float]:
    """In a process of its own: seconds to load the set, MB that an epoch of batches adds, MB of the set's pixels."""
    environment = os.environ | {"UNDERHOOD_CACHE": cache}
    command = [sys.executable, "-c", READING, name]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    loaded, added, size = map(float, done.stdout.split())
    return loaded, added, size


# ----------------------------------------------------------------------------------------------------
# Tables


def alone(seconds: float, rounds: int) -> Table:
    """The pipelines alone."""
    pictures = tutorial(data.load("cifar10"))
    ways: dict[str, Callable[[], Iterator[torch.Tensor]]] = {
        "per image, DataLoader without workers": lambda: usual_batches(pictures, 0),
        "per image, DataLoader with 2 workers": lambda: usual_batches(pictures, 2),
        "underhood: crop, flip, normalise": lambda: our_batches(part(TUTORIAL)),
        "underhood: crop (reflect), flip": lambda: our_batches(part([{"name": "crop", "mode": "reflect"}, "flip"])),
        "underhood: crop, flip, cutout": lambda: our_batches(part(WITH_CUTOUT)),
        "underhood: the same, 4 instances of 32": lambda: our_batches(part(WITH_CUTOUT, repeats=4), BATCH // 4),
    }
    found = speeds(ways, seconds, rounds)
    first, second = list(found.values())[:2]
    rows = [
        {
            "way": name,
            "rate": each.rate,
            "low": min(each.rates),
            "high": max(each.rates),
            "alone": each.rate / first.rate,
            "workers": each.rate / second.rate,
            "cost": each.cost,
            "less": first.cost / each.cost,
        }
        for name, each in found.items()
    ]
    columns = [
        Column("way", "Pipeline", align="left"),
        Column("rate", "Images/s", format=",.0f"),
        Column("low", "slowest", format=",.0f"),
        Column("high", "fastest", format=",.0f"),
        Column("alone", "× no workers", format=".1f"),
        Column("workers", "× 2 workers", format=".1f"),
        Column("cost", "Processor time an image", "µs", ".1f"),
        Column("less", "no workers ÷ this", format=".1f"),
    ]
    foot = [f"CIFAR-10, training images. Median, slowest and fastest of {rounds} rounds of {seconds:g} s."]
    foot += ["underhood computes on one core, in the training process; the workers have two cores."]
    return Table("The pipeline alone", columns, rows, foot)


def shares(seconds: float, threads: int) -> Table:
    """What a batch's augmentation adds to a training step."""
    pictures, ours = tutorial(data.load("cifar10")), part(TUTORIAL)
    rows = []
    for name in NETWORKS_TIMED:
        for way, batches in (("underhood", our_batches(ours)), ("per image, no workers", usual_batches(pictures, 0))):
            batch, step = in_training(name, batches, seconds)
            share = 100 * batch / (batch + step)
            rows.append({"network": name, "way": way, "batch": batch, "step": step, "share": share})
    columns = [
        Column("network", "Network", align="left"),
        Column("way", "Pipeline", align="left"),
        Column("batch", "Its batch", "ms", ".2f"),
        Column("step", "The step", "ms", ".1f"),
        Column("share", "Share of both", "%", ".1f"),
    ]
    foot = [f"PyTorch, float32, eager, {threads} threads, batch {BATCH}; crop, flip, normalise; medians in training."]
    return Table("Its share of a training step", columns, rows, foot)


def loading() -> Table:
    """Loading a set for the first time, when its files are checked and converted, and again; what reading it keeps."""
    rows = []
    with TemporaryDirectory() as cache:
        for name in ("cifar10", "mnist-csv"):
            first, *_ = reading(name, cache)
            again, added, size = reading(name, cache)
            rows.append({"name": name, "first": first, "again": again, "size": size, "added": added})
    columns = [
        Column("name", "Set", align="left"),
        Column("first", "Loading it first", "s", ".2f"),
        Column("again", "Again", "s", ".3f"),
        Column("size", "Its training pixels", "MB", ".1f"),
        Column("added", "An epoch of batches adds", "MB", ".1f"),
    ]
    foot = [
        "In processes of their own; added: the most resident memory after a batch, less what it was after the first."
    ]
    return Table("Loading and memory", columns, rows, foot)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.augmentation", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each measurement (3)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each pipeline is measured (3)")
    parser.add_argument("--threads", type=int, default=2, help="threads of PyTorch (2)")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    print(alone(chosen.seconds, chosen.rounds), end="\n\n", flush=True)
    print(shares(chosen.seconds, chosen.threads), end="\n\n", flush=True)
    print(loading(), end="\n\n")
    print(describe(machine()))
    print(", ".join(f"{name} {version}" for name, version in versions().items()))


if __name__ == "__main__":
    main()
