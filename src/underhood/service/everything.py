"""Every study in turn: `underhood run all`. One that fails stops none, and a page leads to all reports.

    underhood run all --scale quick

Each study is a run of its own, named `<study>-<scale>`, so the same command goes on where it was interrupted.
"""

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any

from underhood.errors import UnderhoodError
from underhood.lab.machine import machine
from underhood.lab.results import Run
from underhood.lab.run_events import LabEvent, RunStarted, TrialEnded
from underhood.lab.store import runs_folder
from underhood.lab.study import Study
from underhood.report.facts import describe, duration
from underhood.report.overview import Line, render_overview
from underhood.service.reporting import can_be_reported, document_of
from underhood.service.running import run
from underhood.studies import every
from underhood.studies.sheets import by_sheet

STOPPED = (130, 143)  # exit codes after Ctrl-C and SIGTERM
LONGEST = 600  # letters of an answer in the overview; the report has all


@dataclass(frozen=True)
class Outcome:
    """What became of one study; `fresh` counts the trials that were run now, `seconds` is the time that this took."""

    study: Study
    run: Run | None
    problem: str
    seconds: float
    fresh: int

    @property
    def text(self) -> str:
        """The study's line."""
        if self.run is None:
            return f"{self.study.name}: not run: {self.problem}"
        trials = f"{len(self.run.trials)} trial" + "s" * (len(self.run.trials) != 1)
        new = f"{self.fresh} of them new, " if 0 < self.fresh < len(self.run.trials) else ""
        done = f"{trials}, {new}{duration(self.seconds)}" if self.fresh else f"{trials}, finished before"
        return f"{self.study.name}: {done}" + (f"; {self.problem}" if self.problem else "")


class Ticker:
    """A listener that counts a study's trials, and shows the count while they run."""

    def __init__(self, begun: str, show: Callable[[str], None]) -> None:
        self.begun, self.show = begun, show
        self.trials, self.done, self.fresh = 0, 0, 0

    def __call__(self, event: LabEvent) -> None:
        if isinstance(event, RunStarted):
            self.trials, self.done = len(event.labels), len(event.finished)
        elif isinstance(event, TrialEnded) and event.state in ("finished", "failed"):
            self.done, self.fresh = self.done + 1, self.fresh + 1
        else:
            return
        self.show(f"{self.begun}: {self.done} of {self.trials} trials")


def run_all(
    scale: str = "quick",
    *,
    runs: Path | None = None,
    say: Callable[[str], None] = print,
    show: Callable[[str], None] = lambda text: None,
    studies: list[Study] | None = None,
    **how: Any,
) -> tuple[int, Path]:
    """Run every study at a scale, then write the page that leads to their reports; the exit code and the page.

    `say` is given a line a study when it has ended, `show` what is under way. `how` goes to each run. The exit code is
    0, 1 when anything failed, 130 or 143 when it was interrupted; the studies after that are not begun.
    """
    known = every() if studies is None else studies
    outcomes: list[Outcome] = []
    code = 0
    for number, study in enumerate(known, start=1):
        begun = f"[{number}/{len(known)}] "
        outcome = _outcome(study, scale, Ticker(begun + study.name, show), runs, how)
        outcomes.append(outcome)
        say(begun + outcome.text)
        if outcome.run is not None and outcome.run.exit_code in STOPPED:
            code = outcome.run.exit_code
            break
        code = code or int(bool(outcome.problem))
    page = runs_folder(runs) / f"all-{scale}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(_overview(scale, runs, known, outcomes, page.parent), encoding="utf-8")
    return code, page


def _outcome(study: Study, scale: str, ticker: Ticker, runs: Path | None, how: dict[str, Any]) -> Outcome:
    """Run one study; what goes wrong, of whatever kind, is its problem and no other's."""
    began, done, problem = monotonic(), None, ""
    try:
        done = run(study, scale, runs=runs, listener=ticker, **how)
        problem = _problem(done)
    except UnderhoodError as error:
        problem = str(error).splitlines()[0]
    except Exception as error:  # a report that breaks down, say: the other studies go on
        problem = f"{type(error).__name__}: {error}"
    return Outcome(study, done, problem, monotonic() - began, ticker.fresh)


def _problem(done: Run) -> str:
    """What went wrong in a run, in a line."""
    if done.exit_code in STOPPED:
        return f"stopped; {len(done.results.unfinished)} to go"
    failed = done.results.failed
    if not failed:
        return ""
    reason = (failed[0].reason.splitlines() or ["for no reason given"])[0]
    return f"{len(failed)} of {len(done.trials)} trials failed: {reason}"


def _overview(scale: str, runs: Path | None, known: list[Study], outcomes: list[Outcome], folder: Path) -> str:
    found = {outcome.study.name: outcome for outcome in outcomes}
    studies = {study.name: study for study in known}
    groups = {}
    for title, questions in by_sheet({name: study.question for name, study in studies.items()}):
        groups[title] = [
            _line(Line(each.number, each.text, each.study, studies[each.study].title), found.get(each.study), folder)
            for each in questions
        ]
    words = ["underhood", "run", "all", "--scale", scale, *(["--runs", str(runs)] if runs else [])]
    return render_overview(f"Every study, at scale {scale}", shlex.join(words), groups, describe(machine()))


def _line(line: Line, outcome: Outcome | None, folder: Path) -> Line:
    """The line with what came out; a study that was not come to says so."""
    if outcome is None:
        return replace(line, problem="Not begun: the run was interrupted before.")
    done = outcome.run
    if done is None:
        return replace(line, problem=f"Not run: {outcome.problem}")
    line = replace(line, seconds=done.seconds, problem=outcome.problem)
    if not can_be_reported(done) or not (done.path / "report.html").is_file():
        return line
    address = (done.path / "report.html").relative_to(folder).as_posix()
    return replace(line, address=address, answer=_short(document_of(done, outcome.study).answer))


def _short(answer: str) -> str:
    """The first paragraphs of an answer, as many as are short enough together, and one at least."""
    kept: list[str] = []
    for paragraph in answer.split("\n\n"):
        if kept and sum(map(len, kept)) + len(paragraph) > LONGEST:
            return "\n\n".join([*kept, "…"])
        kept.append(paragraph)
    return "\n\n".join(kept)
