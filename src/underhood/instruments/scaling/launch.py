"""Workers of `scaling` started on this machine, or on several hosts (underhood/hosts.py).

The user's file has to lie in the same place on all of them, as Python and the package do.
"""

import base64
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Any

import underhood.torchrun as torchrun
from underhood.errors import BadInput, MissingPiece
from underhood.hosts import Hosts

MODULE = "underhood.instruments.scaling.worker"
MARK = "underhood-scaling "  # before the line in which worker 0 prints what it found
POLL = 0.2  # seconds
PATIENCE = 5.0  # seconds


class StoppedError(Exception):
    """It was asked to stop before the workers were done."""


def run(
    task: dict[str, Any],
    devices: int,
    hosts: Hosts | None,
    seconds: float,
    stopping: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """What worker 0 of `devices` found. BadInput with the last words of a worker that failed, or took too long.

    What worker 0 has printed counts though another one ends badly afterwards: everything was measured by then.
    """
    lines = _lines(task, devices, hosts)
    local = os.environ | _environment(task["threads"])
    pipe = subprocess.PIPE
    try:
        started = [
            subprocess.Popen(line, stdout=pipe, stderr=pipe, stdin=subprocess.DEVNULL, env=local) for line in lines
        ]
    except FileNotFoundError as error:  # the first one's, or none
        raise MissingPiece(f"--via: there is no {error.filename} on this machine") from error
    try:
        said = _heard(started, time.monotonic() + seconds, stopping)
    except subprocess.TimeoutExpired:
        raise BadInput(f"scaling: {devices} workers were not done after {seconds:,.0f} s") from None
    finally:
        late = _ended(started)
    printed = said[0][0] if 0 in said else late[0]
    for line in printed.decode(errors="replace").splitlines():
        if line.startswith(MARK):
            found: dict[str, Any] = json.loads(line.removeprefix(MARK))
            return found
    raise BadInput(f"scaling: {devices} workers failed: {_gist(b''.join(err for _, err in said.values()))}")


def _heard(
    started: Sequence[subprocess.Popen[bytes]], deadline: float, stopping: Callable[[], bool]
) -> dict[int, tuple[bytes, bytes]]:
    """All that the hosts' processes write until they end, by number, the first to end first.

    Where one fails the others have PATIENCE to end too: they may wait for it much longer.
    """
    said: dict[int, tuple[bytes, bytes]] = {}
    until = deadline
    while len(said) < len(started):
        for number, process in enumerate(started):
            if number not in said:
                with suppress(subprocess.TimeoutExpired):
                    said[number] = process.communicate(timeout=POLL)
                    if process.returncode:
                        until = min(until, time.monotonic() + PATIENCE)
        if stopping():
            raise StoppedError
        if time.monotonic() > until:
            if until == deadline:
                raise subprocess.TimeoutExpired("torchrun", deadline)
            break
    return said


def _ended(started: Sequence[subprocess.Popen[bytes]]) -> list[bytes]:
    """End what still runs; what each has printed. A torchrun that waits for another host does not heed a signal."""
    for process in started:
        process.terminate()
    printed = []
    for process in started:
        try:
            printed.append(process.communicate(timeout=PATIENCE)[0])
        except subprocess.TimeoutExpired:
            process.kill()  # its workers end with it
            printed.append(process.communicate()[0])
    return printed


def _lines(task: dict[str, Any], devices: int, hosts: Hosts | None) -> list[list[str]]:
    word = base64.b64encode(json.dumps(task).encode()).decode()
    if hosts is None or devices == 1:
        line = torchrun.command(devices, MODULE, word)
        return [line if hosts is None else hosts.line(0, line, _environment(task["threads"]))]
    lines = []
    for node in hosts.nodes(devices):
        words = torchrun.command(devices // node.of, MODULE, word, node=node)
        lines.append(hosts.line(node.number, words, _environment(task["threads"])))
    return lines


def _environment(threads: int) -> dict[str, str]:
    counts = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    return {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **counts}


def _gist(stderr: bytes) -> str:
    """What the first error of a worker says, else what torchrun tells of its end, after its last line; else the last
    line there is. torch puts the worker's number before each line.
    """
    text = re.sub(r"^\[rank\d+\]:\s?", "", stderr.decode(errors="replace"), flags=re.MULTILINE)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception|BadInput|MissingPiece)\b: ", line)]
    if errors:
        return errors[0].partition(": ")[2]
    if ended := re.search(r"^ *exitcode *: (-?\d+) \(pid: \d+\)(?: +\((SIG\w+)\))?", text, re.MULTILINE):
        own = list(takewhile(lambda line: "torch/distributed/elastic/" not in line, lines))
        how = f"one was ended by {ended[2]}" if ended[2] else f"one ended with exit code {ended[1]}"
        return f"{how}, after: {own[-1]}" if own else f"{how}, without a word"
    return lines[-1] if lines else "without a word"
