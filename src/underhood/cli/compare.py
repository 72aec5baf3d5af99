"""`underhood compare`: is B better than A, by how much, and is that more than luck?"""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from underhood.cli.output import Json, Runs, print_json, say
from underhood.errors import BadInput


def compare(
    a: Annotated[str, Parameter(help="A run, RUN:SETTING (words of its label, or optimizer.lr=0.1) or RUN:TRIAL-ID.")],
    b: Annotated[str, Parameter(help="What to hold against it; :SETTING is of the same run.")],
    /,
    *,
    metric: Annotated[
        str | None,
        Parameter(name="--metric", show_default=False, help="The number to compare; by default the test error or so."),
    ] = None,
    html: Annotated[
        Path | None, Parameter(name="--html", show_default=False, help="Write the report, with its curves, there.")
    ] = None,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Compare two runs, settings or trials, seed by seed.

    Says which is better, by how much with its 95 % interval, or that it is not
    decided and how many more seeds would. The seeds are paired: both draw the
    same random numbers. For example:

        underhood compare quickstart-quick:sgd :adam
        underhood compare mnist-mlp-quick mnist-mlp-slower --metric test_loss --html compared.html
        underhood compare quickstart-quick:optimizer.name=sgd quickstart-more:sgd --json

    Refused are numbers of other data, and sides without a seed in common.
    """
    from underhood.lab.comparing import compare as compare_them
    from underhood.lab.files import plain, replace
    from underhood.report.comparison import document_of, facts_of
    from underhood.report.terminal import print_report

    if html is not None and html.is_dir():
        raise BadInput(f"--html {html}: is a folder; name a file in it")
    found = compare_them(a, b, metric, runs=runs)
    command = ["underhood", "compare", a, b, *(["--metric", metric] if metric else [])]
    command += ["--runs", str(runs)] if runs else []
    document, facts = document_of(found), facts_of(found, command)
    if html is not None:
        from underhood.report.html import render_html

        html.parent.mkdir(parents=True, exist_ok=True)
        replace(html, render_html(document, facts).encode())
    if json:
        print_json("comparison", **plain(found.to_json()), report=None if html is None else str(html))
    else:
        print_report(document, facts, sys.stdout)
    if html is not None:
        say(f"report: {html}")
