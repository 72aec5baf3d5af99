"""Trials on this machine: a pool of processes, each started fresh and fed through pipes.

    coordinator ──stdin──▶ worker     {"do": "run", …task} | {"do": "stop", "trial": id}, a line each
                ◀─stdout──            {"event": "TrialStep", …}, a line each

A worker is a new interpreter, never a fork (a child forked after OpenMP started dies), and starts with the
environment of its thread count, which libraries read once, when they load. So a worker serves one thread count;
it takes trial after trial, and is replaced when it dies or another count is asked for. A trial with a memory limit
has a process to itself, for the memory of earlier ones is not all given back. When the coordinator
dies, its end of the pipe closes, and the workers stop with a checkpoint; so does one that is sent SIGTERM or SIGHUP
itself. They are in a session of their own, so a Ctrl-C at the terminal reaches the coordinator alone.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from underhood.cores import usable_cores
from underhood.lab import run_events
from underhood.lab.ceiling import killed_for_memory
from underhood.lab.files import line_of, number_back
from underhood.lab.machine import free_memory
from underhood.lab.run_events import LabEvent, TrialEnded
from underhood.lab.store import TrialFolder
from underhood.lab.worker import Task, what_is_left

# Set for every worker: run_study refuses to start a study there.
IN_WORKER = "UNDERHOOD_WORKER"

# What the libraries read when they load.
THREAD_COUNTS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def worker_environment(threads: int) -> dict[str, str]:
    """The environment of a worker: ours, with `threads` threads.

    Threads wait for each other as their library has it. Told to sleep meanwhile (OMP_WAIT_POLICY=PASSIVE) they took
    80 µs to wake, many times a step; and two pools that spin beside each other are not to be feared, since the
    engine's plans keep OpenBLAS to one thread.
    """
    return os.environ | {
        **dict.fromkeys(THREAD_COUNTS, str(threads)),
        "MKL_DYNAMIC": "FALSE",  # else MKL takes fewer threads when it likes, and sums in another order
        "PYTHONPATH": os.pathsep.join(sys.path),
        IN_WORKER: "1",
    }


class _Worker:
    """One process, the task it has, and the thread that listens to it."""

    def __init__(self, threads: int, inbox: "Inbox") -> None:
        self.threads = threads
        self.task: Task | None = None
        self.used = False
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-u", "-m", "underhood.lab.executors.local_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=worker_environment(threads),
            start_new_session=True,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.ours, self.its = self.process.stdin, self.process.stdout
        self.listener = threading.Thread(target=self._listen, args=(inbox,), daemon=True)
        self.listener.start()

    def _listen(self, inbox: "Inbox") -> None:
        with self.its:
            for line in self.its:
                with contextlib.suppress(ValueError):  # a line cut short by the worker's death
                    inbox.put((self, json.loads(line)))
        self.process.wait()
        self.retire()
        inbox.put((self, None))

    def send(self, word: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError, ValueError):  # it is dead, and its end will be heard of
            self.ours.write(f"{line_of(word)}\n".encode())
            self.ours.flush()

    def retire(self) -> None:
        """Let it end, with a checkpoint if it has a task: nothing more is said."""
        with contextlib.suppress(BrokenPipeError):
            self.ours.close()

    def kill(self) -> None:
        """End it and what it started."""
        if self.process.poll() is not None:
            return
        if sys.platform == "win32":
            self.process.kill()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


# What workers said: a word, or None when the process has ended.
Inbox = queue.SimpleQueue[tuple[_Worker, dict[str, Any] | None]]


class LocalPool:
    """Up to `size` processes at once, started as they are needed."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._workers: list[_Worker] = []
        self._inbox: Inbox = queue.SimpleQueue()

    def cores(self) -> int:
        return usable_cores()

    def memory(self) -> int:
        return free_memory()

    def submit(self, task: Task) -> None:
        worker = self._worker(task)
        worker.task, worker.used = task, True
        worker.send({"do": "run"} | task.to_json())

    def _worker(self, task: Task) -> _Worker:
        idle = [worker for worker in self._workers if worker.task is None]
        for worker in idle:
            fits = worker.threads == task.threads and not (worker.used and (task.memory_limit or task.predicted_peak))
            if fits and worker.process.poll() is None:
                return worker
        if len(self._workers) >= self.size:
            if not idle:
                raise RuntimeError(f"all {self.size} workers are busy")
            self._workers.remove(idle[0])
            idle[0].retire()
        self._workers.append(_Worker(task.threads, self._inbox))
        return self._workers[-1]

    def events(self, timeout: float) -> Iterator[LabEvent]:
        with contextlib.suppress(queue.Empty):
            while True:
                worker, word = self._inbox.get(timeout=timeout)
                timeout = 0
                event = self._died(worker) if word is None else _event(word)
                if isinstance(event, TrialEnded):
                    worker.task = None
                    if event.state == "interrupted" and worker in self._workers:  # it was told to end, perhaps itself
                        self._workers.remove(worker)
                        worker.retire()
                if event is not None:
                    yield event

    def _died(self, worker: _Worker) -> TrialEnded | None:
        """A worker's end: expected when it was retired, the failure of its trial when it had one."""
        if worker in self._workers:
            self._workers.remove(worker)
        if worker.task is None:
            return None
        folder, code = TrialFolder(worker.task.folder), worker.process.returncode
        status = folder.status()
        reason = killed_for_memory(status.get("memory", {}), code)
        reason = f"{reason}. {what_is_left(folder)}" if reason else f"its process {_how_it_ended(code)}"
        return TrialEnded(worker.task.trial, "failed", status["seconds"], reason=reason, log_tail=folder.log_tail())

    def cancel(self, trial: str, *, kill: bool = False) -> None:
        for worker in self._workers:
            if worker.task is not None and worker.task.trial == trial:
                if kill:
                    worker.kill()
                else:
                    worker.send({"do": "stop", "trial": trial})

    def close(self) -> None:
        deadline = time.monotonic() + 5
        for worker in self._workers:
            worker.retire()
        for worker in self._workers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.process.wait(max(0, deadline - time.monotonic()))
            worker.kill()
            worker.listener.join()
        self._workers.clear()


def _event(word: dict[str, Any]) -> LabEvent:
    kind: type[LabEvent] = getattr(run_events, word.pop("event"))
    return kind(**number_back(word))


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    hint = {
        "SIGKILL": ": by hand, or by the system for want of memory",
        "SIGSEGV": ": a crash in compiled code",
    }
    return f"was ended by {name}" + hint.get(name, "")
