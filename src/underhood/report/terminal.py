"""A report on a terminal: warnings, tables and the answer; words and figures are the page's."""

from textwrap import indent
from typing import TextIO

from underhood.report import prose
from underhood.report.document import Code, Document, Equation
from underhood.report.facts import Facts
from underhood.tables import Table


def print_report(document: Document, facts: Facts, file: TextIO) -> None:
    """Print the tables, the answer and what to know before relying on it: rich on a terminal, else plain text."""
    if file.isatty():
        _print_rich(document, facts, file)
    else:
        file.write(report_text(document, facts))


def report_text(document: Document, facts: Facts) -> str:
    """The same as plain text, without a column of it depending on the terminal's width."""
    parts = [document.title, prose.to_text(document.question)]
    for section in document.sections:
        for block in section.blocks:
            if isinstance(block, Table):
                parts.append(str(block))
            elif isinstance(block, Equation):
                parts.append("    " + prose.to_text(f"${block.latex}$"))
            elif isinstance(block, Code):
                parts.append(indent(block.text, "    "))
    parts.append(prose.to_text(document.answer))
    parts += [f"Note: {warning}" for warning in facts.warnings]
    return "\n\n".join(parts) + "\n"


def _print_rich(document: Document, facts: Facts, file: TextIO) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.panel import Panel
    from rich.text import Text

    console = Console(file=file, highlight=False)
    console.print()
    console.print(Text(document.title, style="bold"))
    console.print(Text(prose.to_text(document.question), style="dim"))
    console.print()
    for section in document.sections:
        for block in section.blocks:
            if isinstance(block, Table):
                console.print(block.to_rich())
                console.print()
            elif isinstance(block, Equation):
                console.print(Padding(Text(prose.to_text(f"${block.latex}$")), (0, 0, 1, 4)))
            elif isinstance(block, Code):
                console.print(Padding(Text(block.text), (0, 0, 1, 4)))
    console.print(Panel(Text(prose.to_text(document.answer)), title="Answer", title_align="left", border_style="blue"))
    for warning in facts.warnings:
        console.print(Text(f"! {warning}", style="yellow"))
