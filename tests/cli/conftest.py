"""A study of a user's own, small enough to run in a second, and a way to call the commands."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.in_process import trials_in_process
from underhood.cli import main

STUDY = '''
"""Which step size brings x² down fastest?"""

from pydantic import Field

from underhood.lab.study import Scale, Study
from underhood.report.document import Document, Section
from underhood.settings import Settings
from underhood.tables import Column, Table
from underhood.trials import Metric, Result


class Descent(Settings):
    lr: float = Field(0.1, description="step size")
    start: float = 1.0
    steps: int = 5
    breaks: bool = Field(False, description="fail at the first step")


def descend(settings, seed, context):
    x = settings.start + seed
    for step in range(settings.steps):
        if settings.breaks and seed == 1:
            raise ArithmeticError("it was told to break")
        x -= settings.lr * 2 * x
        yield Metric(step + 1, {"loss": x * x})
    yield Result({"loss": x * x})


def report(results):
    rows = [{"lr": group.settings["lr"], "loss": group.summary("loss")} for group in results.groups]
    table = Table("Descent", [Column("lr", "Step size"), Column("loss", "Loss")], rows, name="descent")
    best = results.best("loss")
    return Document("Descent", "Which step size?", f"**{best.label}** is best.", [Section("Numbers", [table])])


study = Study(
    name="descent",
    title="Gradient descent on a parabola",
    question="Which step size brings x² down fastest?",
    theme="tests",
    source="Cauchy 1847",
    settings=Descent,
    trial=descend,
    axes={"lr": [0.1, 0.4]},
    scales={
        "smoke": Scale("5 steps", seeds=1, time="a second"),
        "quick": Scale("10 steps", seeds=2, set={"steps": 10}, time="two seconds"),
    },
    report=report,
)
'''


@pytest.fixture(autouse=True)
def _trials_in_process(request: pytest.FixtureRequest) -> Iterator[None]:
    """Trials run in this process, but for tests marked `processes`."""
    if request.node.get_closest_marker("processes"):
        yield
        return
    with trials_in_process():
        yield


@pytest.fixture
def study(tmp_path: Path) -> str:
    """The path of a file with a study."""
    file = tmp_path / "descent.py"
    file.write_text(STUDY)
    return str(file)


@dataclass
class Said:
    """What a command printed, and its exit code."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def underhood(capfd: pytest.CaptureFixture[str], runs: Path) -> Callable[..., Said]:
    """Call a command as the shell would, with its runs in a folder of the test's own."""

    def call(*words: str) -> Said:
        capfd.readouterr()
        status = main(words)
        return Said(status, *capfd.readouterr())

    return call
