"""How the commands speak: data on stdout, talk on stderr, JSON with a versioned schema."""

import json as JSON
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter, Token

if TYPE_CHECKING:
    from underhood.tables import Table

Json = Annotated[
    bool,
    Parameter(
        name="--json",
        negative="",
        show_default=False,
        group=Group("Output", sort_key=9),
        help="Print JSON, for programs to read.",
    ),
]

Runs = Annotated[
    Path | None, Parameter(name="--runs", show_default=False, help="Folder of the runs; by default ./runs.")
]


def whole(type_: Any, tokens: Sequence[Token]) -> int:
    """A whole number; cyclopts by itself would read 1.5 as 2."""
    text = tokens[0].value
    try:
        return int(text)
    except ValueError:
        raise ValueError(f'unable to convert "{text}" into int.') from None


def say(text: str) -> None:
    """A line for the person, not for the pipe."""
    print(text, file=sys.stderr, flush=True)


def can_ask() -> bool:
    """Whether a person is there to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirmed(question: str) -> bool:
    """The person's answer; nothing but a yes is one."""
    say(f"{question} [y/N] ")
    return input().strip().lower() in ("y", "yes")


def print_json(schema: str, **content: Any) -> None:
    """One JSON object; `schema` becomes "underhood.<schema>/1"."""
    dump({"schema": f"underhood.{schema}/1", **content})


def dump(content: dict[str, Any]) -> None:
    print(JSON.dumps(content, ensure_ascii=False, indent=2, allow_nan=False))


def print_table(table: "Table") -> None:
    """A table: in colours and as wide as the terminal, or plain text in a pipe."""
    if not sys.stdout.isatty():
        print(table)
        return
    from rich.console import Console

    Console().print(table.to_rich())
