"""The file of a trial's metrics, one line of JSON each, as they come.

A line and a write for each would cost a small network, whose step takes 0.2 ms, a twentieth of its time. So they are
written together, by a thread that wakes WRITE_EVERY seconds after the first of them: a reader is never further
behind, however long the trial then computes without a word.
"""

import os
import threading
from pathlib import Path
from typing import Any

from underhood.lab.files import line_of

WRITE_EVERY = 0.05  # seconds


class MetricsFile:
    """Appends to the file at `path`. An error of the thread is raised by the next call."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("ab")
        self.lock = threading.Lock()
        self.unwritten: list[dict[str, Any]] = []
        self.error: OSError | None = None
        self.waiting, self.closed = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._write_as_they_come, daemon=True)
        self.thread.start()

    def append(self, values: dict[str, Any]) -> None:
        with self.lock:
            self._raise()
            self.unwritten.append(values)
        self.waiting.set()

    def flush(self, sync: bool = False) -> None:
        """Have all in the file; with `sync`, on the disk."""
        with self.lock:
            self._raise()
            self._write()
            if sync:
                os.fsync(self.file.fileno())

    def close(self) -> None:
        self.closed.set()
        self.waiting.set()
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
        self.file.write("".join(lines).encode())
        self.file.flush()

    def _write_as_they_come(self) -> None:
        while self.waiting.wait() and not self.closed.wait(WRITE_EVERY):
            self.waiting.clear()
            with self.lock:
                try:
                    self._write()
                except OSError as error:
                    self.error = error
                    return
