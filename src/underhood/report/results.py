"""A folder of results: a short page for every study that was run, and the list of them all.

    DIR/<study>.md      question, answer, one table, one figure; command, seeds, machine, versions, time
    DIR/<study>.svg     the figure
    DIR/README.md       a row for each number that a study has beside its source's

A page written again replaces the study's page and its rows. What stands before and after the list's table is kept.
"""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from underhood.figures import Figure
from underhood.report import prose
from underhood.report.document import Document, Listed
from underhood.report.facts import Facts
from underhood.tables import MISSING, Column, Table

LIST = "README.md"
OF_HERE = ("--runs", "--data", "--name")  # options that say where a run is kept, which is nobody else's business
HEAD = """\
# Results

What the studies answered when they were run: a page each, with the answer, a table, a figure, the command, the seeds,
the machine, the versions and the time. A row is one setting of a study. Ours is the mean over n seeds with its 95 %
interval, beside the number of the source where it has one. Minutes are the computing time of the row's seeds together.
"""
COLUMNS = {
    "Study": ":---",
    "Scale": ":---",
    "What": ":---",
    "The source's": "---:",
    "Ours": "---:",
    "n": "---:",
    "Epochs": "---:",
    "Minutes": "---:",
}


def write_result(document: Document, facts: Facts, folder: Path, order: Sequence[str] = ()) -> list[Path]:
    """Write a study's short page and its figure into a folder, and its rows into the folder's list.

    `order` names studies in the order in which they should be listed; others follow by name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = Path(facts.study).stem
    blocks = [block for section in document.sections for block in section.blocks]
    table = next((block for block in blocks if isinstance(block, Table)), None)
    figure = next((block for block in blocks if isinstance(block, Figure)), None)
    written = [folder / f"{name}.md"]
    parts = [f"# {document.title}", f"> {prose.to_markdown(document.question)}", prose.to_markdown(document.answer)]
    parts += [f"> **Before you rely on this:** {warning}" for warning in facts.warnings]
    parts += [table.to_markdown()] if table else []
    if figure:
        written.append(folder / f"{name}.svg")
        written[-1].write_text(figure.svg(), encoding="utf-8")
        parts += [_shown(figure, written[-1].name)]
    parts += ["## How it was run", f"```console\n{command(facts)}\n```", _facts(facts), f"[All results]({LIST})"]
    written[0].write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")
    return [*written, _list(folder, name, _rows(document, facts, name), order)]


def command(facts: Facts) -> str:
    """The command that repeats the run anywhere."""
    words = shlex.split(facts.command)
    return shlex.join(
        word for before, word in zip(["", *words], words, strict=False) if not {before, word} & {*OF_HERE}
    )


def _shown(figure: Figure, file: str) -> str:
    alt = prose.to_text(figure.alt).replace("[", "(").replace("]", ")").replace("\n", " ")
    return "\n\n".join(filter(None, (f"**{figure.title}**", f"![{alt}]({file})", figure.caption)))


def _facts(facts: Facts) -> str:
    return "\n".join(f"- {label}: {text}" for label, text in facts.rows())


# ---- the list


def _rows(document: Document, facts: Facts, name: str) -> list[str]:
    """The study's lines in the list; one without a number where it has none beside a source's."""
    return [_line(_cells(row, facts, name)) for row in document.listed or [Listed(document.title, None)]]


def _cells(row: Listed, facts: Facts, name: str) -> Iterator[str]:
    seconds = facts.seconds if row.seconds is None else row.seconds
    yield from (f"[{name}]({name}.md)", facts.scale, row.what, row.source)
    ((ours,),) = Table("", [Column("ours", "", format=row.format)], [{"ours": row.ours}]).cells()
    number = "" if row.ours is None else ours.plain + " %" * row.format.endswith("%")
    yield "; ".join(filter(None, (number, row.note)))
    yield str(getattr(row.ours, "n", ""))
    yield "" if row.epochs is None else str(row.epochs)
    yield f"{seconds / 60:,.1f}"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") or MISSING for cell in cells) + " |"


def _list(folder: Path, name: str, rows: Sequence[str], order: Sequence[str]) -> Path:
    """Put the study's rows into the list, in place of those that it had."""
    path = folder / LIST
    head, rule = _line(COLUMNS), _line(COLUMNS.values())
    text = path.read_text(encoding="utf-8") if path.is_file() else HEAD
    before, _, table = text.partition(head)
    lines = table.strip("\n").split("\n")[1:]
    others = [line for line in lines if line.startswith("| [") and not line.startswith(f"| [{name}]")]
    after = "\n".join(line for line in lines if not line.startswith("| [")).strip("\n")
    known = {study: place for place, study in enumerate(order)}

    def place(line: str) -> tuple[int, str]:
        study = line[3:].partition("]")[0]
        return known.get(study, len(known)), study

    body = "\n".join([head, rule, *sorted([*others, *rows], key=place)])
    path.write_text("\n\n".join(filter(None, (before.strip("\n"), body, after))) + "\n", encoding="utf-8")
    return path
