"""A report as PDF, set by Typst: real formulas, figures as vectors, tables that break over pages."""

import json
import tempfile
import textwrap
from pathlib import Path

from underhood.errors import missing_extra
from underhood.figures import Figure
from underhood.report import mathematics, prose
from underhood.report.document import Block, Code, Document, Equation
from underhood.report.facts import Facts
from underhood.report.prose import Bullets, Span
from underhood.tables import Table

LETTERS = 104  # of a table's row that fit an upright page at the usual size
LYING = 1.55  # how much wider a page is when it lies
SMALLEST = 6.5  # points, of a table on an upright page
HEADERS = (1000, 16, 10, 1)  # letters of a header's line at least, the first that lets the table fit
WHOLE = 16  # rows of a table that stays on one page
HALVED = 16  # settings that stand in one column; more in two


def write_pdf(document: Document, facts: Facts, path: Path) -> Path:
    """Write the report to `path`. Raises MissingPiece where Typst isn't installed."""
    try:
        import typst
    except ImportError:
        raise missing_extra("typst", "A PDF") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "report.typ"
        source.write_text(typst_source(document, facts, Path(folder)), encoding="utf-8")
        typst.compile(str(source), output=str(path), root=folder)
    return path


def typst_source(document: Document, facts: Facts, folder: Path) -> str:
    """The report in Typst; its figures are written into `folder`."""
    names = document.names()
    template = Path(__file__).parent / "templates" / "report.typ"
    parts = [
        template.read_text(encoding="utf-8"),
        f"#set document(title: {_string(document.title)})",
        f"#opening({_string(f'{facts.study}  ·  {facts.scale} scale')}, "
        f"[{_text(document.title)}], [{_prose(document.question)}])",
        f"#answer[{_prose(document.answer)}]",
    ]
    if facts.warnings:
        parts.append("#warnings(" + "".join(f"[{_text(warning)}], " for warning in facts.warnings) + ")")
    for section in document.sections:
        heading = f"= {_text(section.title)}"
        first, *others = section.blocks or [""]
        if isinstance(first, Table):  # it may lie on a page of its own, and the heading goes along
            parts.append(_table(first, heading))
        else:
            parts += [heading, _block(first, names.get(id(first), ""), folder)]
        parts += [_block(block, names.get(id(block), ""), folder) for block in others]
    rows = [("*" + _text(label) + "*", _text(text)) for label, text in facts.rows()]
    settings = [(_text(key), _text(value)) for key, value, _ in facts.setting_rows()]
    parts += ["= How it was run", _facts("facts", rows)]
    half = (len(settings) + 1) // 2 if len(settings) > HALVED else len(settings)
    sides = [_facts("settings", side, "") for side in (settings[:half], settings[half:]) if side]
    parts += [f"#beside({', '.join(sides)})"] if sides else []
    parts += ["= Run it again", f"#command({_string(facts.command)})"]
    return "\n\n".join(parts) + "\n"


def _block(block: Block, name: str, folder: Path) -> str:
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Figure):
        (folder / f"{name}.svg").write_text(block.svg(), encoding="utf-8")
        alt = _string(prose.to_text(block.alt))
        return f"#drawing({_string(f'{name}.svg')}, {alt}, [{_text(block.title)}], [{_prose(block.caption)}])"
    if isinstance(block, Equation):
        note = f"\n\n#note[{_prose(block.note)}]" if block.note else ""
        return mathematics.to_typst(block.latex, "block") + note
    if isinstance(block, Code):
        return f"#command({_string(block.text)})" + (f"\n\n#note[{_prose(block.note)}]" if block.note else "")
    return _prose(block)


def _table(table: Table, heading: str = "") -> str:
    """The table, in smaller type or on a lying page of its own, with its heading, where its rows need that."""
    cells = [[cell.plain for cell in row] for row in table.cells()]
    headers, letters = _widths(table)
    lies = LETTERS * 9.0 / letters < SMALLEST  # too wide for an upright page
    size = max(5.0, min(9.0, 9.0 * LETTERS * (LYING if lies else 1.0) / letters))
    aligned = ", ".join(column.align for column in table.columns)
    head = ", ".join(f"[{'#linebreak()'.join(map(_text, lines))}]" for lines in headers)
    body = "".join("  " + "".join(f"[{_indented(text)}], " for text in row) + "\n" for row in cells)
    notes = "".join(f"[{_text(note)}], " for note in table.notes)
    whole = str(len(cells) <= WHOLE).lower()
    source = f"grid-table([{_text(table.title)}], {size:.1f}pt, ({aligned},), ({head},), ({notes}), {whole},\n{body})"
    headed = f"{heading}\n\n#{source}" if heading else f"#{source}"
    return f"#page(flipped: true)[{headed}]" if lies else headed


def _widths(table: Table) -> tuple[list[list[str]], int]:
    """The headers, broken into as many lines as a row needs to fit an upright page, and the letters of a row then."""
    columns = list(zip(*([cell.plain for cell in row] for row in table.cells()), strict=True))
    columns = columns or [()] * len(table.columns)
    for narrowest in HEADERS:
        headers, letters = [], 0
        for column, cells in zip(table.columns, columns, strict=True):
            width = max(map(len, [*cells, *column.header.split()]), default=1)
            headers.append(textwrap.wrap(column.header, max(width, narrowest), break_on_hyphens=False) or [""])
            letters += max(width, *map(len, headers[-1])) + 3
        if letters <= LETTERS:
            break
    return headers, letters


def _indented(text: str) -> str:
    depth = len(text) - len(text.lstrip(" "))
    return (f"#h({depth / 2}em)" if depth else "") + _text(text.lstrip(" "))


def _facts(function: str, rows: list[tuple[str, str]], sign: str = "#") -> str:
    return f"{sign}{function}(" + "".join(f"[{label}], [{text}], " for label, text in rows) + ")"


def _prose(text: str) -> str:
    parts = []
    for block in prose.parse(text):
        if isinstance(block, Bullets):
            parts.append("\n".join(f"- {_spans(item)}" for item in block.items))
        else:
            parts.append(_spans(block.spans))
    return "\n\n".join(parts)


def _spans(spans: tuple[Span, ...]) -> str:
    return "".join(_span(span) for span in spans)


def _span(span: Span) -> str:
    match span.kind:
        case "text":
            return _text(prose.typeset(span.text))
        case "code":
            return f"#raw({_string(span.text)})"
        case "math":
            return mathematics.to_typst(span.text)
        case "bold":
            return f"#strong[{_spans(span.inside)}]"
        case "emphasis":
            return f"#emph[{_spans(span.inside)}]"
        case "link":
            return f"#link({_string(span.url)})[{_spans(span.inside)}]"


def _text(text: str) -> str:
    """Plain text, whatever is in it: as a string, for nothing in a string is markup."""
    return f"#{_string(text)}"


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
