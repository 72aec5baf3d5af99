"""`underhood runs`: what is kept of the studies that ran, listed, looked at, taken elsewhere, removed."""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from underhood.cli.output import Json, Runs, can_ask, confirmed, print_json, print_table, say
from underhood.errors import BadInput

if TYPE_CHECKING:
    from underhood.tables import Column

runs = App(
    name="runs",
    help="""\
List the runs that are kept, look at their trials, take them elsewhere, remove them.

For example:

    underhood runs ls
    underhood runs show quickstart-quick --sort test_error
    underhood runs export quickstart-quick --format csv --of metrics
    underhood runs rm quickstart-smoke

They are in ./runs, or in the folder that UNDERHOOD_RUNS names.""",
)

Where = Annotated[
    list[str] | None,
    Parameter(
        name="--where",
        negative="",
        show_default=False,
        help="Only those of which this holds, as state=failed, 'lr < 0.1' or 'label ~ adam'; again for each.",
    ),
]
Sort = Annotated[str | None, Parameter(name="--sort", show_default=False, help="Sort by this, smallest first.")]
Reverse = Annotated[bool, Parameter(name="--reverse", negative="", show_default=False, help="The other way round.")]
Name = Annotated[str, Parameter(name="RUN", help="A run's name, or its folder.")]

WIDEST = 9  # columns of numbers that a table has room for


@runs.command
def ls(
    *, where: Where = None, sort: Sort = None, reverse: Reverse = False, folder: Runs = None, json: Json = False
) -> None:
    """List the runs, with how far each one is.

    For example:

        underhood runs ls
        underhood runs ls --where state=failed --sort began --reverse
    """
    from underhood.lab.index import run_rows
    from underhood.lab.query import selected
    from underhood.lab.store import runs_folder
    from underhood.tables import Column, Table

    home = runs_folder(folder)
    rows = selected(run_rows(home), where or (), sort, reverse)
    if json:
        return print_json("runs", folder=str(home), runs=_plain(rows))
    if not rows:
        say(f"{home}: no runs" + (" of which that holds" if where else " yet; `underhood run quickstart` makes one"))
        return None
    columns = [
        Column("run", "Run", align="left"),
        Column("study", "Study", align="left"),
        Column("scale", "Scale", align="left"),
        Column("state", "State", align="left"),
        Column("trials", "Trials"),
        Column("finished", "Finished"),
        Column("failed", "Failed"),
        Column("seconds", "Computing time", "s"),
        Column("began", "Begun", align="left"),
    ]
    names = [column.name for column in columns]
    print_table(Table(str(home), columns, [{name: row[name] for name in names} for row in rows], name="runs"))
    return None


@runs.command(name="show")
def show_trials(
    run: Name,
    /,
    *,
    where: Where = None,
    sort: Sort = None,
    reverse: Reverse = False,
    columns: Annotated[
        str | None,
        Parameter(name="--columns", show_default=False, help="Which columns, as label,seed,test_error; or all."),
    ] = None,
    folder: Runs = None,
    json: Json = False,
) -> None:
    """List a run's trials: where they stand, what varies, what they found.

    For example:

        underhood runs show quickstart-quick
        underhood runs show quickstart-quick --where "test_error < 0.1" --sort test_error
        underhood runs show quickstart-quick --columns label,seed,best_epoch
    """
    from underhood.lab.index import trial_rows
    from underhood.lab.query import key_named, selected
    from underhood.lab.store import run_path, runs_folder
    from underhood.tables import Table

    path = run_path(run, folder)
    every = [_row(row) for row in trial_rows(path, runs_folder(folder))]
    rows = selected(every, where or (), sort, reverse)
    if json:
        return print_json("trials", run=path.name, path=str(path), trials=_plain(rows))
    known = list(dict.fromkeys(key for row in every for key in row))
    if columns and columns != "all":
        names = [key_named(word.strip(), known, "--columns") for word in columns.split(",")]
    else:
        names = known if columns else _telling(rows, known)
    left_out = len(known) - len(names)
    foot = [f"{left_out} more columns: --columns all, or --json."] if left_out and not columns else []
    cells = [{name: _short(row.get(name)) for name in names} for row in rows]
    title = f"{path.name}: {len(rows)} of {len(every)} trials" if where else f"{path.name}: {len(every)} trials"
    print_table(Table(title, [_column(name, cells) for name in names], cells, foot, name="trials"))
    return None


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """A trial flat, its columns called as frames.py calls them."""
    from underhood.lab.frames import ABOUT

    about = row | {"computed_seconds": row["seconds"], "reason": row["reason"] or None}
    result, settings = row["result"], row["settings"]
    flat = {key: about[key] for key in ABOUT}
    taken = {*ABOUT, *result}
    flat |= {f"settings.{key}" if key in taken else key: value for key, value in settings.items()}
    return flat | {f"result.{name}" if name in flat else name: value for name, value in result.items()}


