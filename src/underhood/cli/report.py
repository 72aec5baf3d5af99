"""`underhood report`: write a run's report again, also as Markdown or PDF."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from underhood.cli.output import Json, Runs, print_json
from underhood.errors import BadInput

if TYPE_CHECKING:
    from underhood.lab.results import Run


def report(
    run: Annotated[str, Parameter(help="A run's name, or its folder; by default the latest run.")] = "",
    /,
    *,
    format: Annotated[
        list[str] | None,
        Parameter(
            name="--format",
            negative="",
            show_default=False,
            help="html, md or pdf; again for each. By default html and md.",
        ),
    ] = None,
    out: Annotated[
        Path | None, Parameter(name="--out", show_default=False, help="Folder to write to; by default the run's own.")
    ] = None,
    export: Annotated[
        Path | None,
        Parameter(
            name="--export",
            show_default=False,
            help="Write the hand-in of the course there instead: script, model, report; of two studies alone.",
        ),
    ] = None,
    results: Annotated[
        Path | None,
        Parameter(
            name="--results",
            show_default=False,
            help="Write a short page there instead, and the run's numbers into that folder's list, README.md.",
        ),
    ] = None,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Write a run's report again, in any format.

    A run writes its report when it ends; this is for another format, another
    place, or a run that was interrupted. Prints the files. For example:

        underhood report
        underhood report mnist-mlp-quick --format pdf --out handed-in
        underhood report mnist-mlp-quick --export p1
        underhood report mnist-mlp-quick --results docs/results
    """
    from underhood.lab.results import open_run
    from underhood.service.reporting import write_report, write_result

    if export is not None and (format or out or results):
        raise BadInput("--export writes a hand-in, not a report alone: leave --format, --out and --results out")
    if results is not None and (format or out):
        raise BadInput("--results writes a short page, not a report: leave --format and --out out")
    found = open_run(run, runs) if run else _latest(runs)
    if export is not None:
        from underhood.handin import hand_in

        files = hand_in(found, export)
    elif results is not None:
        files = write_result(found, results)
    else:
        files = write_report(found, format or ("html", "md"), folder=out)
    if json:
        print_json("report", run=found.name, files=[str(file) for file in files])
    else:
        print(*files, sep="\n")


def _latest(runs: Path | None) -> "Run":
    """The run that was begun last."""
    from underhood.lab.results import list_runs
    from underhood.lab.store import runs_folder

    known = list_runs(runs)
    if not known:
        raise BadInput(f"{runs_folder(runs)}: holds no runs yet; `underhood run quickstart` makes one")
    return max(known, key=lambda run: str(run.facts["began"]))
