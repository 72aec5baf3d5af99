"""The same report in each format, as it was when somebody last looked at it: `recorded/`.

python -m tests.report.recording                                    write it anew, and look at what git says of it
"""

import re
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.report import made_up
from underhood.figures import bars, histogram, points
from underhood.report.document import Code, Document, Section
from underhood.report.html import render_html
from underhood.report.markdown import write_markdown
from underhood.report.pdf import typst_source
from underhood.report.terminal import report_text
from underhood.tables import Column, Table

FOLDER = Path(__file__).parent / "recorded"
DRAWN = re.compile(r"<(script|style|svg)\b.*?</\1>", re.DOTALL)  # they have tests of their own


def document() -> Document:
    """The small report, and every other kind of block."""
    rows = [
        {"rule": rule, "error": e, "low": e - 0.002, "high": e + 0.002} for rule, e in (("sgd", 0.021), ("adam", 0.016))
    ]
    spots = [{"x": i, "y": i * i, "name": f"p{i}"} for i in range(4)]
    more = [
        bars("Errors", rows, x="rule", y="error", band=("low", "high"), y_format=".1%"),
        points("Squares", spots, x="x", y="y", label="name"),
        histogram("Draws", [{"draw": i % 7} for i in range(40)], x="draw"),
        Code("for x in xs:\n    print(x)", "A *loop*."),
        Table(
            "Long",
            [Column("x", "x", "mm"), Column("y", "y", format=".3f", help="a *help*")],
            [{"x": i, "y": i / 7} for i in range(17)],
        ),
        Table(
            "Wide",
            [Column(f"c{i}", f"Extraordinarily {i}") for i in range(12)],
            [{f"c{i}": 1000 * i for i in range(12)}, {}],
        ),
    ]
    small = made_up.document()
    return replace(
        small, sections=[*small.sections, Section("More", more), Section("Folded", ["First.", "Then."], folded=True)]
    )


def formats() -> dict[str, str]:
    """Each file's text by its name."""
    told, how = document(), made_up.facts()
    with tempfile.TemporaryDirectory() as folder:
        path = write_markdown(told, how, Path(folder))
        csv = {f"{each.parent.name}-{each.name}": each.read_text() for each in Path(folder).rglob("*.csv")}
        typst = typst_source(told, how, Path(folder))
        return csv | {
            "report.md": path.read_text(),
            "report.typ": typst[typst.index("#set document(") :],
            "report.txt": report_text(told, how),
            "report.html": _page(render_html(told, how)),
        }


def _page(html: str) -> str:
    """An element a line, without what is drawn and run, and without the digests of that."""
    lines = re.sub(r"(<[a-z])", r"\n\1", DRAWN.sub(r"<\1/>", re.sub(r"sha256-[^&]+", "sha256-⋯", html))).splitlines()
    return "\n".join(line.rstrip() for line in lines if line.strip()) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in formats().items():
        (FOLDER / name).write_text(text)
