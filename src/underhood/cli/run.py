"""`underhood run`: a study from its question to its report."""

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Group, Parameter

from underhood.cli.output import Json, can_ask, confirmed, print_json, say, whole
from underhood.errors import BadInput

if TYPE_CHECKING:
    from underhood.lab import Run
    from underhood.report.document import Document

WHAT = Group("What is run: all that may change a number", sort_key=1)
HOW = Group("How it is run: nothing here changes a number", sort_key=2)


def _option(name: str, help: str, group: Group, *more: str, converter: Any = None) -> Parameter:
    return Parameter(name=(name, *more), help=help, group=group, negative="", show_default=False, converter=converter)


def run(
    study: Annotated[str, Parameter(help="A study's name, a Python file with a study of your own, or all.")],
    /,
    *,
    scale: Annotated[
        str, Parameter(help="smoke (seconds), quick (minutes) or full (the whole protocol).", group=WHAT)
    ] = "quick",
    set: Annotated[
        list[str] | None,
        _option("--set", "Change a setting, as optimizer.lr=0.1; again for each. `underhood show` lists them.", WHAT),
    ] = None,
    grid: Annotated[
        list[str] | None,
        _option("--grid", "Compare several values of a setting, as optimizer.lr=0.1,0.01; again for each.", WHAT),
    ] = None,
    settings: Annotated[Path | None, _option("--settings", "Take settings from a TOML file.", WHAT)] = None,
    seeds: Annotated[int | None, _option("--seeds", "How many seeds each setting gets.", WHAT, converter=whole)] = None,
    backend: Annotated[
        Literal["underhood", "torch"] | None,
        _option("--backend", "Compute on our engine or on PyTorch; short for --set backend=….", WHAT),
    ] = None,
    devices: Annotated[
        int | None,
        _option("--devices", "Workers that train each trial together, on PyTorch; short for --set devices=….", WHAT),
    ] = None,
    tune: Annotated[
        bool, _option("--tune", "Time PyTorch's options on this machine first, and take the quickest.", WHAT)
    ] = False,
    fit: Annotated[
        str | None, _option("--fit", "Change the training by as little as fits into so much memory, as 1GB.", WHAT)
    ] = None,
    parallel: Annotated[
        int | None,
        _option(
            "--parallel",
            "Trials at once; by default as cores and memory bear, or one if timed.",
            HOW,
            "-j",
            converter=whole,
        ),
    ] = None,
    on: Annotated[
        Literal["local", "ray"],
        _option("--on", "Where: local, processes of this machine, or ray, the cluster of RAY_ADDRESS.", HOW),
    ] = "local",
    name: Annotated[str | None, _option("--name", "The run's name; by default STUDY-SCALE.", HOW)] = None,
    runs: Annotated[Path | None, _option("--runs", "Folder of the runs; by default ./runs.", HOW)] = None,
    data: Annotated[Path | None, _option("--data", "Folder of the data sets, instead of UNDERHOOD_DATA.", HOW)] = None,
    checkpoint_every: Annotated[
        str, _option("--checkpoint-every", "How often a trial writes a checkpoint: 30s, 2m; by default 1m.", HOW)
    ] = "1m",
    when_full: Annotated[
        Literal["go-on", "stop"],
        _option("--when-full", "No room for a checkpoint: go on without (the default), or stop.", HOW),
    ] = "go-on",
    retry: Annotated[int, _option("--retry", "How often to try a failed trial again.", HOW, converter=whole)] = 0,
    memory_limit: Annotated[
        str | None,
        _option("--memory-limit", "Hold each trial's process to so much memory, as 1GB; refuse what can't work.", HOW),
    ] = None,
    stop_when: Annotated[
        str | None,
        _option("--stop-when", 'Stop, with checkpoints, once a trial measures so: "validation_error < 0.1".', HOW),
    ] = None,
    hosts: Annotated[
        str | None,
        _option(
            "--hosts", "Spread the workers over machines, as here,there or NAME=ADDRESS,…; the first is this.", HOW
        ),
    ] = None,
    via: Annotated[str | None, _option("--via", 'How a host is reached; by default "ssh {host}".', HOW)] = None,
    keep: Annotated[bool, _option("--keep", "Keep results that older code gave, and say so.", HOW)] = False,
    rerun: Annotated[bool, _option("--rerun", "Run again what older code gave.", HOW)] = False,
    export: Annotated[
        Path | None,
        _option("--export", "Folder for the hand-in of the course: script, model, report; of two studies alone.", HOW),
    ] = None,
    view: Annotated[
        bool, _option("--view", "Open a page in the browser that shows the run while it runs (extra: view).", HOW)
    ] = False,
    dry_run: Annotated[
        bool, _option("--dry-run", "List the trials and how long each will take; run none.", HOW)
    ] = False,
    json: Json = False,
) -> int:
    """Run a study, from its question to its report.

    The trials run first, then the report with the answer, tables and figures
    is written. What is finished isn't run again: the same command goes on
    where it was interrupted, and more seeds or a larger grid run only what is
    new. Ctrl-C stops at the next step. For example:

        underhood run quickstart
        underhood run mnist-mlp --scale smoke --set optimizer.lr=0.05 --seeds 5
        underhood run mnist-mlp --grid optimizer.name=sgd,adam --backend torch
        underhood run resnet20 --backend torch --devices 2
        underhood run my_study.py --dry-run
        underhood run mnist-mlp --set network=template --export p1
        underhood run all --scale quick

    `all` runs every study in turn, and ends with a page that leads to their
    reports; one that fails stops none. A second command of a run that is under
    way watches it, and ends as it does. The exit code is 0, 1 when some trials
    failed, 2 for bad input, 3 when this machine lacks something, 130, 143 or
    129 when the run was interrupted.
    """
    if keep and rerun:
        raise BadInput("--keep and --rerun: choose one")
    if tune and dry_run:
        raise BadInput("--tune and --dry-run: what the trials are is known after timing alone; leave one out")
    sets = [*(set or ()), *([f"backend={backend}"] if backend else ())]
    sets += [] if devices is None else [f"devices={devices}"]
    what: dict[str, Any] = {"set": sets, "grid": grid or (), "settings": settings, "seeds": seeds, "data": data}
    if fit and dry_run:
        raise BadInput("--fit and --dry-run: what the trials are is known after predicting alone; leave one out")
    how: dict[str, Any] = {
        "parallel": parallel,
        "runs": runs,
        "checkpoint_every": checkpoint_every,
        "when_full": when_full,
        "retry": retry,
    }
    if study == "all":
        asked: dict[str, Any] = {"--tune": tune, "--fit": fit, "--name": name, "--export": export, "--dry-run": dry_run}
        asked |= {"--set": set, "--backend": backend, "--devices": devices is not None, "--grid": grid}
        asked |= {"--settings": settings, "--seeds": seeds is not None, "--memory-limit": memory_limit}
        asked |= {"--on": on != "local", "--stop-when": stop_when, "--view": view, "--hosts": hosts, "--via": via}
        _check_all(scale, [option for option, value in asked.items() if value])
        return _all(scale, how | {"data": data, "changed": "rerun" if rerun else "keep"}, json)
    if export is not None:
        _check_export(study, scale, what, export)
    if dry_run:
        from underhood.cli.dry_run import dry_run as listed

        listed(study, scale, what, name, runs, parallel, json)
        return 0
    from underhood.report.progress import Progress
    from underhood.service.running import run as run_it

    page: AbstractContextManager[Any] = _page(study, scale, name, runs) if view else nullcontext()
    with page, Progress() as progress:
        done = run_it(
            study,
            scale,
            **what,
            **how,
            tune=tune,
            fit=fit,
            on=on,
            name=name,
            memory_limit=memory_limit,
            stop_when=stop_when,
            hosts=[] if hosts is None else hosts.split(","),
            via=via,
            changed="keep" if keep else "rerun" if rerun else "ask",
            ask=confirmed if can_ask() else None,
            listener=progress,
        )
    _report(done, json)
    if export is not None:
        _export(done, export)
    return done.exit_code


