"""Running a study and writing its report: what `underhood run` and `underhood.run` both call."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from underhood.errors import BadInput
from underhood.lab.coordinator import run_study
from underhood.lab.executors import executor_of
from underhood.lab.how import How
from underhood.lab.results import Run
from underhood.lab.run_events import Listener, nobody
from underhood.lab.stopping import StopWhen
from underhood.lab.study import Given, Study
from underhood.lab.worker import WhenFull
from underhood.service.reporting import can_be_reported, document_of, write_report
from underhood.sizes import parse_size
from underhood.studies import find
from underhood.values import seconds_of


def run(
    study: str | Path | Study,
    scale: str = "quick",
    *,
    set: Given = (),
    grid: Given = (),
    settings: Path | None = None,
    seeds: int | None = None,
    tune: bool = False,
    fit: int | str | None = None,
    parallel: int | None = None,
    on: str = "local",
    name: str | None = None,
    runs: Path | None = None,
    data: Path | None = None,
    checkpoint_every: float | str = 60.0,
    when_full: WhenFull = "go-on",
    retry: int = 0,
    memory_limit: int | str | None = None,
    stop_when: str | None = None,
    hosts: Sequence[str] = (),
    via: str | None = None,
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
    `parallel` trials run at once, by default as many as cores and memory bear, or one where times are compared; in
    processes of this machine or, with `on="ray"`, on the cluster that RAY_ADDRESS names. The run stops when a trial
    measures what `stop_when` says, as "validation_error < 0.1". `changed` says what becomes of results that other code
    gave: "ask" puts the question to `ask`. A trial writes a checkpoint every `checkpoint_every` seconds ("30s", "2m");
    where there is no room for one it goes on without, or stops: `when_full`. Each trial's process is held to
    `memory_limit` ("1GB", or bytes), and `fit` changes its training by as little as fits that much.
    The workers of a trial with several `devices` are spread over `hosts`, "NAME" or "NAME=ADDRESS", the first of which
    is this machine; the others are reached by `via`, "ssh {host}" unless it is given.
    The run is kept as `name`, by default `<study>-<scale>`; the same call again continues it.

    Raises BadInput before anything starts. A trial that fails is a state of the run: see `run.exit_code`.
    """
    if hosts and on != "local":
        raise BadInput(f"--hosts and --on {on}: Ray places trials itself, each on one machine; choose one")
    found = study if isinstance(study, Study) else find(str(study))
    how = How(
        parallel=parallel,
        runs=runs,
        name=name,
        data=data,
        listener=listener,
        checkpoint_every=seconds_of(checkpoint_every, "--checkpoint-every"),
        when_full=when_full,
        retry=retry,
        memory_limit=None if memory_limit is None else parse_size(memory_limit),
        stop_when=None if stop_when is None else StopWhen.read(stop_when),
        changed=changed,
        ask=ask,
        hosts=tuple(hosts),
        via=via,
        **({} if on == "local" else {"executor": executor_of(on)}),
    )
    done = run_study(
        found, scale, set, seeds, how, file=settings, grid=grid, tune=tune, fit=None if fit is None else parse_size(fit)
    )
    if can_be_reported(done):
        write_report(done, document=document_of(done, found), study=found)
    return done
