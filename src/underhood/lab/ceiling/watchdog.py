"""A watchdog on resident memory: a thread that ends the trial when its process holds more than it may.

The trial's thread is told by an exception, which it meets when it comes back to Python; a process that still holds too
much GRACE seconds later is ended outright.
"""

import ctypes
import os
import threading
import time
from typing import Any

from underhood.resident import resident, swapped

EVERY = 0.01  # seconds between two looks
GRACE = 10.0
EXIT_CODE = 75  # of a process that had to be ended: EX_TEMPFAIL, so that no signal is mistaken for it


class Watchdog:
    """Watches from `start` to `stop`."""

    def __init__(self, limit: int, error: type[BaseException]) -> None:
        self.limit, self.error = limit, error
        self.barked_at: float | None = None
        self._thread = threading.Thread(target=self._watch, name="memory watchdog", daemon=True)
        self._watched = threading.get_ident()
        self._over = threading.Event()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        _raise_in(self._watched, None)  # what it has not met yet comes too late

    def _watch(self) -> None:
        while not self._over.wait(EVERY):
            if resident() + swapped() <= self.limit:
                continue
            if self.barked_at is None:
                self.barked_at = time.monotonic()
                _raise_in(self._watched, self.error)
            elif time.monotonic() - self.barked_at > GRACE:
                os._exit(EXIT_CODE)


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Let a thread raise `error` at its next line of Python."""
    value: Any = ctypes.py_object(error) if error is not None else None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), value)
