"""What runs trials: on this machine's processes (local.py), or wherever something that obeys the protocol can."""

from collections.abc import Iterator
from typing import Protocol

from underhood.lab.run_events import LabEvent
from underhood.lab.worker import Task


class Executor(Protocol):
    """Runs tasks and reports on them. It owns no state of the run: losing it loses no result."""

    def submit(self, task: Task) -> None:
        """Start a task; the caller submits no more at once than the executor was made for."""

    def events(self, timeout: float) -> Iterator[LabEvent]:
        """What the trials reported since the last call, waiting up to `timeout` seconds for the first word.

        Every submitted task comes to one TrialEnded, also when its process dies.
        """

    def cancel(self, trial: str, *, kill: bool = False) -> None:
        """Ask a trial to stop with a checkpoint at its next step, or end its process now."""

    def close(self) -> None:
        """End all processes."""
