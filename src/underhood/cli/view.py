"""`underhood view`: all runs in the browser, and live what is running."""

import os
import sys
from typing import Annotated

from cyclopts import Parameter

from underhood.cli.output import Runs, say
from underhood.errors import missing_extra


def view(
    run: Annotated[str, Parameter(help="A run to begin with; by default the list of all.")] = "",
    /,
    *,
    runs: Runs = None,
    host: Annotated[
        str, Parameter(name="--host", help="Address to listen at; any but this machine's own lets others look.")
    ] = "127.0.0.1",
    port: Annotated[int, Parameter(name="--port", show_default=False, help="Port; by default any that is free.")] = 0,
    no_open: Annotated[
        bool, Parameter(name="--no-open", negative="", show_default=False, help="Print the address, open no browser.")
    ] = False,
) -> None:
    """Look at all runs in the browser, and live at what is running.

    Prints the address of the page, with a token without which nothing is
    answered, and opens it. Progress, curves, events and log are a second old at
    most, of any run in the folder, whoever started it. Ctrl-C ends it. For
    example:

        underhood view
        underhood view quickstart-quick
        underhood view --runs /data/runs --port 8600 --no-open

    It needs the extra "view": pip install 'underhood[view]'.
    """
    from underhood.lab.store import no_run, runs_folder

    check_extra()
    from underhood.report.live.server import LiveServer

    folder = runs_folder(runs)
    if run and not (folder / run / "run.json").is_file():
        raise no_run(run, folder)
    server = LiveServer(folder, host, port, run)
    print(server.url, flush=True)
    if host not in ("127.0.0.1", "localhost", "::1"):
        say("Whoever has this address and reaches this machine can read the runs; what is sent is not encrypted.")
    if not no_open:
        open_page(server.url)
    say("Ctrl-C ends it.")
    server.serve()


def check_extra() -> None:
    """MissingPiece with the line to type where Starlette or uvicorn is not installed."""
    from importlib.util import find_spec

    if any(find_spec(module) is None for module in ("starlette", "uvicorn")):
        raise missing_extra("starlette", "The live page")


def open_page(url: str) -> None:
    """Open a browser, where there is a person at a screen."""
    import webbrowser

    screen = sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if screen and sys.stderr.isatty():
        webbrowser.open(url)
