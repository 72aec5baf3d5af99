"""Running a study and writing its report: what `underhood run` and `underhood.run` both call."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from underhood.lab.coordinator import How, run_study
from underhood.lab.machine import usable_cores
from underhood.lab.results import Run
from underhood.lab.run_events import Listener, nobody
from underhood.lab.study import Study, plan
from underhood.lab.trial import TrialSpec
from underhood.service.reporting import can_be_reported, document_of, write_report
from underhood.studies import find

Words = Mapping[str, Any] | Sequence[str]


def run(
    study: str | Path | Study,
    scale: str = "quick",
    *,
    set: Words = (),
    grid: Words = (),
    settings: Path | None = None,
    seeds: int | None = None,
    tune: bool = False,
    parallel: int | None = None,
    name: str | None = None,
    runs: Path | None = None,
    data: Path | None = None,
    retry: int = 0,
    changed: Literal["ask", "keep", "rerun"] = "keep",
    ask: Callable[[str], bool] | None = None,
    listener: Listener = nobody,
) -> Run:
    """Run a study's trials that have no result yet, write its report beside them, and open the run.

        run = underhood.run("mnist-mlp", "smoke", set={"optimizer.lr": 0.1}, seeds=3)
        run.results.best("test_error").label
        run.path / "report.html"

    `study` is a name, a Python file that holds a study, or a Study. `set` changes settings and `grid` makes axes,
    as mappings or as the words of the command line ("optimizer.lr=0.1", "optimizer.name=sgd,adam"); `settings` is
    a TOML file. `tune` tries before the start what PyTorch computes the trials quickest with here, and sets that.
    `parallel` trials run at once, by default as many as the cores bear. `changed` says what becomes of results
    that other code gave: "ask" puts the question to `ask`. The run is kept as `name`, by default `<study>-<scale>`;
    the same call again continues it.

    Raises BadInput before anything starts. A trial that fails is a state of the run, told by `run.exit_code`.
    """
    found = study if isinstance(study, Study) else find(str(study))
    sets, axes = as_words(set), as_axes(grid)
    how = How(
        parallel=parallel or fitting(plan(found, scale, sets, seeds, settings, grid=axes, data=data)),
        runs=runs,
        name=name,
        data=data,
        listener=listener,
        retry=retry,
        changed=changed,
        ask=ask,
    )
    done = run_study(found, scale, sets, seeds, how, file=settings, grid=axes, tune=tune)
    if can_be_reported(done):
        write_report(done, document=document_of(done, found), study=found)
    return done


def as_words(settings: Words) -> list[str]:
    """Settings as on the command line: {"optimizer.lr": 0.1} becomes ["optimizer.lr=0.1"]."""
    if not isinstance(settings, Mapping):
        return list(settings)
    return [f"{key}={_as_word(value)}" for key, value in settings.items()]


def as_axes(grid: Words) -> list[str]:
    """Axes as on the command line: {"optimizer.name": ["sgd", "adam"]} becomes ['optimizer.name="sgd","adam"']."""
    if not isinstance(grid, Mapping):
        return list(grid)
    return [f"{key}={','.join(map(_as_word, values))}" for key, values in grid.items()]


def _as_word(value: Any) -> str:
    """A value as TOML, of which JSON's numbers, texts, truth values and lists are a part."""
    return "none" if value is None else json.dumps(value)


def fitting(specs: Sequence[TrialSpec]) -> int:
    """How many of these trials the cores bear at once, each with its own threads."""
    return max(1, min(len(specs), usable_cores() // max(spec.threads for spec in specs)))
