"""Worker processes of a loader: each fetches batches in its own order, and they are handed out in the loader's.

    loader → (number, indices) → worker's queue → batch → (number, batch) → loader, which waits for the next number

A worker is forked where the system can, as PyTorch's are, and runs the engine's vector forms, which are NumPy alone:
compiled code on several threads would not survive the fork. With `multiprocessing_context="spawn"` it is a new
interpreter; then what it is handed must be picklable and the script needs its `if __name__ == "__main__":`.
"""

from __future__ import annotations

import multiprocessing
import queue
import random as python_random
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from underhood.engine import random
from underhood.engine.forms import form

POLL = 5.0  # seconds between looks whether the workers live


@dataclass(frozen=True)
class WorkerInfo:
    """What a worker knows of itself: its number `id` of `num_workers`, its `seed`, its copy of the data set."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


@dataclass(frozen=True)
class Failure:
    """An exception that stopped a worker."""

    kind: type[BaseException]
    text: str


class Exhausted:
    """An iterable data set has come to its end in this worker."""


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a worker, which one it is; in the main process, None."""
    return _info


def work(info: WorkerInfo, fetching: Callable[[Any], Any], starting: Any, tasks: Any, results: Any) -> None:
    """A worker's life: seed everything, then fetch what is asked for until None comes."""
    global _info
    _info = info
    python_random.seed(info.seed)
    random.manual_seed(info.seed)
    np.random.seed(info.seed % 2**32)
    with form("vector"):
        failure: Any = None
        try:
            if starting is not None:
                starting(info.id)
            fetch = fetching(info.dataset)
        except Exception as error:
            failure = _failure(error, info.id)
        while (task := tasks.get()) is not None:
            number, indices = task
            try:
                found = failure or fetch(indices)
            except StopIteration:
                found = Exhausted()
            except Exception as error:
                found = _failure(error, info.id)
            results.put((number, info.id, found))


def _failure(error: Exception, worker: int) -> Failure:
    return Failure(
        type(error), f"Caught {type(error).__name__} in DataLoader worker process {worker}.\n{traceback.format_exc()}"
    )


class Pool:
    """`count` workers on one data set."""

    def __init__(self, loader: Any, base_seed: int) -> None:
        context = loader.multiprocessing_context or multiprocessing.get_context()
        self.timeout = loader.timeout
        self.ahead = loader.prefetch_factor * loader.num_workers
        self.results = context.Queue()
        self.tasks, self.processes = [], []
        for i in range(loader.num_workers):
            tasks = context.Queue()
            info = WorkerInfo(i, loader.num_workers, base_seed + i, loader.dataset)
            arguments = (info, loader.fetching, loader.worker_init_fn, tasks, self.results)
            process = context.Process(target=work, args=arguments, daemon=True)
            process.start()
            self.tasks.append(tasks)
            self.processes.append(process)

    def batches(self, order: Iterator[Any]) -> Iterator[Any]:
        """The batches that `order` asks for, in its order, `ahead` of them in the making."""
        sent = given = 0
        waiting: dict[int, Any] = {}
        busy = set(range(len(self.tasks)))  # workers whose iterable data set has not ended
        turn = 0
        ended = False
        while True:
            while not ended and busy and sent - given < self.ahead:
                try:
                    indices = next(order)
                except StopIteration:
                    ended = True
                    break
                while turn % len(self.tasks) not in busy:
                    turn += 1
                self.tasks[turn % len(self.tasks)].put((sent, indices))
                sent, turn = sent + 1, turn + 1
            if given == sent:
                return
            while given not in waiting:
                number, worker, found = self._next()
                waiting[number] = found
                if isinstance(found, Exhausted):
                    busy.discard(worker)
            found = waiting.pop(given)
            given += 1
            if isinstance(found, Failure):
                raise _raised(found)
            if not isinstance(found, Exhausted):
                yield found

    def _next(self) -> Any:
        deadline = time.monotonic() + self.timeout if self.timeout else float("inf")
        while True:
            try:
                return self.results.get(timeout=max(0.0, min(POLL, deadline - time.monotonic())))
            except queue.Empty:
                dead = [p.pid for p in self.processes if not p.is_alive()]
                if dead:
                    raise RuntimeError(f"DataLoader worker (pid(s) {dead}) exited unexpectedly") from None
                if time.monotonic() >= deadline:
                    raise RuntimeError(f"DataLoader timed out after {self.timeout} seconds") from None

    def close(self) -> None:
        """End the workers."""
        for tasks in self.tasks:
            tasks.put(None)
        for process in self.processes:
            process.join(1.0)
            if process.is_alive():
                process.terminate()
                process.join()
        for channel in (*self.tasks, self.results):
            channel.cancel_join_thread()
            channel.close()


def _raised(failure: Failure) -> BaseException:
    try:
        return failure.kind(failure.text)
    except Exception:  # an exception that wants other arguments
        return RuntimeError(failure.text)
