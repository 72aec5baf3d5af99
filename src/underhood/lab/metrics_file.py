"""The file of a trial's metrics, one line of JSON each, as they come.

A line and a write for each would cost a small network, whose step takes 0.2 ms, a twentieth of its time. So they are
written together, every WRITE_EVERY seconds; those after which the trial computes without a word, by a thread that
looks every LOOK_EVERY seconds. It looks seldom: a thread that wakes takes the interpreter from the trial's for 1 ms.
"""

import os
import threading
import time
from pathlib import Path
from typing import Any

from underhood.lab.files import line_of

WRITE_EVERY, LOOK_EVERY = 0.05, 0.25  # seconds


class MetricsFile:
    """Appends to the file at `path`. An error of the thread is raised by the next call."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("ab")
        self.lock = threading.Lock()
        self.unwritten: list[dict[str, Any]] = []
        self.written_at = time.monotonic()
        self.error: OSError | None = None
        self.closed = threading.Event()
        self.thread = threading.Thread(target=self._write_what_stays, daemon=True)
        self.thread.start()

    def append(self, values: dict[str, Any]) -> None:
        with self.lock:
            self._raise()
            self.unwritten.append(values)
            if time.monotonic() - self.written_at >= WRITE_EVERY:
                self._write()

    def flush(self, sync: bool = False) -> None:
        """Have all in the file; with `sync`, on the disk."""
        with self.lock:
            self._raise()
            self._write()
            if sync:
                os.fsync(self.file.fileno())

    def close(self) -> None:
        self.closed.set()
        self.thread.join()
        with self.file:
            self.flush()

    def _raise(self) -> None:
        if self.error is not None:
            raise self.error

    def _write(self) -> None:
        """Whole lines. Those that an error stopped are not tried again: half of them may be there."""
        lines = [f"{line_of(values)}\n" for values in self.unwritten]
        self.unwritten = []
        self.written_at = time.monotonic()
        self.file.write("".join(lines).encode())
        self.file.flush()

    def _write_what_stays(self) -> None:
        while not self.closed.wait(LOOK_EVERY):
            with self.lock:
                if self.unwritten and time.monotonic() - self.written_at >= LOOK_EVERY:
                    try:
                        self._write()
                    except OSError as error:
                        self.error = error
                        return
