"""A worker process of the local pool: `python -m underhood.lab.executors.local_worker`, fed through stdin."""

import dataclasses
import faulthandler
import json
import os
import queue
import signal
import sys
import threading
from typing import Any

from underhood.lab.files import line_of, number_back
from underhood.lab.run_events import LabEvent, TrialEnded
from underhood.lab.worker import Task, run_trial


class _Orders:
    """What the coordinator says, read beside the trial by a thread of its own."""

    def __init__(self) -> None:
        self.tasks: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self.running = ""
        self.stopped: set[str] = set()
        self.alone = False  # the coordinator is gone, or this process was told to end
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        # Unbuffered: a thread that waits in a buffered stdin would hold its lock when the interpreter ends.
        with open(0, "rb", buffering=0, closefd=False) as stdin:
            for line in stdin:
                order = number_back(json.loads(line))
                if order.pop("do") == "run":
                    self.tasks.put(order)
                else:
                    self.stopped.add(order["trial"])
        self.end()

    def end(self, *_: Any) -> None:
        """Stop at the next step, and take no other task."""
        self.alone = True
        self.tasks.put(None)

    def stopping(self) -> bool:
        return self.alone or self.running in self.stopped


def main() -> None:
    # The pipe to the coordinator is ours alone: what a trial prints must not get into it.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders = _Orders()
    for number in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, number):
            signal.signal(getattr(signal, number), orders.end)

    def emit(event: LabEvent) -> None:
        try:
            channel.write(line_of({"event": type(event).__name__} | dataclasses.asdict(event)) + "\n")
            channel.flush()
        except BrokenPipeError:
            orders.alone = True  # nobody listens: stop with a checkpoint

    while (order := orders.tasks.get()) is not None:
        task = Task.from_json(order)
        orders.running = task.trial
        try:
            run_trial(task, emit, orders.stopping)
        except Exception as error:  # the folder itself can't be used: no space, no right, held by another
            emit(TrialEnded(task.trial, "failed", 0.0, reason=f"{type(error).__name__}: {error}"))
        orders.stopped.discard(task.trial)
    sys.stderr.flush()
    os._exit(0)  # threads of compiled libraries can keep an interpreter from ending


if __name__ == "__main__":
    main()
