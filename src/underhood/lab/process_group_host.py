"""A host's part in a trial that several compute: started by the first one's machine, fed through stdin.

One line comes, the task with the user's own files (process_group_hosts.py), and then nothing for as long as the trial
runs. When stdin ends, so do torchrun and its workers.
"""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import underhood.torchrun as torchrun
from underhood.lab.arrival import settled
from underhood.lab.executors.local import worker_environment
from underhood.lab.files import line_of, number_back
from underhood.lab.process_group import CHILD, RESTARTS, TASK
from underhood.lab.process_group_hosts import HERE
from underhood.lab.worker import Task

MERCY = 3.0  # seconds for torchrun to end its workers; if it does not, they see that it is gone


def main() -> int:
    print(HERE, flush=True)
    # Unbuffered: a thread that waits in a buffered stdin would hold its lock when the interpreter ends.
    with open(0, "rb", buffering=0, closefd=False) as stdin, TemporaryDirectory(prefix="underhood-host-") as name:
        line = stdin.readline()
        if not line.endswith(b"\n"):
            return 1
        order: dict[str, Any] = number_back(json.loads(line))
        home = Path(name)
        task = _at_home(order, home)
        words = torchrun.command(order["devices"], CHILD, name, restarts=RESTARTS, node=torchrun.Node(**order["node"]))
        settled = worker_environment(task.threads) | {"PYTHONSAFEPATH": "1"}
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, env=settled)

        def watch() -> None:
            while stdin.read(1):
                pass
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(MERCY)
            process.kill()

        threading.Thread(target=watch, daemon=True).start()
        code = process.wait()
        os.chdir("/")  # the folder goes
        return code


def _at_home(order: Mapping[str, Any], home: Path) -> Task:
    """The task as it stands here: its files written below `home`, and a folder that nobody will read."""
    files, kept = (
        {path: base64.b64decode(content) for path, content in order[key].items()} for key in ("files", "kept")
    )
    task = settled(Task.from_json(order["task"]), files, kept, order["folder"], home)
    (home / TASK).write_text(line_of(task.to_json()), encoding="utf-8")
    return task


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # a thread still waits in stdin
