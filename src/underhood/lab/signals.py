"""Being asked to stop: Ctrl-C, SIGTERM and a terminal that closes (SIGHUP) counted, not died of."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

HEARD = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@dataclass
class Stop:
    """How often a stop was asked for, and by which signal the last time; or the `wish` that came true."""

    times: int = 0
    signal: int = 0
    wish: str = ""

    @property
    def exit_code(self) -> int:
        """What a shell expects of a program that a signal ended: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
        return 128 + self.signal if self.signal else 0


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Count the signals within; off the main thread, where Python allows no handlers, none are heard."""
    stop = Stop()

    def on_signal(number: int, frame: Any) -> None:
        stop.times += 1
        stop.signal = number

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, on_signal) for number in HEARD if not _ignored(number)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignored(number: int) -> bool:
    """Whether the user said beforehand that a hang-up is to be ignored, as `nohup` does."""
    return number == getattr(signal, "SIGHUP", None) and signal.getsignal(number) is signal.SIG_IGN
