"""The page that leads to the reports of many studies: each under the question that it answers, with its answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from underhood import __version__
from underhood.report.facts import duration
from underhood.report.html import policy, templates


@dataclass(frozen=True)
class Line:
    """One study in the overview: the address of its report, empty where there is none, and what came out.

    `seconds` is its computing time; `problem` says what went wrong, empty where nothing did.
    """

    number: str
    question: str
    study: str
    title: str
    answer: str = ""
    address: str = ""
    seconds: float = 0.0
    problem: str = ""


def render_overview(title: str, command: str, groups: Mapping[str, Sequence[Line]], machine: str = "") -> str:
    """The page as a text: `groups` are its lines by the sheet that asks for them."""
    lines = [line for group in groups.values() for line in group]
    there = sum(bool(line.address) for line in lines)
    wrong = sum(bool(line.problem) for line in lines)
    said = (
        f"{there} of {len(lines)} studies have a report, {duration(sum(line.seconds for line in lines))} of computing"
    )
    if wrong:
        said += f"; with {wrong} something went wrong, which stands beside {'them' if wrong > 1 else 'it'}"
    template = templates().get_template("overview.html.j2")
    return template.render(
        title=title,
        command=command,
        groups=groups,
        said=said,
        machine=machine,
        duration=duration,
        version=__version__,
        policy=Markup(policy()),
    ).lstrip()
