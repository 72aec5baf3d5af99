"""A report as Markdown: report.md, with its figures as SVG and all data as CSV beside it."""

from pathlib import Path

from underhood.figures import Figure
from underhood.lab.files import replace
from underhood.report import prose
from underhood.report.document import Block, Code, Document, Equation
from underhood.report.facts import Facts
from underhood.tables import Table


def write_markdown(document: Document, facts: Facts, folder: Path) -> Path:
    """Write `report.md` and `figures/NAME.svg`, `figures/NAME.csv`, `tables/NAME.csv` into a folder.

    Tables are pipe tables and formulas stand between dollars, as GitHub and Jupyter read them.
    """
    names = document.names()
    parts = [f"# {document.title}", f"> {prose.to_markdown(document.question)}", prose.to_markdown(document.answer)]
    if facts.warnings:
        parts.append("\n>\n".join(["> **Before you rely on this**", *(f"> {warning}" for warning in facts.warnings)]))
    for section in document.sections:
        parts.append(f"## {section.title}")
        parts += [_block(block, names.get(id(block), ""), folder) for block in section.blocks]
    parts += ["## How it was run", _facts(facts), _settings(facts)]
    parts += ["## Run it again", f"```\n{facts.command}\n```"]
    path = folder / "report.md"
    _write(path, "\n\n".join(part.strip() for part in parts if part) + "\n")
    return path


def _block(block: Block, name: str, folder: Path) -> str:
    if isinstance(block, Table):
        _write(folder / "tables" / f"{name}.csv", block.to_csv())
        return block.to_markdown()
    if isinstance(block, Figure):
        _write(folder / "figures" / f"{name}.svg", block.svg())
        _write(folder / "figures" / f"{name}.csv", block.data_csv())
        alt = prose.to_text(block.alt).replace("[", "(").replace("]", ")").replace("\n", " ")
        parts = [f"**{block.title}**", f"![{alt}](figures/{name}.svg)", block.caption]
        return "\n\n".join(filter(None, parts))
    if isinstance(block, Equation):
        return f"$$\n{block.latex}\n$$" + (f"\n\n{prose.to_markdown(block.note)}" if block.note else "")
    if isinstance(block, Code):
        return f"```\n{block.text}\n```" + (f"\n\n{prose.to_markdown(block.note)}" if block.note else "")
    return prose.to_markdown(block)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, text.encode())


def _facts(facts: Facts) -> str:
    rows = [f"| {label} | {_cell(text)} |" for label, text in facts.rows()]
    return "\n".join(["| | |", "| :--- | :--- |", *rows])


def _settings(facts: Facts) -> str:
    rows = [
        f"| `{key}` | {_cell(value)} | {'chosen' if chosen else 'default'} |"
        for key, value, chosen in facts.setting_rows()
    ]
    return "\n".join(["| Setting | Value | |", "| :--- | :--- | :--- |", *rows]) if rows else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
