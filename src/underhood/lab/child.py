"""A question to a process of its own: a task goes in as JSON, the answer comes out, or what is wrong with the task.

    said = ask(["-P", "-m", "underhood.lab.tuning_child"], task, threads)      here
    sys.exit(serve(answer))                                                    there: answer(task) -> a mapping

The process has the trial's threads from its start, leaves this one as light as it was, and may die.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from underhood.errors import BadInput, MissingPiece, UnderhoodError
from underhood.lab.executors.local import worker_environment
from underhood.lab.files import line_of, number_back


class ChildDiedError(Exception):
    """The process ended without an answer; `exit_code`, negative for a signal, and the last line it printed."""

    def __init__(self, exit_code: int, last: str) -> None:
        super().__init__(last or f"exit code {exit_code}")
        self.exit_code = exit_code


def ask(words: Sequence[str], task: Mapping[str, Any], threads: int, *, quiet: bool = False) -> dict[str, Any]:
    """What `python WORDS` answers to the task; with `quiet`, what it prints beside that is not shown.

    Raises the BadInput or MissingPiece that was raised there, and ChildDiedError.
    """
    done = subprocess.run(
        [sys.executable, *words],
        input=line_of(task).encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if quiet else None,
        env=worker_environment(threads),
        check=False,
    )
    if done.returncode < 0 or not done.stdout:
        last = (done.stderr or b"").decode(errors="replace").strip().splitlines()[-1:]
        raise ChildDiedError(done.returncode, "".join(last))
    said: dict[str, Any] = number_back(json.loads(done.stdout))
    if "error" in said:
        raise (BadInput if done.returncode == BadInput.exit_code else MissingPiece)(said["error"])
    return said


def serve(answer: Callable[[dict[str, Any]], Mapping[str, Any]]) -> int:
    """Answer the task on stdin; the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asked hears a Ctrl-C too, and ends us
    # What a compiler prints must not get between us and who asked.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    task = number_back(json.load(sys.stdin))
    try:
        said, code = answer(task), 0
    except UnderhoodError as error:
        said, code = {"error": str(error)}, error.exit_code
    channel.write(line_of(said))
    channel.close()
    return code
