"""The other hosts of a trial that several compute: reached from here, each started with its part, and ended with ours.

    lab worker ─┬─ torchrun ── worker 0 …                         this machine, the first of the hosts
                └─ via ── process_group_host ── torchrun ── worker …      each other one

What there is of a host here is the process that reaches it. It says HERE once Python runs over there, is then sent the
task with the user's own files, a line of JSON, and writes what its workers print. When its stdin ends, so do they. A
host that does not answer within PATIENCE, or that is lost, ends the trial, whose checkpoint is here.
"""

import base64
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from underhood.errors import MissingPiece
from underhood.hosts import Hosts
from underhood.lab import own_networks
from underhood.lab.arrival import files_with
from underhood.lab.files import line_of
from underhood.lab.trial import TrialSpec
from underhood.lab.worker import Task
from underhood.torchrun import Node

MODULE = "underhood.lab.process_group_host"
HERE = "underhood: here"
PATIENCE = 60.0  # seconds for a host to answer
PARTING = 10.0  # seconds for its workers to end
POLL = 0.05  # seconds


class _Host:
    """The process that reaches one host, and the thread that hears what is said there."""

    def __init__(self, name: str, line: list[str], log: Path) -> None:
        self.name, self.last = name, ""
        self.here = threading.Event()
        self.process = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        self.listener = threading.Thread(target=self._listen, args=(log,), daemon=True)
        self.listener.start()

    def _listen(self, log: Path) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as said, log.open("ab", buffering=0) as file:
            for line in said:
                text = line.decode(errors="replace").strip()
                if text == HERE:
                    self.here.set()
                elif text:
                    self.last = text
                    file.write(f"{self.name}: {text}\n".encode())

    def lost(self) -> str:
        """What became of a process that has ended; "" of one that runs."""
        code = self.process.poll()
        if code is None:
            return ""
        self.listener.join(1)
        reached = "it ended" if self.here.is_set() else "it can't be reached"
        return f"host {self.name}: {reached} ({self.last or 'without a word'}; exit code {code})"

    def send(self, order: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it is lost, which is seen soon
            self.process.stdin.write(f"{line_of(order)}\n".encode())
            self.process.stdin.flush()

    def part(self) -> None:
        """Let its workers end."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()


class OtherHosts:
    """All but this one. `nodes` are all hosts' parts as torchrun has them, this one's first; none of a single host."""

    def __init__(self, task: Task, devices: int, log: Path) -> None:
        self.task, self.hosts = task, list[_Host]()
        self.nodes: Sequence[Node] = ()
        if not task.hosts:
            return
        hosts = Hosts.of(task.hosts, task.via).on_free_port()
        self.nodes = hosts.nodes(devices)
        self.each = devices // len(self.nodes)
        path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        for node in self.nodes[1:]:
            line = hosts.line(node.number, [sys.executable, "-P", "-u", "-m", MODULE], path)
            self.hosts.append(_Host(hosts.names[node.number][0], line, log))

    def start(self, stopping: Callable[[], bool]) -> None:
        """Wait until all have answered, and send them their parts. MissingPiece names one that has not."""
        deadline = time.monotonic() + PATIENCE
        while waiting := [host for host in self.hosts if not host.here.is_set()]:
            self.check()
            if stopping():
                return
            if time.monotonic() > deadline:
                raise MissingPiece(f"host {waiting[0].name}: has not answered within {PATIENCE:.0f} s")
            time.sleep(POLL)
        if self.hosts:
            order = self._order()
            for host, node in zip(self.hosts, self.nodes[1:], strict=True):
                host.send(order | {"node": asdict(node)})

    def _order(self) -> dict[str, Any]:
        spec, run = TrialSpec.from_json(self.task.spec), self.task.folder.parents[1]
        kept = own_networks.kept_in(run, spec)
        return {
            "task": replace(self.task, hosts=(), via=None, fresh=False).to_json(),
            "devices": self.each,
            "files": {name: _text(content) for name, content in files_with(spec).items()},
            "kept": {path.relative_to(run).as_posix(): _text(path.read_bytes()) for path in kept},
            "folder": os.getcwd(),
        }

    def check(self) -> None:
        """MissingPiece where one is lost."""
        for host in self.hosts:
            if said := host.lost():
                raise MissingPiece(said)

    def end(self) -> None:
        """End what is left of them."""
        for host in self.hosts:
            host.part()
        deadline = time.monotonic() + PARTING
        for host in self.hosts:
            with suppress(subprocess.TimeoutExpired):
                host.process.wait(max(0.0, deadline - time.monotonic()))
            host.process.kill()
            host.listener.join(1)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
