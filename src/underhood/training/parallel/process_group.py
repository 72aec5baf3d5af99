"""The workers that train one network together, and this one's rows of each batch.

A batch of N images is cut into the passes that it is taken in, and each pass into one piece a worker, the first ones
one image longer where it does not divide: rows that are nobody else's. The batch's mean loss is kept whatever the
pieces: with nᵣ images worker r weighs its mean loss Lᵣ by k·nᵣ/N, and DDP means the k gradients,

    (1/k) Σᵣ ∂(k·nᵣ/N · Lᵣ)  =  ∂( 1/N Σᵣ nᵣ Lᵣ )  =  ∂E

What decides how the training goes on (losses, errors, whether to stop) is the same number on every worker: a sum over
all, or what worker 0 says.

Source: Li et al. 2020, "PyTorch Distributed: Experiences on Accelerating Data Parallel Training".
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import underhood.torchrun as torchrun
from underhood.errors import BadInput, UnderhoodError
from underhood.training.backends.settings import BackendSettings

Array = np.ndarray
COMMUNICATION = re.compile(
    r"gloo|nccl|connection (closed|reset|refused)|broken pipe|timed out|rendezvous", re.IGNORECASE
)


class WorkerLostError(BaseException):
    """Another worker has ended. No failure of the trial: all of them are started again from its checkpoint."""


class ProcessGroup:
    """One worker alone, which all of this costs nothing."""

    rank, size = 0, 1

    def __init__(self) -> None:
        self.images = 0  # of the batch of all workers
        self.passes: list[int] = []  # this worker's, by their images

    def share(self, which: Array, passes: int) -> Array:
        """The worker's rows of a batch, one pass after the other; `weight` is of this batch from now on."""
        if self.size == 1:  # once a step: a small network notices
            return which
        pieces = [np.array_split(some, self.size)[self.rank] for some in np.array_split(which, min(passes, len(which)))]
        self.images, self.passes = len(which), [len(piece) for piece in pieces]
        return np.concatenate(pieces)

    def weight(self, images: int) -> float:
        """What the mean loss of so many of this worker's images counts for."""
        return self.size * images / self.images

    def total(self, *values: float) -> tuple[float, ...]:
        """The sums over all workers."""
        return values

    def agree(self, flag: bool) -> bool:
        """Worker 0's answer."""
        return flag

    def whole(self, answer: Callable[[Any], Any], x: Any) -> Any:
        """What `answer` gives of all images of x, each worker computing some of them."""
        return answer(x)

    def copy_first(self, tensors: list[Any]) -> None:
        """Give every worker worker 0's values."""

    @contextmanager
    def together(self) -> Iterator[None]:
        """Inside, the workers exchange tensors; WorkerLostError where one of them is gone."""
        yield


class _Workers(ProcessGroup):
    """The process among those that torchrun started."""

    def __init__(self, device: str) -> None:
        from torch import distributed

        super().__init__()
        self.distributed, self.device = distributed, device
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()

    def total(self, *values: float) -> tuple[float, ...]:
        import torch

        sums = torch.tensor(values, dtype=torch.float64, device=self.device)
        with self.together():
            self.distributed.all_reduce(sums)
            return tuple(sums.tolist())

    def agree(self, flag: bool) -> bool:
        import torch

        said = torch.tensor([flag], dtype=torch.uint8, device=self.device)
        with self.together():
            self.distributed.broadcast(said, src=0)
            return bool(said.item())

    def whole(self, answer: Callable[[Any], Any], x: Any) -> Any:
        """Pieces of one length, the last ones filled up with the first image: all-gather takes no others."""
        each = -(-len(x) // self.size)
        rows = [i if i < len(x) else 0 for i in range(self.rank * each, (self.rank + 1) * each)]
        own = answer(x[rows]).contiguous()
        found = own.new_empty((self.size * each, *own.shape[1:]))
        with self.together():
            self.distributed.all_gather(list(found.chunk(self.size)), own)
        return found[: len(x)]

    def copy_first(self, tensors: list[Any]) -> None:
        with self.together():
            for tensor in tensors:
                self.distributed.broadcast(tensor, src=0)

    @contextmanager
    def together(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # torch.distributed's errors are, and gloo's have no class of their own
            if isinstance(error, self.distributed.DistError) or COMMUNICATION.search(str(error)):
                raise WorkerLostError(str(error).splitlines()[0]) from error
            raise


_joined: ProcessGroup = ProcessGroup()


def join(device: str, trouble: UnderhoodError | None = None) -> ProcessGroup:
    """Meet the other workers; for a process that torchrun started. Raises the `trouble` that one of them comes with."""
    global _joined
    kind = "cuda" if device == "cuda" else "cpu"
    if kind == "cuda" and trouble is None:
        trouble = torchrun.take_gpu()
    torchrun.meet("nccl" if kind == "cuda" else "gloo", trouble)
    _joined = _Workers(kind)
    return _joined


def leave() -> None:
    """Part from the other workers."""
    import torch

    global _joined
    _joined = ProcessGroup()
    torch.distributed.destroy_process_group()


def process_group_of(settings: BackendSettings) -> ProcessGroup:
    """The workers of a trial. BadInput where it asks for several and this process was started alone."""
    if settings.devices == 1:
        return ProcessGroup()
    if _joined.size != settings.devices:
        raise BadInput(
            f"devices: {settings.devices} workers are started by `underhood run` and underhood.run; "
            f"this process is one of {_joined.size}"
        )
    return _joined


def shared(value: Any) -> Any:
    """What worker 0 has in the place of `value`, a checkpoint or any other object that can be pickled."""
    if _joined.size == 1:
        return value
    box = [value]
    with _joined.together():
        _joined.distributed.broadcast_object_list(box, src=0)  # type: ignore[attr-defined]
    return box[0]
