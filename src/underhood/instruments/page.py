"""How an instrument's result is shown: its tables as text, in a notebook, as Markdown, or as one HTML page."""

from collections.abc import Sequence
from html import escape
from typing import Any

from underhood.tables import Table, style

FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }}
h1 {{ font-size: 1.6rem; }}
figure {{ margin: 2rem 0; }}
.drawing {{ background: #fff; color: #222; border-radius: 6px; padding: 1rem; overflow-x: auto; }}
.drawing svg {{ max-width: 100%; height: auto; }}
{style}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


class Presented:
    """A result with `tables()`, shown one below the other."""

    def tables(self) -> list[Table]:
        raise NotImplementedError

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.tables()))

    def _repr_html_(self) -> str:
        return "".join(table._repr_html_() for table in self.tables())

    def to_markdown(self) -> str:
        return "\n\n".join(table.to_markdown() for table in self.tables())


def page(title: str, blocks: Sequence[Any]) -> str:
    """Tables and Figures one below the other under a title, as one HTML file that needs nothing else."""
    return FRAME.format(title=escape(title), style=style(), body="\n".join(map(_block, blocks)))


def _block(block: Any) -> str:
    if isinstance(block, Table):
        return block.to_html()
    caption = f"<strong>{escape(block.title)}.</strong> {escape(block.caption)}"
    return f'<figure><div class="drawing">{block.svg()}</div><figcaption>{caption}</figcaption></figure>'
