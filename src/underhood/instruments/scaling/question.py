"""What `scaling` is asked: a network, batches, numbers of workers, and how long to measure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from underhood.errors import BadInput, MissingPiece
from underhood.hosts import Hosts
from underhood.instruments.inputs import Spec, as_inputs
from underhood.instruments.pytorch import load_torch
from underhood.instruments.scaling.growth import grown
from underhood.instruments.scaling.launch import run
from underhood.instruments.scaling.result import Grown, Workers
from underhood.instruments.target import resolve
from underhood.sizes import parse_size

SGD = "sgd,lr=0.1,momentum=0.9,weight_decay=5e-4"
IMAGES = 50_000  # of an epoch, where no data set says how many
FACTOR = 4  # the sheet's: 32, 128, 512
PATIENCE = 3600.0  # seconds for one number of workers, a day for whole epochs
FORMS = (0, 2)  # epochs


def _nothing(text: str) -> None:
    """Nobody listens."""


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Question:
    """The network, given as a text, and the options.

    `batch` is each worker's, `devices` the numbers of workers; either may be several. `data` names a set whose images
    are read, augmented and scaled as it trains; without, batches are random numbers. The short form takes `rounds` of
    `steps` steps each way after `warmup` steps; `epochs` = 2 is the sheet's protocol: whole epochs, of which the second
    counts. `fit` is a ceiling ("4GB", or "all" that is free here, or on the GPU) up to which the batch is grown
    fourfold. `hosts` are other machines, reached by `via` (underhood/hosts.py). `device` is "cpu", where workers
    exchange gradients over gloo and compute with `threads` threads each, or "cuda", over nccl. `strong` also measures
    the batches shared among the workers. `stopping` is asked several times a second: StoppedError when it says so.

    Raises BadInput for what cannot be measured, MissingPiece where there are no GPUs to measure.
    """

    network: str
    input: Any = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    batch: int | Sequence[int] = (32, 128)
    devices: int | Sequence[int] = (1, 2)
    hosts: Sequence[str] = ()
    via: str | None = None
    data: str | None = None
    root: Path | None = None
    optimizer: str = SGD
    steps: int = 5
    rounds: int = 5
    warmup: int = 3
    epochs: int = 0
    threads: int = 1
    device: str = "cpu"
    fit: int | str | None = None
    strong: bool = True
    say: Callable[[str], None] = _nothing
    stopping: Callable[[], bool] = _never

    def __post_init__(self) -> None:
        for name, values in (("--batch", self.batches), ("--devices", self.counts)):
            if not values or min(values) < 1:
                raise BadInput(f"{name} {','.join(map(str, values)) or '(none)'}: at least 1")
        if self.epochs not in FORMS:
            raise BadInput(f"--epochs {self.epochs}: 2 is the protocol (the second is measured), 0 the form on steps")
        if min(self.steps, self.rounds, self.warmup, self.threads) < 1:
            raise BadInput("--steps, --rounds, --warmup, --threads: at least 1")
        self._check_device()
        for made_of in (self.shape, self.images, self.reached):  # each of them says what is wrong
            del made_of

    def _check_device(self) -> None:
        if self.device not in ("cpu", "cuda"):
            raise BadInput(f'--device: unknown "{self.device}"; there is cpu, cuda')
        if self.device == "cuda" and not self.gpus:
            raise MissingPiece(f"--device cuda: PyTorch {load_torch().__version__} sees no GPU here; leave it at cpu")
        if self.device == "cuda" and max(self.counts) > self.gpus * max(1, len(self.hosts)):
            gpus = f"{self.gpus} GPU{'s' * (self.gpus != 1)}"
            raise BadInput(f"--devices {max(self.counts)}: PyTorch sees {gpus}, and nccl takes one each")

    @property
    def batches(self) -> tuple[int, ...]:
        return tuple(sorted({self.batch} if isinstance(self.batch, int) else set(self.batch)))

    @property
    def counts(self) -> tuple[int, ...]:
        return tuple(sorted({self.devices} if isinstance(self.devices, int) else set(self.devices)))

    @cached_property
    def gpus(self) -> int:
        """Those that workers may use here."""
        return int(load_torch("scaling").cuda.device_count()) if self.device == "cuda" else 0

    @cached_property
    def name(self) -> str:
        return resolve(self.network, self.arguments).name

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The shape of one image."""
        target = resolve(self.network, self.arguments)
        specs = as_inputs(self.input, target.input).positional
        if len(specs) != 1 or not isinstance(specs[0], Spec):
            raise BadInput("scaling takes a network of one input tensor: --input N,C,H,W")
        return tuple(specs[0].shape[1:])

    @cached_property
    def images(self) -> int:
        """Those of an epoch."""
        if self.data is None:
            return IMAGES
        from underhood.data import load

        return len(load(self.data, self.root).train)

    @cached_property
    def reached(self) -> Hosts | None:
        return Hosts.of(list(self.hosts), self.via) if self.hosts else None

    @cached_property
    def ceiling(self) -> int | None:
        """Bytes that one worker may take."""
        if self.fit is None:
            return None
        if self.fit != "all":
            return parse_size(self.fit)
        if self.device == "cuda":
            return int(load_torch().cuda.mem_get_info()[0])
        import psutil

        return int(psutil.virtual_memory().available)

    # ---- measured

    def workers(self, count: int) -> Workers:
        """All batches on `count` workers."""
        wanted = self._wanted(count)
        self.say(f"{count} worker{'s' * (count != 1)}: batches {', '.join(map(str, wanted))}")
        starts = [[batch] for batch in wanted] if self.epochs else [wanted]  # an epoch of each has its own steps
        found = [self._started(batches, count) for batches in starts]
        whole = {**found[0], "cells": [cell for each in found for cell in each["cells"]]}
        if 1 < count <= self.gpus:
            self._add_data_parallel(whole["cells"], count)
        return Workers.of(whole)

    def growth(self) -> tuple[Grown, ...]:
        """The batch grown until memory ends, if that is asked for."""
        if self.ceiling is None:
            return ()
        of = (self.network, self.arguments, self.shape, self.optimizer, self.batches[0], FACTOR)
        return grown(*of, self.ceiling, self.device, self.say)

    def _wanted(self, count: int) -> list[int]:
        """The batches to measure with `count` workers; one worker alone also takes the pieces of the others."""
        shared = [count] if count > 1 else self.counts
        pieces = {batch // k for batch in self.batches for k in shared if batch % k == 0} if self.strong else set()
        return sorted({*self.batches, *pieces})

    def _started(self, batches: Sequence[int], count: int, data_parallel: int = 0) -> dict[str, Any]:
        """What `count` workers find, in one start of them."""
        task = {name: getattr(self, name) for name in ("network", "data", "optimizer", "device", "threads")}
        task |= {"arguments": dict(self.arguments), "shape": list(self.shape), "root": self.root and str(self.root)}
        task |= {"warmup": self.warmup, "rounds": self.rounds, "steps": self.steps}
        task |= {"batches": list(batches), "data_parallel": data_parallel}
        if self.epochs:
            whole = max(1, self.images // count // batches[0])
            task |= {"warmup": whole, "rounds": 1, "steps": whole}
        hosts = self.reached and self.reached.on_free_port()
        return run(task, count, hosts, PATIENCE * (24 if self.epochs else 1), self.stopping)

    def _add_data_parallel(self, cells: list[dict[str, Any]], count: int) -> None:
        """torch.nn.DataParallel's step beside DDP's: one process, which splits the batch over its GPUs."""
        alone = self._started([count * batch for batch in self.batches], 1, count)
        found = {cell["batch"] // count: cell for cell in alone["cells"]}
        for cell in cells:
            if other := found.get(cell["batch"]):
                cell["ways"] |= other["ways"]
                cell["parts"] |= other["parts"]
