"""`underhood`: the table of commands, and what becomes of an error."""

import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from cyclopts import App, CycloptsError, Group

import underhood
from underhood.cli.check import check
from underhood.cli.compare import compare
from underhood.cli.cost import cost
from underhood.cli.data import data
from underhood.cli.doctor import doctor
from underhood.cli.evaluate import evaluate
from underhood.cli.memory import memory
from underhood.cli.mistakes import explain
from underhood.cli.new import new
from underhood.cli.predict import predict
from underhood.cli.profile import profile
from underhood.cli.report import report
from underhood.cli.run import run
from underhood.cli.runs import runs
from underhood.cli.scaling import scaling
from underhood.cli.studies import show, studies
from underhood.cli.sync import sync
from underhood.cli.trace import trace
from underhood.cli.view import view
from underhood.errors import EXTRAS, MissingPiece, UnderhoodError, disk_error, missing_extra

DESCRIPTION = """\
Deep learning with the lid off: networks you can read, measure and trust.

To begin with:

    underhood run quickstart    train three optimisers on real scans of digits
    underhood studies           what else there is to find out
    underhood doctor            is everything in place on this machine?
"""

EPILOGUE = """\
Every command has --help with examples; --debug shows an error's traceback."""

STUDIES = Group("Studies", sort_key=0)
INSTRUMENTS = Group("Instruments", sort_key=1)
HOUSE = Group("Data and machine", sort_key=2)
HELP = Group("Help", sort_key=3)

# The modules of the commands import nothing heavy at their top: all of them are loaded to list the commands.
COMMANDS: dict[Group, tuple[Any, ...]] = {
    STUDIES: (run, studies, show, report, compare, view, runs, sync, predict, evaluate, new),
    INSTRUMENTS: (cost, check, profile, memory, scaling, trace),
    HOUSE: (data, doctor),
}


def make_app() -> App:
    app = App(
        name="underhood",
        help=DESCRIPTION,
        help_epilogue=EPILOGUE,
        help_format="plaintext",
        version=underhood.__version__,
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
    )
    for group, commands in COMMANDS.items():
        for index, command in enumerate(commands):
            if isinstance(command, App):
                command.group, command.sort_key = group, index
                app.command(command)
            else:
                app.command(command, group=group, sort_key=index)
    for flag in ("--help", "--version"):
        app[flag].group = HELP
    return app


def main(words: Sequence[str] | None = None) -> int:
    """Run the command that `words` (by default the command line) ask for; its exit code."""
    words = list(sys.argv[1:] if words is None else words)
    debug = "--debug" in words
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a "–" must not end a run on an ASCII terminal
    try:
        status = make_app()([word for word in words if word != "--debug"])
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except BrokenPipeError:  # `underhood studies | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if debug:
            raise
        message, status = _message(error)
        print(message, file=sys.stderr)
        return status


def _message(error: Exception) -> tuple[str, int]:
    """What to tell the user about an error, and the exit code."""
    if isinstance(error, UnderhoodError):
        return str(error), error.exit_code
    if isinstance(error, ModuleNotFoundError) and (module := (error.name or "").partition(".")[0]) in EXTRAS:
        return str(missing_extra(module)), MissingPiece.exit_code
    if isinstance(error, OSError) and (said := disk_error(error)):
        return str(said), said.exit_code
    if isinstance(error, CycloptsError):
        return explain(error), 2
    where = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{where.filename}:{where.lineno}: {type(error).__name__}: {error}"
    return f"underhood broke down. {what}\n--debug shows the traceback.", 1
