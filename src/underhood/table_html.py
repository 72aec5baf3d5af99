"""A table's HTML, cell by cell: how deep a text is indented, signs, intervals of equal width, what the columns mean."""

import re
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from underhood.tables import Cell, Column


def _side(column: "Column") -> str:
    return "uh-text" if column.align == "left" else "uh-number"


def header_html(column: "Column") -> str:
    title = re.sub(r"\b(\w-)(?=\w)", "\\1\u2060", column.header)  # R-CNN stays on one line
    return f'<th scope="col" class="{_side(column)}">{escape(title)}</th>'


def help_html(columns: "list[Column]") -> str:
    """What the columns mean, folded away: a tooltip would not open for a finger or a keyboard."""
    entries = "".join(
        f"<dt>{escape(column.title)}</dt><dd>{escape(column.help)}</dd>" for column in columns if column.help
    )
    return f"<details><summary>What the columns mean</summary><dl>{entries}</dl></details>" if entries else ""


def row_html(columns: "list[Column]", cells: "list[Cell]", widest: list[str]) -> str:
    first, *others = map(_cell, columns, cells, widest)
    return f'<tr><th scope="row" {first}</th>' + "".join(f"<td {other}</td>" for other in others) + "</tr>"


def _cell(column: "Column", cell: "Cell", widest: str) -> str:
    """A cell from its attributes on, without the tag's name; `widest` is the longest interval of its column."""
    depth, text = indented(cell.text)
    attributes = f'class="{_side(column)}"'
    if cell.sort is None:
        attributes += ' data-sort=""'
    elif isinstance(cell.sort, int | float):
        attributes += f' data-sort="{cell.sort!r}"'
        text = text.replace("-", "−")
    text = _minus(text)
    if depth:
        attributes += f' style="--uh-depth: {depth:g}"'
    html = escape(text).replace("\n", "<br>")
    if widest:
        spread = escape(_minus(cell.spread))
        html += f' <span class="uh-spread" data-widest="{escape(_minus(widest))}"><span>{spread}</span></span>'
    return f"{attributes}>{html}"


def _minus(text: str) -> str:
    """Signs set as such: −3 and [−1, 2], not the hyphen of 3-4, of a word or of an option."""
    return re.sub(r"(?<![\w=-])-(?=[\d.∞])", "−", text)


def indented(text: str) -> tuple[float, str]:
    """How deep a text is indented, two spaces a level, and the text without them."""
    stripped = text.lstrip(" ")
    return (len(text) - len(stripped)) / 2, stripped
