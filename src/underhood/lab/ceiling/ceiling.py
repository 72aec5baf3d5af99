"""One trial under one ceiling: what holds it, what it took, and which errors are the ceiling's."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from underhood.errors import UnderhoodError
from underhood.lab.ceiling import cgroups
from underhood.lab.ceiling.data_segment import limited
from underhood.lab.ceiling.heap import map_apart
from underhood.lab.ceiling.watchdog import EXIT_CODE, Watchdog
from underhood.resident import forget_peak, peak, swapped
from underhood.sizes import megabytes

# What libraries say when memory is refused them; those that raise MemoryError need no words.
REFUSALS = ("can't allocate memory", "cannot allocate memory", "not enough memory", "out of memory", "bad_alloc")


class MemoryLimitReached(UnderhoodError):
    """The watchdog's word to the trial that holds more than it may."""


@dataclass
class Ceiling:
    """A limit in bytes, what holds it in words, and the peak that was measured. Without a limit nothing is held; what
    was predicted is measured all the same.

    `mapped` has the C library give large blocks back at once, so that its heap keeps no holes (heap.py).
    """

    limit: int | None
    predicted: int | None = None
    mapped: bool = False
    by: str = ""
    group: str = ""
    peak: int = 0
    swapped: int = 0

    @property
    def facts(self) -> dict[str, Any]:
        """For the trial's record; bytes."""
        return {} if self.limit is None else asdict(self)

    @property
    def values(self) -> dict[str, int]:
        """For the trial's result: the measured peak of its process, and the predicted one where there is one."""
        if self.limit is None and self.predicted is None:
            return {}
        self.measure()
        return {"peak_memory": self.peak} | ({} if self.predicted is None else {"predicted_peak": self.predicted})

    def measure(self) -> None:
        """Look what the process took so far."""
        self.peak, self.swapped = peak(), max(self.swapped, swapped())

    def reason(self, error: BaseException) -> str | None:
        """What to say of an error that the ceiling made; None of any other."""
        if self.limit is None or not _is_refusal(error):
            return None
        said = next(iter(str(error).strip().splitlines()), "") or "the watchdog saw more resident memory than that"
        foreseen = "" if self.predicted is None else f", {megabytes(self.predicted)} were predicted"
        return (
            f"its memory limit of {megabytes(self.limit)} was reached ({said}); the peak was "
            f"{megabytes(self.peak)}{foreseen}. Held by {self.by}"
        )


@contextmanager
def held(ceiling: Ceiling) -> Iterator[None]:
    """Within, this process is kept under the ceiling. The trial has to run in the thread that enters."""
    if ceiling.limit is None and ceiling.predicted is None:
        yield
        return
    forget_peak()
    with ExitStack() as stack:
        ceiling.mapped = ceiling.mapped and map_apart()
        if ceiling.mapped:
            stack.callback(map_apart, False)
        if ceiling.limit is not None:
            _guard(ceiling, ceiling.limit, stack)
        try:
            yield
        finally:
            ceiling.measure()


def _guard(ceiling: Ceiling, limit: int, stack: ExitStack) -> None:
    """All that keeps this process under the limit, until the stack is left."""
    group = cgroups.enter(limit)
    if group is not None:
        stack.callback(group.leave)
        ceiling.group = str(group.path)
    watchdog = Watchdog(limit, MemoryLimitReached)
    stack.callback(watchdog.stop)
    watchdog.start()  # before memory is refused: a thread that gets none as it begins is waited for for ever
    refuses = stack.enter_context(limited(limit))
    held_by = [group.said if group else "", "a data-segment limit" if refuses else ""]
    held_by.append("a watchdog on resident memory" + ("" if group else ", swap counted in it"))
    held_by.append("large blocks given back at once" if ceiling.mapped else "")
    ceiling.by = "; ".join(filter(None, held_by))


def killed_for_memory(facts: dict[str, Any], exit_code: int) -> str | None:
    """What to say of a process that died under a ceiling with these `facts`, if the ceiling is why.

    The group that the dead process left behind is removed.
    """
    if not facts:
        return None
    group = Path(facts["group"]) if facts["group"] else None
    by_kernel = group is not None and exit_code == -signal.SIGKILL and cgroups.killed(group)
    if group is not None and group.is_dir():
        cgroups.remove(group)
    if not by_kernel and exit_code != EXIT_CODE:
        return None
    who = "the kernel" if by_kernel else "the watchdog"
    return (
        f"its memory limit of {megabytes(facts['limit'])} was reached, and {who} ended its process. Held by "
        f"{facts['by']}"
    )


def _is_refusal(error: BaseException) -> bool:
    if isinstance(error, (MemoryError, MemoryLimitReached)):
        return True
    return isinstance(error, RuntimeError | OSError) and any(word in str(error).lower() for word in REFUSALS)
