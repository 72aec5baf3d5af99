"""How far a download is: a bar on a terminal, a line every tenth where there is none. All of it on stderr."""

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from underhood.cli.output import say

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

MEGA = 1_000_000


class Downloads:
    """Told of every file's name, bytes so far and bytes in all, which the server may not have said."""

    def __init__(self) -> None:
        self.bars: Progress | None = None
        self.tasks: dict[str, TaskID] = {}
        self.tenths: dict[str, int] = {}

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
            from rich.progress import TransferSpeedColumn as Speed

            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), Speed(), TimeRemainingColumn())
            self.bars = Progress(*columns, console=Console(file=sys.stderr))
            self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bars:
            self.bars.stop()

    def __call__(self, name: str, done: int, total: int | None) -> None:
        if self.bars:
            if name not in self.tasks:
                self.tasks[name] = self.bars.add_task(name, total=total)
            self.bars.update(self.tasks[name], completed=done, total=total)
            return
        tenth = 10 * done // total if total else done // (10 * MEGA)
        if tenth != self.tenths.get(name):
            self.tenths[name] = tenth
            say(f"{name}: {done / MEGA:.1f}{f' of {total / MEGA:.1f}' if total else ''} MB")
