"""What one sees while a study runs: a live display on a terminal, plain lines where there is none.

    with Progress() as progress:
        run_study(study, "quick", how=How(listener=progress))

Everything goes to stderr; stdout is for data.
"""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from underhood.lab.run_events import (
    LabEvent,
    RunEnded,
    RunStarted,
    TrialEnded,
    TrialNote,
    TrialStarted,
    TrialStep,
    Tuned,
    Warned,
)
from underhood.report.facts import duration
from underhood.tables import number

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

LOSSES = ("train_loss", "loss", "validation_loss")  # the first of these that a trial reports is shown
FRACTIONS = ("test_error", "validation_error", "test_accuracy", "validation_accuracy")
BAR = 16  # letters
SHOWN = 8  # trials at once; more are counted


@dataclass
class Trial:
    """A trial under way, as far as its events say."""

    label: str
    began: float
    first_step: int = 0
    step: int = 0
    values: dict[str, float] = field(default_factory=dict)
    epochs: float | None = None

    @property
    def fraction(self) -> float | None:
        """How much of it is done, where epochs are reported and counted."""
        epoch = self.values.get("epoch")
        return None if epoch is None or not self.epochs else min(1.0, max(0.0, epoch / self.epochs))


class Progress:
    """A listener of a run's events that draws them. `clock` and `file` are for tests."""

    def __init__(self, file: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.file = file or sys.stderr
        self.clock = clock
        self.labels: Mapping[str, str] = {}
        self.settings: Mapping[str, Mapping[str, Any]] = {}
        self.running: dict[str, Trial] = {}
        self.done: set[str] = set()
        self.failed: set[str] = set()
        self.seconds: list[float] = []  # of the trials that ended here
        self.parallel = 1
        self.began = clock()
        self.live: Live | None = None
        self.console: Console | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.stop()

    def __call__(self, event: LabEvent) -> None:
        """Take in an event and say what is worth a line."""
        match event:
            case Tuned():
                self.say(f"\n{event.table}\n\n{event.text}")
            case RunStarted():
                self._start(event)
            case TrialStarted():
                self._begin(event)
            case TrialStep():
                trial = self.running.get(event.trial)
                if trial:
                    trial.step = event.step
                    trial.values.update(event.values)
            case TrialNote():
                self.say(f"{self._label(event.trial)}: {event.text}")
            case TrialEnded():
                self._end(event)
            case Warned():
                self.say(f"Note: {event.text}", "yellow")
            case RunEnded():
                self.running.clear()
                self.say(event.text, "" if event.exit_code == 0 else "yellow")

    def say(self, text: str, style: str = "") -> None:
        """A line that stays, above the live display."""
        if self.console:
            from rich.text import Text

            self.console.print(Text(text, style=style))
        else:
            print(text, file=self.file, flush=True)

    # What happened

    def _start(self, event: RunStarted) -> None:
        self.labels, self.settings = event.labels, event.settings
        self.done, self.parallel = set(event.finished), event.parallel
        self.began = self.clock()
        self._go_live()
        trials = f"{len(self.labels)} trial" + "s" * (len(self.labels) != 1)
        there = f", {len(self.done)} of them finished before" if self.done else ""
        self.say(f"{event.run}: {trials}{there}; {event.parallel} at once, in {event.path}")

    def _begin(self, event: TrialStarted) -> None:
        label, epochs = self._label(event.trial), self.settings.get(event.trial, {}).get("epochs")
        self.failed.discard(event.trial)
        self.running[event.trial] = Trial(label, self.clock(), event.step, event.step, epochs=epochs)
        news = [f"attempt {event.attempt}"] if event.attempt > 1 else []
        news += [f"goes on at step {event.step:,}"] if event.step else []
        if news:
            self.say(f"{label}: {', '.join(news)}")

    def _go_live(self) -> None:
        """From the plan on: before it, somebody may be asked something on the same terminal."""
        if self.live or not self.file.isatty():
            return
        from rich.console import Console
        from rich.live import Live

        self.console = Console(file=self.file, highlight=False)
        self.live = Live(console=self.console, get_renderable=self.render, refresh_per_second=4, transient=True)
        self.live.start()

    def _end(self, event: TrialEnded) -> None:
        self.running.pop(event.trial, None)
        label, took = self._label(event.trial), duration(event.seconds)
        if event.state == "finished":
            self.done.add(event.trial)
            self.seconds.append(event.seconds)
            diverged = "diverged, " if event.values.get("diverged") else ""
            self.say(f"✓ {label}: {diverged}{_numbers(event.values)}{took}", "yellow" if diverged else "")
        elif event.state == "failed":
            self.failed.add(event.trial)
            self.say(f"✗ {label}: failed after {took}: {event.reason}", "red")
            if event.log_tail:
                self.say("\n".join(f"    {line}" for line in event.log_tail.splitlines()[-6:]), "dim")
        else:
            self.say(f"– {label}: {event.state} after {took}")

    def _label(self, trial: str) -> str:
        return self.labels.get(trial, trial) or trial

    # What stands there now

    def remaining(self) -> float | None:
        """Seconds till the run ends, as far as one can tell: by the trials that ended, else by their epochs."""
        waiting = len(self.labels) - len(self.done) - len(self.failed) - len(self.running)
        each = sum(self.seconds) / len(self.seconds) if self.seconds else self._estimate()
        if each is None:
            return None
        now = self.clock()
        left = [self._left(trial, each, now) for trial in self.running.values()]
        return max((sum(left) + waiting * each) / max(1, self.parallel), max(left, default=0.0))

    def _estimate(self) -> float | None:
        """How long a trial takes, from the ones under way that say how far they are."""
        now = self.clock()
        estimates = [(now - trial.began) / fraction for trial in self.running.values() if (fraction := trial.fraction)]
        return sum(estimates) / len(estimates) if estimates else None

    def _left(self, trial: Trial, each: float, now: float) -> float:
        spent = now - trial.began
        return spent * (1 / trial.fraction - 1) if trial.fraction and not trial.first_step else max(0.0, each - spent)

    def render(self) -> "RenderableType":
        """The live display: a bar of the run over a line for each trial under way."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Column, Table
        from rich.text import Text

        total, ended = len(self.labels), len(self.done) + len(self.failed)
        counts = [f"{ended} of {total} trials", f"{len(self.running)} running"]
        counts += [f"{len(self.failed)} failed"] if self.failed else []
        times = [duration(self.clock() - self.began)]
        if (left := self.remaining()) is not None and ended < total:
            times.append(f"about {_roughly(left)} left")
        head = Table.grid(padding=(0, 2))
        head.add_row(ProgressBar(total=max(1, total), completed=ended, width=BAR), Text("  ·  ".join(counts)))
        head.add_row("", Text("  ·  ".join(times), style="dim"))
        name = Column(no_wrap=True, overflow="ellipsis")
        lines = Table.grid(Column(), name, Column(no_wrap=True), Column(no_wrap=True), padding=(0, 2))
        for trial in list(self.running.values())[:SHOWN]:
            bar = ProgressBar(total=1.0, completed=trial.fraction or 0.0, width=BAR, pulse=trial.fraction is None)
            lines.add_row(bar, Text(trial.label), Text(f"step {trial.step:,}"), Text(_latest(trial.values)))
        more = len(self.running) - SHOWN
        return Group(head, lines, *([Text(f"and {more} more", style="dim")] if more > 0 else []))


def _roughly(seconds: float) -> str:
    """A time that is a guess, no finer than a guess is."""
    if seconds < 90:
        return f"{max(5, 5 * round(seconds / 5))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _latest(values: Mapping[str, float]) -> str:
    """The latest loss and epoch: `loss 0.3101  ·  epoch 2`."""
    name = next((name for name in LOSSES if name in values), None)
    parts = [f"{name.replace('_', ' ')} {number(values[name])}"] if name else []
    if "epoch" in values:
        parts.append(f"epoch {values['epoch']:.4g}")
    return "  ·  ".join(parts)


def _numbers(values: Mapping[str, Any]) -> str:
    """The result's number that people ask for first."""
    for name in (*FRACTIONS, *LOSSES):
        if isinstance(value := values.get(name), int | float):
            text = f"{value:.2%}" if name in FRACTIONS else number(value)
            return f"{name.replace('_', ' ')} {text}, "
    return ""
