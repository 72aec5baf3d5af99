"""A trial of several devices: torchrun's workers run it together, and the first of them records it.

    lab worker ── torchrun ─┬─ worker 0    the trial with its folder: metrics, checkpoints, result
                            └─ worker 1 …  the same trial, whose events nobody hears

They talk to the lab worker through files in a folder of their own: `events.jsonl`, a line each, and `stop` and
`ended`, which say something by being there. A worker that dies takes the others with it, and torchrun starts all of
them again, which go on from the trial's last checkpoint; RESTARTS such ends are borne. On several hosts each has a
torchrun of its own (process_group_hosts.py).
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import underhood.torchrun as torchrun
from underhood.errors import MissingPiece
from underhood.lab import run_events
from underhood.lab.executors.local import worker_environment
from underhood.lab.files import line_of, number_back
from underhood.lab.process_group_hosts import PARTING, OtherHosts
from underhood.lab.run_events import LabEvent, TrialEnded, TrialState
from underhood.lab.store import TrialFolder
from underhood.lab.worker import Task, claimed

CHILD = "underhood.lab.process_group_child"
TASK, EVENTS, STOP, ENDED = "task.json", "events.jsonl", "stop", "ended"
RESTARTS = 3
POLL = 0.05  # seconds


def run_process_group(task: Task, devices: int, emit: Callable[[LabEvent], None], stopping: Callable[[], bool]) -> None:
    """Run the trial on `devices` workers, to its end, an interruption, or its failure."""
    folder = TrialFolder(task.folder)
    with claimed(folder):
        if task.fresh:
            folder.clear()
    with TemporaryDirectory(prefix="underhood-group-") as name, ExitStack() as after:
        room = Path(name)
        (room / TASK).write_text(line_of(replace(task, fresh=False).to_json()), encoding="utf-8")
        (room / EVENTS).touch()
        others = OtherHosts(task, devices, folder.log_file)
        after.callback(others.end)
        try:
            others.start(stopping)
            if others.hosts and stopping():
                emit(_settled(task, folder, "interrupted", "", 0))
                return
            reason = _computed(room, task, devices, others, emit, stopping)
        except MissingPiece as error:
            emit(_settled(task, folder, "failed", str(error), error.exit_code))
            return
    if reason:
        emit(_settled(task, folder, "failed", reason, 1))


def _computed(
    room: Path,
    task: Task,
    devices: int,
    others: OtherHosts,
    emit: Callable[[LabEvent], None],
    stopping: Callable[[], bool],
) -> str:
    """Run this machine's workers and pass on what they say; why they went without the trial's end, if so."""
    here, node = (others.each, others.nodes[0]) if others.nodes else (devices, None)
    words = torchrun.command(here, CHILD, str(room), restarts=RESTARTS, node=node)
    settled = worker_environment(task.threads) | {"PYTHONSAFEPATH": "1"}
    heard, ended = _events(room / EVENTS), 0.0
    with TrialFolder(task.folder).log_file.open("ab") as log:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=settled)
        try:
            while True:
                over = process.poll() is not None  # asked first: what is said before the end is heard after it
                lost = next(filter(None, (host.lost() for host in others.hosts)), "")
                for event in heard():
                    ended = time.monotonic() if isinstance(event, TrialEnded) else ended
                    emit(event)
                if over or (lost and not ended) or (ended and time.monotonic() > ended + PARTING):
                    break
                if stopping():
                    (room / STOP).touch()
                time.sleep(POLL)
        finally:
            _end(process)
    if ended:
        return ""
    again = (
        f"its {devices} workers ended again and again ({RESTARTS} restarts; torchrun's exit code {process.returncode})"
    )
    return lost or again


def _end(process: subprocess.Popen[bytes]) -> None:
    """End torchrun, which ends its workers; those of one that is killed see that it is gone."""
    process.terminate()
    try:
        process.wait(PARTING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def say(room: Path, event: LabEvent) -> None:
    """Worker 0's word to the lab worker."""
    with (room / EVENTS).open("a", encoding="utf-8") as file:
        file.write(line_of({"event": type(event).__name__} | asdict(event)) + "\n")


def _events(path: Path) -> Callable[[], Iterator[LabEvent]]:
    """What gives the events that were written since it was last asked."""
    at = 0

    def heard() -> Iterator[LabEvent]:
        nonlocal at
        with path.open("rb") as file:
            file.seek(at)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                at += len(line)
                word: dict[str, Any] = json.loads(line)
                kind: type[LabEvent] = getattr(run_events, word.pop("event"))
                yield kind(**number_back(word))

    return heard


def _settled(task: Task, folder: TrialFolder, state: TrialState, reason: str, code: int) -> TrialEnded:
    """The end of a trial whose workers went without a word, or never came together; its folder says the same."""
    seconds = folder.status()["seconds"]
    folder.write_state(state, reason=reason, seconds=seconds, exit_code=code, attempt=task.attempt)
    tail = folder.log_tail() if state == "failed" else ""
    return TrialEnded(task.trial, state, seconds, reason=reason, log_tail=tail)
