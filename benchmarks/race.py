"""How it is measured: every contender in a process of its own, all alive at once, one at work at a time.

A *start* begins the processes of a case one after another; each takes its first step, which compiles what is
compiled, and then waits. A *turn* lets each in turn train for a moment, so that a slow minute of the machine slows
all of them alike. Who was more than SLOWER times the quickest of the others in its first turn has no chance to be
the best, and takes no more turns; the engine takes all of them. A second start, with new processes, shows what
depends on where memory happened to lie.
"""

import json
import select
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.cases import Case
from benchmarks.contenders import ENGINE, Contender, environment

ROOT = Path(__file__).parents[1]
SLOWER = 1.25
PATIENCE = 600.0  # seconds for a first step with all it compiles

Record = dict[str, Any]


class FailedRunError(Exception):
    """A program ended without an answer; the message is the last line it said."""


class Runner:
    """A program that was started: it answers with a line of JSON when it is ready and after every turn."""

    def __init__(self, contender: Contender, case: Case, threads: int, seconds: float) -> None:
        self.contender = contender
        self.said = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115  (closed by __exit__)
        self.process = subprocess.Popen(
            contender.command(case, seconds),
            cwd=ROOT,
            env=environment(contender, threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.said,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.process.kill()
        self.process.communicate()
        self.said.close()

    def answer(self) -> Record:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            raise FailedRunError(self.last_words() if ready else f"no answer in {PATIENCE:.0f} s")
        return json.loads(line)

    def turn(self) -> Record:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # what it died of is told by the answer
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        return self.answer()

    def last_words(self) -> str:
        self.process.wait()
        self.said.seek(0)
        lines = self.said.read().strip().splitlines()
        return lines[-1][:200] if lines else f"exit code {self.process.returncode}"


def race(
    case: Case, threads: int, contenders: list[Contender], starts: int, turns: int, seconds: float
) -> Iterator[Record]:
    """Records of all turns: what the program printed, with case, threads, contender, start and turn."""
    racing = []
    for contender in contenders:
        if why := contender.missing():
            yield {"case": case.name, "threads": threads, "contender": contender.name, "missing": why}
        else:
            racing.append(contender)
    for start in range(starts):
        with ExitStack() as alive:
            runners = []
            for contender in racing:
                runner = alive.enter_context(Runner(contender, case, threads, seconds))
                said = {"case": case.name, "threads": threads, "contender": contender.name}
                try:
                    runner.answer()
                    runners.append(runner)
                except FailedRunError as error:
                    yield said | {"missing": str(error)}
            for turn in range(turns):
                found = {}
                for runner in runners:
                    said = {"case": case.name, "threads": threads, "contender": runner.contender.name}
                    try:
                        found[runner] = runner.turn()
                        yield said | {"start": start, "turn": turn} | found[runner]
                    except FailedRunError as error:
                        yield said | {"missing": str(error)}
                runners = with_a_chance(found)
            racing = [runner.contender for runner in runners]


def with_a_chance(found: dict[Runner, Record]) -> list[Runner]:
    """The engine, and who is near enough to the quickest of the others."""
    others = [said["step_ms"] for runner, said in found.items() if runner.contender.group != ENGINE]
    limit = SLOWER * min(others, default=0.0)
    return [r for r, said in found.items() if r.contender.group == ENGINE or said["step_ms"] <= limit]
