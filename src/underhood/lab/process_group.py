"""A trial of several devices: torchrun's workers run it together, and the first of them records it.

    lab worker ── torchrun ─┬─ worker 0    the trial with its folder: metrics, checkpoints, result
                            └─ worker 1 …  the same trial, whose events nobody hears

They talk to the lab worker through files in a folder of their own: `events.jsonl`, a line each, and `stop` and
`ended`, which say something by being there. A worker that dies takes the others with it, and torchrun starts all of
them again, which go on from the trial's last checkpoint; RESTARTS such ends are borne.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import underhood.torchrun as torchrun
from underhood.lab import run_events
from underhood.lab.executors.local import worker_environment
from underhood.lab.files import line_of, number_back
from underhood.lab.run_events import LabEvent, TrialEnded
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
    with TemporaryDirectory(prefix="underhood-group-") as name, folder.log_file.open("ab") as log:
        room = Path(name)
        (room / TASK).write_text(line_of(replace(task, fresh=False).to_json()), encoding="utf-8")
        (room / EVENTS).touch()
        words = torchrun.command(devices, CHILD, name, restarts=RESTARTS)
        settled = worker_environment(task.threads) | {"PYTHONSAFEPATH": "1"}
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=settled)
        heard = _events(room / EVENTS)
        ended = False
        while True:
            over = process.poll() is not None  # asked first: what is said before the end is heard after it
            for event in heard():
                ended |= isinstance(event, TrialEnded)
                emit(event)
            if over:
                break
            if stopping():
                (room / STOP).touch()
            time.sleep(POLL)
    if not ended:
        emit(_failed(task, folder, devices, process.returncode))


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


def _failed(task: Task, folder: TrialFolder, devices: int, code: int) -> TrialEnded:
    """The end of a trial whose workers went without a word."""
    seconds = folder.status()["seconds"]
    reason = f"its {devices} workers ended again and again ({RESTARTS} restarts; torchrun's exit code {code})"
    folder.write_state("failed", reason=reason, seconds=seconds, exit_code=1, attempt=task.attempt)
    return TrialEnded(task.trial, "failed", seconds, reason=reason, log_tail=folder.log_tail())
