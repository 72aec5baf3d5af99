"""Workers of `scaling` started on this machine, or on several hosts.

A host is a name that a shell reaches by `via`, `ssh {host}` unless another command is given; `NAME=ADDRESS` where its
name is no address. The first one's workers come first, and it is where the others meet. Python, the package and the
user's file have to lie in the same places on all of them.
"""

import base64
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import underhood.torchrun as torchrun
from underhood.errors import BadInput
from underhood.instruments.scaling.worker import MARK

MODULE = "underhood.instruments.scaling.worker"
SSH = "ssh {host}"
POLL = 0.2  # seconds


@dataclass(frozen=True)
class Hosts:
    """Several hosts by name and address, how to reach them, and the port on which the first one listens."""

    names: tuple[tuple[str, str], ...]
    via: str = SSH
    port: int = 29_600

    @classmethod
    def of(cls, words: list[str], via: str | None) -> "Hosts":
        names = [(name, address or name) for name, _, address in (word.partition("=") for word in words)]
        via = via or SSH
        if "{host}" not in via:
            raise BadInput(f'--via: "{via}" does not say where the host\'s name stands; write it as {SSH}')
        return cls(tuple(names), via)

    def line(self, number: int, words: list[str], environment: dict[str, str]) -> list[str]:
        """The words that run `words` on a host; ssh gives them to a shell, others take them as they are."""
        whole = ["env", *(f"{key}={value}" for key, value in environment.items()), *words]
        reach = shlex.split(self.via.format(host=self.names[number][0]))
        return [*reach, shlex.join(whole)] if reach[0].endswith("ssh") else [*reach, *whole]


class StoppedError(Exception):
    """It was asked to stop before the workers were done."""


def run(
    task: dict[str, Any],
    devices: int,
    hosts: Hosts | None,
    seconds: float,
    stopping: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """What worker 0 of `devices` found. BadInput with the last words of a worker that failed, or took too long."""
    lines = _lines(task, devices, hosts)
    local = os.environ | _environment(task["threads"])
    started = [
        subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=local)
        for line in lines
    ]
    try:
        deadline = time.monotonic() + seconds
        said = [_heard(process, deadline, stopping) for process in started]
    except subprocess.TimeoutExpired:
        raise BadInput(f"scaling: {devices} workers were not done after {seconds:,.0f} s") from None
    finally:
        for process in started:
            process.terminate()
            process.communicate()
    for line in said[0][0].decode(errors="replace").splitlines():
        if line.startswith(MARK):
            found: dict[str, Any] = json.loads(line.removeprefix(MARK))
            return found
    raise BadInput(f"scaling: {devices} workers failed: {_gist(b''.join(err for _, err in said))}")


def _heard(process: subprocess.Popen[bytes], deadline: float, stopping: Callable[[], bool]) -> tuple[bytes, bytes]:
    """All that a process writes until it ends."""
    while True:
        try:
            return process.communicate(timeout=POLL)
        except subprocess.TimeoutExpired:
            if stopping():
                raise StoppedError from None
            if time.monotonic() > deadline:
                raise


def _lines(task: dict[str, Any], devices: int, hosts: Hosts | None) -> list[list[str]]:
    word = base64.b64encode(json.dumps(task).encode()).decode()
    if hosts is None or devices == 1:
        line = torchrun.command(devices, MODULE, word)
        return [line if hosts is None else hosts.line(0, line, _environment(task["threads"]))]
    used = min(devices, len(hosts.names))
    if devices % used:
        raise BadInput(f"--devices {devices}: does not divide over {used} hosts")
    lines = []
    for number in range(used):
        node = torchrun.Node(number, used, hosts.names[0][1], hosts.port)
        words = torchrun.command(devices // used, MODULE, word, node=node)
        lines.append(hosts.line(number, words, _environment(task["threads"])))
    return lines


def _environment(threads: int) -> dict[str, str]:
    counts = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    return {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **counts}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def _gist(stderr: bytes) -> str:
    """What the first error of a worker says, else the last line; torch puts the worker's number before each line."""
    text = re.sub(r"^\[rank\d+\]:\s?", "", stderr.decode(errors="replace"), flags=re.MULTILINE)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception|BadInput|MissingPiece)\b: ", line)]
    return errors[0].partition(": ")[2] if errors else lines[-1] if lines else "without a word"
