"""Trials on a Ray cluster: on the machines that RAY_ADDRESS names, or, without it, on one that is started here.

    coordinator   ◀── words ──   relay, an actor for each slot    ◀── pipe ──   worker, as on this machine
      writes the store            on a node, in a folder of its own (ray_relay.py)

The nodes share no disk with this machine, nor its paths. A trial takes along what it left before, and the user's own
files; what it leaves comes back word by word and is written here, in that order, so that the run's folder is at every
moment one that a run of this machine could have left. A trial whose node is lost goes on elsewhere from its last
checkpoint here. Ray places it where its threads, and the memory that it is predicted to take, are free.
"""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from underhood.cores import usable_cores
from underhood.errors import BadInput
from underhood.lab.arrival import files_with, left_for
from underhood.lab.executors.mirror import Appended, Dropped, Put, make
from underhood.lab.executors.ray_relay import Relay, Word
from underhood.lab.run_events import LabEvent, TrialEnded, TrialNote, TrialState
from underhood.lab.store import TrialFolder
from underhood.lab.trial import TrialSpec
from underhood.lab.worker import Task, claimed

LOSSES = 5  # so often in a row, without a word from the trial between, and it is no accident any more
CLOSING = 5.0  # seconds for workers to end
KNOCK = 10.0  # seconds for a cluster to answer at its address


@dataclass
class _Running:
    """A trial under way: its relay, what comes from it, and the claim to its folder here."""

    task: Task
    claim: ExitStack
    options: dict[str, Any] = field(default_factory=dict)
    relay: Any = None
    stream: Any = None
    asked: int = 0
    losses: int = 0

    @property
    def folder(self) -> TrialFolder:
        return TrialFolder(self.task.folder)