def _check_all(scale: str, asked: list[str]) -> None:
    """Refuse what is one study's own, and a scale that a study lacks, before anything starts."""
    from underhood.studies import every

    if asked:
        raise BadInput(f"{', '.join(asked)}: {'is' if len(asked) == 1 else 'are'} one study's; `all` has none of it")
    for each in every():
        each.scale(scale)


def _all(scale: str, how: dict[str, Any], as_json: bool) -> int:
    """Every study, a line each; what is under way is shown on a terminal alone."""
    from underhood.service.everything import run_all

    over = "\r\033[K" if sys.stderr.isatty() else ""  # a terminal's line is written over

    def show(text: str) -> None:
        if over:
            print(f"{over}{text}", end="", file=sys.stderr, flush=True)

    code, page = run_all(scale, say=lambda text: say(over + text), show=show, **how)
    if as_json:
        print_json("run-all", scale=scale, exit_code=code, page=str(page))
    else:
        print(page)
    return code


def _page(study: str, scale: str, name: str | None, runs: Path | None) -> AbstractContextManager[Any]:
    """The live page of the run, served as long as it is entered."""
    from underhood.cli.view import check_extra, open_page
    from underhood.lab.store import runs_folder
    from underhood.studies import find

    check_extra()
    from underhood.report.live.server import LiveServer

    server = LiveServer(runs_folder(runs), run=name or f"{find(study).name}-{scale}")
    say(f"live: {server.url}")
    open_page(server.url)
    return server


def _check_export(study: str, scale: str, what: dict[str, Any], folder: Path) -> None:
    """Refuse beforehand what could not be exported in the end."""
    from underhood.handin import check
    from underhood.lab.study import settings_of
    from underhood.studies import find

    found = find(study)
    settings = settings_of(found, found.scale(scale), what["set"], what["settings"], what["grid"])
    check(found, scale, [each.model_dump(mode="json") for each in settings], folder)


def _export(run: "Run", folder: Path) -> None:
    from underhood.handin import hand_in

    if run.exit_code:
        say(f"nothing was exported to {folder}: the run isn't finished")
        return
    for file in hand_in(run, folder):
        say(f"written: {file}")


def _report(run: "Run", as_json: bool) -> None:
    """What came out: the tables and the answer on stdout, where the report is on stderr."""
    from underhood.report.terminal import print_report
    from underhood.service.reporting import can_be_reported, document_of, facts_of

    document = document_of(run) if can_be_reported(run) else None
    if as_json:
        print_json("run", **_summary(run, document))
    elif document:
        print_report(document, facts_of(run), sys.stdout)
    if document:
        say(f"\nreport: {run.path / 'report.html'}")


def _summary(run: "Run", document: "Document | None") -> dict[str, Any]:
    blocks = [block for section in document.sections for block in section.blocks] if document else []
    return {
        "study": run.study,
        "scale": run.scale,
        "path": str(run.path),
        "command": run.command,
        "exit_code": run.exit_code,
        "trials": [
            {"id": trial.id, "seed": trial.seed, "state": trial.state, "reason": trial.reason, "result": trial.result}
            for trial in run.trials
        ],
        "report": str(run.path / "report.html") if document else None,
        "answer": document.answer if document else None,
        "tables": [block.to_json() for block in blocks if hasattr(block, "to_json")],
        "warnings": run.warnings,
    }
