"""`underhood sync`: a run's trials to an MLflow server."""

import os
from typing import Annotated

from cyclopts import Parameter

from underhood.cli.output import Json, Runs, print_json, say
from underhood.errors import BadInput


def sync(
    run: Annotated[str, Parameter(help="A run's name, or its folder.")],
    /,
    *,
    to: Annotated[
        str | None,
        Parameter(name="--to", show_default=False, help="The server, as http://HOST:PORT; else MLFLOW_TRACKING_URI."),
    ] = None,
    experiment: Annotated[
        str | None,
        Parameter(name="--experiment", show_default=False, help="Its experiment; by default called as the study."),
    ] = None,
    folder: Runs = None,
    json: Json = False,
) -> None:
    """Copy a run's trials to an MLflow server: settings, metrics, results.

    Each trial once: the same command again sends what is new, and goes on
    where it was cut short. For example:

        underhood sync quickstart-quick --to http://localhost:5000
    """
    from underhood.lab.exports.mlflow import sync as send
    from underhood.lab.results import open_run

    server = to or os.environ.get("MLFLOW_TRACKING_URI")
    if not server:
        raise BadInput("--to: a value is missing: the server's address, as http://localhost:5000")
    found = open_run(run, folder)
    counts = send(found, server, experiment, say)
    if json:
        print_json("sync", run=found.name, server=server, experiment=experiment or found.study, trials=counts)
    else:
        print(", ".join(f"{count} {what}" for what, count in counts.items() if count) or "no trials")