def _telling(rows: list[dict[str, Any]], known: list[str]) -> list[str]:
    """The columns to show where none were asked for: which trial, where it stands, and the first numbers it found."""
    from underhood.lab.frames import ABOUT

    reasons = any(row.get("reason") for row in rows)
    about = [key for key in ABOUT if key != "reason" or reasons]
    numbers = [key for key in known if key not in ABOUT and any(type(row.get(key)) in (int, float) for row in rows)]
    return about + numbers[:WIDEST]


def _short(value: Any) -> Any:
    """A cell: lists and tables as they are written, cut where they are long."""
    from underhood.values import write_value

    if isinstance(value, list | dict):
        value = write_value(value)
    return f"{value[:57]}…" if isinstance(value, str) and len(value) > 60 else value


def _column(name: str, rows: list[dict[str, Any]]) -> "Column":
    from underhood.tables import Column

    text = any(isinstance(row[name], str) for row in rows)
    return Column(name, name, align="left" if text else "right")


def _plain(rows: list[dict[str, Any]]) -> Any:
    from underhood.lab.files import plain

    return plain(rows)


@runs.command
def rm(
    *names: Annotated[str, Parameter(name="RUN", help="A run's name, or its folder.")],
    yes: Annotated[bool, Parameter(name="--yes", negative="", show_default=False, help="Don't ask.")] = False,
    folder: Runs = None,
    json: Json = False,
) -> None:
    """Remove runs: all their trials, checkpoints, networks and reports.

    Asks first; --yes doesn't. A run that is being worked on is refused.
    Nothing is removed where one of several can't be. For example:

        underhood runs rm quickstart-smoke
        underhood runs rm quickstart-smoke mnist-mlp-smoke --yes
    """
    from underhood.lab.store import RunFolder, run_path

    if not names:
        raise BadInput("RUN: a value is missing; `underhood runs ls` lists them")
    paths = list(dict.fromkeys(run_path(name, folder) for name in names))
    for path in paths:
        if path.is_symlink():
            raise BadInput(f"{path}: a link; remove it, or the folder that it leads to")
        if RunFolder(path).is_locked():
            raise BadInput(f"{path}: a process is working on this run; stop it first")
    if not yes:
        _confirm(paths)
    for path in paths:
        (path / "run.json").unlink()  # first: what is left by an end in between is no run any more
        shutil.rmtree(path)
        if not json:
            say(f"removed: {path}")
    if json:
        print_json("removed", removed=[str(path) for path in paths])


def _confirm(paths: list[Path]) -> None:
    listed = ", ".join(map(str, paths))
    if not can_ask():
        raise BadInput(f"{listed}: nothing was removed; --yes removes without asking")
    if not confirmed(f"Remove {listed}, with all that is in them?"):
        raise BadInput("nothing was removed")


@runs.command
def export(
    run: Name,
    /,
    *,
    format: Annotated[
        Literal["csv", "jsonl", "parquet", "tensorboard"],
        Parameter(
            name="--format", help="csv, jsonl (JSON lines), parquet (needs pyarrow) or tensorboard (event files)."
        ),
    ] = "csv",
    of: Annotated[
        Literal["trials", "metrics"],
        Parameter(name="--of", help="A row a trial, with its result, or a row a measurement."),
    ] = "trials",
    out: Annotated[
        Path | None,
        Parameter(name="--out", show_default=False, help="File to write, a folder for tensorboard; by default stdout."),
    ] = None,
    folder: Runs = None,
) -> None:
    """Write a run's trials or metrics for another program.

    For example:

        underhood runs export quickstart-quick > trials.csv
        underhood runs export quickstart-quick --format parquet --of metrics --out metrics.parquet
        underhood runs export quickstart-quick --format tensorboard --out events
    """
    from underhood.lab.exports import TEXTS
    from underhood.lab.exports import export as write
    from underhood.lab.results import open_run

    if out is None and format not in TEXTS:
        raise BadInput(f"--format {format}: is no text for a pipe; name a file or folder with --out")
    write(open_run(run, folder), format, of, sys.stdout if out is None else out)
    if out is not None:
        say(f"written: {out}")