class RayCluster:
    """Trials on all nodes of a cluster; `size` is for the caller to keep."""

    def __init__(self, size: int) -> None:
        self.ours = _connect()
        self.running: dict[str, _Running] = {}
        self.relay = ray.remote(Relay)
        self.idle: list[tuple[dict[str, Any], Any]] = []  # relays that may serve the next trial, and what they hold
        self.counted = (0.0, 1)  # when, and how many cores there were

    def cores(self) -> int:
        when, cores = self.counted
        if time.monotonic() - when > 1:
            cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
            self.counted = (time.monotonic(), cores)
        return cores

    def memory(self) -> None:
        """Ray knows what is free where."""

    def submit(self, task: Task) -> None:
        claim = ExitStack()
        folder = TrialFolder(task.folder)
        claim.enter_context(claimed(folder))
        if task.fresh:
            folder.clear()
        self.running[task.trial] = _Running(replace(task, fresh=False), claim)
        self._start(self.running[task.trial])

    def _start(self, running: _Running) -> None:
        """Send the trial to a node, with all that it left."""
        task = running.task
        spec = TrialSpec.from_json(task.spec)
        cpus = spec.threads * spec.devices
        options: dict[str, Any] = {"num_cpus": cpus, "max_concurrency": 2, "max_restarts": 0}
        if task.spec["settings"].get("device") == "cuda":
            options["num_gpus"] = spec.devices
        if task.memory_limit is not None:
            options["memory"] = task.memory_limit
        running.options, running.relay = options, self._relay(options)
        run = running.relay.run.options(num_returns="streaming")
        running.stream = run.remote(task.to_json(), left_for(spec, running.folder), files_with(spec), os.getcwd())

    def _relay(self, options: dict[str, Any]) -> Any:
        """One that is idle and holds just what is wanted, or a new one."""
        for each in self.idle:
            if each[0] == options:
                self.idle.remove(each)
                return each[1]
        self._let_go()
        return self.relay.options(**options).remote()

    def _let_go(self) -> None:
        """Give back what idle relays hold."""
        for _, relay in self.idle:
            relay.end.remote()  # with the last handle to it the actor ends too
        self.idle.clear()

    def events(self, timeout: float) -> Iterator[LabEvent]:
        self._let_go()  # what was to be submitted has been
        if not self.running:
            return
        while True:
            streams = {running.stream: running for running in self.running.values()}
            ready, _ = ray.wait(list(streams), num_returns=1, timeout=timeout, fetch_local=False)
            if not ready:
                return
            for stream in ready:
                yield from self._heard(streams[stream])
            if not self.running:
                return
            timeout = 0

    def _heard(self, running: _Running) -> Iterator[LabEvent]:
        try:
            words: list[Word] = ray.get(next(running.stream))
        except (StopIteration, RayActorError) as error:
            yield from self._lost(running, error)
            return
        except RayTaskError as error:
            yield self._ended(running, f"{type(error.cause).__name__}: {error.cause}")
            return
        except RayError as error:  # its words were lost with the node that had them
            yield from self._lost(running, error)
            return
        running.losses = 0
        for word in words:
            if not isinstance(word, Appended | Put | Dropped):
                if isinstance(word, TrialEnded):
                    self.idle.append((running.options, running.relay))
                    self._over(running, word)
                yield word
                continue
            try:
                make(running.task.folder, word)
            except (OSError, ValueError) as error:
                yield self._ended(running, f"{type(error).__name__}: {error}")
                return

    def _lost(self, running: _Running, error: BaseException) -> Iterator[LabEvent]:
        """The relay is gone, and its node with it as far as one can tell: elsewhere, then."""
        running.losses += 1
        if running.asked:
            state: TrialState = "failed" if running.asked > 1 else "interrupted"
            yield self._over(running, TrialEnded(running.task.trial, state, self._seconds(running), reason="killed"))
        elif running.losses > LOSSES:
            said = [*str(error).strip().splitlines(), type(error).__name__][-2:][0]
            yield self._ended(running, f"its node was lost {LOSSES} times before a word came from it: {said}")
        else:
            self._kill(running)  # it may be out of reach only
            yield TrialNote(running.task.trial, "its node was lost; it goes on elsewhere from its last checkpoint")
            self._start(running)

    def _ended(self, running: _Running, reason: str) -> TrialEnded:
        """Its relay is of no use any more."""
        self._kill(running)
        tail = running.folder.log_tail()
        ended = TrialEnded(running.task.trial, "failed", self._seconds(running), reason=reason, log_tail=tail)
        return self._over(running, ended)

    def _kill(self, running: _Running) -> None:
        with suppress(RayError, ValueError):
            ray.kill(running.relay)

    def _over(self, running: _Running, ended: TrialEnded) -> TrialEnded:
        """Give back the claim to the trial's folder."""
        del self.running[running.task.trial]
        running.claim.close()
        return ended

    def _seconds(self, running: _Running) -> float:
        return float(running.folder.status()["seconds"])

    def cancel(self, trial: str, *, kill: bool = False) -> None:
        running = self.running.get(trial)
        if running is not None:
            running.asked = 2 if kill else 1
            with suppress(RayError):
                running.relay.stop.remote(trial, kill)

    def close(self) -> None:
        for trial in self.running:
            self.cancel(trial, kill=True)
        deadline = time.monotonic() + CLOSING
        while self.running and time.monotonic() < deadline:
            list(self.events(0.2))
        for running in list(self.running.values()):
            self._ended(running, "killed")
        self._let_go()
        if self.ours:
            ray.shutdown()


def _knock(address: str) -> None:
    """OSError where nobody answers at host:port; Ray itself goes on trying for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdecimal():  # "auto" has neither
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK).close()


def _connect() -> bool:
    """Connect to the cluster that RAY_ADDRESS names, or start one here; whether it is ours to end."""
    if ray.is_initialized():
        return False
    address = os.environ.get("RAY_ADDRESS")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody was asked
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    options: dict[str, Any] = {} if address else {"num_cpus": usable_cores(), "include_dashboard": False}
    try:
        if address:
            _knock(address)
        ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **options)
    except (OSError, OverflowError, RuntimeError, ValueError, RayError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        where = f'RAY_ADDRESS "{address}"' if address else "a Ray cluster on this machine"
        raise BadInput(f"--on ray: {where} can't be reached: {said}") from error
    if main:
        signal.signal(signal.SIGTERM, handler)  # Ray's own would exit at once
    return True
