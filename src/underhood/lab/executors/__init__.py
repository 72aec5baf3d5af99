"""What runs trials: processes of this machine (local.py), a Ray cluster (ray.py), or what obeys the protocol."""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from underhood.errors import BadInput, missing_extra, nearest
from underhood.lab.run_events import LabEvent

if TYPE_CHECKING:
    from underhood.lab.worker import Task


class Executor(Protocol):
    """Runs tasks and reports on them. It owns no state of the run: losing it loses no result."""

    def cores(self) -> int:
        """With how many threads it computes at once, now."""

    def memory(self) -> int | None:
        """Bytes that all its trials may take at once; None where it sees to that itself."""

    def submit(self, task: "Task") -> None:
        """Start a task; the caller submits no more at once than the executor was made for."""

    def events(self, timeout: float) -> Iterator[LabEvent]:
        """What the trials reported since the last call, waiting up to `timeout` seconds for the first word.

        Every submitted task comes to one TrialEnded, also when its process dies.
        """

    def cancel(self, trial: str, *, kill: bool = False) -> None:
        """Ask a trial to stop with a checkpoint at its next step, or end its process now."""

    def close(self) -> None:
        """End all processes."""


def executor_of(name: str) -> Callable[[int], Executor]:
    """The executor of that name, to be made with how many trials run at once; BadInput for a name that is
    none, MissingPiece where it isn't installed.
    """
    if name == "local":
        from underhood.lab.executors.local import LocalPool

        return LocalPool
    if name != "ray":
        raise BadInput(f'--on: unknown "{name}"; {nearest(name, ["local", "ray"])}')
    if find_spec("ray") is None:
        raise missing_extra("ray", "--on ray")
    from underhood.lab.executors.ray import RayCluster

    return RayCluster
