"""How it is measured: every contender in a process of its own, all alive at once, one at work at a time.

A *start* begins the processes of a case one after another; each takes its first step, which compiles what is
compiled, and then waits. A *turn* lets each in turn train for a moment, so that a slow minute of the machine slows
all of them alike. After TRIED turns, who never came within SLOWER times the quickest of its group (PyTorch's variants,
the other libraries) has no chance to be the best, and takes no more; the engine takes all turns, and so does PyTorch's
eager mode, which it is held against as it stands. A second start, with
new processes, shows what depends on where memory happened to lie.
"""

import json
import select
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from math import inf
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.cases import Case
from benchmarks.contenders import EAGER, ENGINE, Contender, environment

ROOT = Path(__file__).parents[1]
SLOWER = 1.25
TRIED = 2
PATIENCE = 600.0  # seconds for a first step with all it compiles

Record = dict[str, Any]


class Runner:
    """A program that was started. It answers with a line of JSON when it is ready and after every turn."""

    def __init__(self, contender: Contender, case: Case, threads: int, seconds: float) -> None:
        self.contender = contender
        self.name: Record = {"case": case.name, "threads": threads, "contender": contender.name}
        self.words = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115  (closed by __exit__)
        self.process = subprocess.Popen(
            contender.command(case, seconds),
            cwd=ROOT,
            env=environment(contender, threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.words,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.process.kill()
        with suppress(BrokenPipeError):  # a line that it did not live to read
            self.process.communicate()
        self.words.close()

    def answer(self) -> Record:
        """What it printed, under its name; "missing" says why it printed nothing."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        if not ready:
            return self.name | {"missing": f"no answer in {PATIENCE:.0f} s"}
        line = self.process.stdout.readline()
        return self.name | (json.loads(line) if line else {"missing": self.last_words()})

    def turn(self) -> Record:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # what it died of is told by the answer
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        return self.answer()

    def last_words(self) -> str:
        self.process.wait()
        self.words.seek(0)
        lines = self.words.read().strip().splitlines()
        return lines[-1][:200] if lines else f"exit code {self.process.returncode}"


def race(
    case: Case, threads: int, contenders: list[Contender], starts: int, turns: int, seconds: float
) -> Iterator[Record]:
    """Records of all turns: what the program printed, with case, threads, contender, start and turn."""
    reasons = {contender: contender.missing() for contender in contenders}
    for contender, why in reasons.items():
        if why:
            yield {"case": case.name, "threads": threads, "contender": contender.name, "missing": why}
    racing = [contender for contender in contenders if not reasons[contender]]
    least: dict[Contender, float] = {}
    for start in range(starts):
        with ExitStack() as alive:
            runners = []
            for contender in racing:
                runner = alive.enter_context(Runner(contender, case, threads, seconds))
                if "missing" in (found := runner.answer()):
                    yield found
                else:
                    runners.append(runner)
            for turn in range(turns):
                for runner in list(runners):
                    found = runner.turn() | {"start": start, "turn": turn}
                    yield found
                    if "missing" in found:
                        runners.remove(runner)
                    else:
                        least[runner.contender] = min(least.get(runner.contender, inf), found["step_ms"])
                if (start, turn) == (0, TRIED - 1):
                    runners = [runner for runner in runners if has_a_chance(runner.contender, least)]
            racing = [runner.contender for runner in runners]


def has_a_chance(contender: Contender, least: dict[Contender, float]) -> bool:
    """Whether it came near the quickest of its group, or takes all turns."""
    if contender.group == ENGINE or contender.name == EAGER:
        return True
    quickest = min(step for other, step in least.items() if other.group == contender.group)
    return least[contender] <= SLOWER * quickest
