"""A report as one HTML file that works from `file://`, without the network, and can be read without JavaScript.

Figures stand in the page as SVG. Where JavaScript runs, Vega draws them anew as wide as the page, with values
under the pointer; tables become sortable. The library travels compressed: 0.4 MB instead of 0.9.
"""

import base64
import contextlib
import gzip
import json
import re
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from underhood import __version__, content_policy
from underhood.data import cache_root
from underhood.figures import Figure
from underhood.lab.files import replace
from underhood.report import mathematics, prose
from underhood.report.document import Code, Document, Equation
from underhood.report.facts import Facts
from underhood.tables import Table, style

WIDE = 90  # letters that a row of the text's width holds
LOADED = "\nwindow.dispatchEvent(new Event('vega-ready'));"  # what report.js adds to Vega, to know that it is there
ROWS = 500  # of a table that the page shows; its download has all
LARGEST = 2_000_000  # bytes of a page that one still likes to send to somebody
HEAVY = 50_000  # characters of a download that a page leaves out where it would be larger than that


def render_html(document: Document, facts: Facts) -> str:
    """The whole page as a text.

    Where it would be larger than 2 MB it names the large downloads instead of holding them, and the figures drawn of
    them stay still; where that is not enough all do, and then long tables are cut shorter.
    """
    blocks = [block for section in document.sections for block in section.blocks if isinstance(block, Table | Figure)]
    figures = [block for block in blocks if isinstance(block, Figure)]
    downloads = {id(block): _download(block) for block in blocks}
    light = {key: address for key, address in downloads.items() if len(address) < HEAVY}
    known = {
        "document": document,
        "facts": facts,
        "names": document.names(),
        "numbers": {id(figure): i for i, figure in enumerate(figures, 1)},
        "style": Markup(style()),
        "version": __version__,
    }
    allowed = policy(_script(), _unpacked()) if figures else policy(_script())
    vega, page = _vega() if figures else "", ""
    for live, held, rows in ((vega, downloads, ROWS), (vega, light, ROWS), ("", light, ROWS), ("", light, ROWS // 10)):
        with_these = {"vega": Markup(live), "downloads": held, "rows": rows, "script": Markup(_script())}
        page = _template().render(known, **with_these, policy=allowed if live else policy(_script())).lstrip()
        if len(page.encode()) <= LARGEST:
            break
    return page


def policy(*scripts: str) -> str:
    """A Content-Security-Policy: these scripts run and no others, and nothing is fetched from anywhere.

    Vega makes functions of expressions, hence unsafe-eval; it is the scripts named that may.
    """
    return content_policy.policy(
        {
            "script-src": " ".join([*map(content_policy.digest_of, scripts), "'unsafe-eval'"]),
            "style-src": "'unsafe-inline'",
            "img-src": "data:",
            "connect-src": "data:",
        }
    )


@cache
def _script() -> str:
    """The page's own script."""
    return files("underhood.report").joinpath("templates/report.js").read_text(encoding="utf-8")


@cache
def _unpacked() -> str:
    """Vega's runtime as report.js runs it."""
    return gzip.decompress(base64.b64decode(_vega())).decode() + LOADED


def _template() -> Template:
    return templates().get_template("report.html.j2")


@cache
def templates() -> Environment:
    """The pages' templates, with the filters that set prose, formulas and blocks."""
    environment = Environment(
        loader=PackageLoader("underhood.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "prose": lambda text: Markup(prose.to_html(text)),
        "inline": lambda text: Markup(prose.to_inline_html(text)),
        "mathml": lambda latex: Markup(mathematics.to_mathml(latex, "block")),
        "plain": prose.to_text,
        "typeset": prose.typeset,
        "kind": _kind,
        "ident": id,
        "wide": _is_wide,
        "table": lambda table, rows: Markup(table.to_html(most=rows)),
        "still": _still,
        "live": _live,
    }
    return environment


def _kind(block: Any) -> str:
    """The macro that sets a block."""
    return {Table: "table", Figure: "figure", Equation: "equation", Code: "code"}.get(type(block), "prose")


def _is_wide(table: Table) -> bool:
    """Whether a table wants more than the width of the text; headers break between their words."""
    rows = [[len(cell.plain) for cell in row] for row in table.cells()]
    heads = [max(map(len, column.header.split()), default=0) for column in table.columns]
    return sum(max(lengths) + 4 for lengths in zip(heads, *rows, strict=True)) > WIDE


def _still(figure: Figure, number: int) -> Markup:
    """The figure's SVG; ids get the figure's number, for all figures share one page."""
    svg = re.sub(r'(id="|url\(#)', rf"\g<1>figure-{number}-", figure.svg())
    return Markup(svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1))


def _live(figure: Figure) -> Markup:
    """What Vega needs to draw the figure: its compiled specification, and how to read its CSV."""
    rows = figure.spec["data"]["values"]
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row[name] for row in rows if row.get(name) is not None] for name in names}
    parse = {
        name: "string"  # which reads what is missing as null, not as an empty text
        if not values or not all(isinstance(value, int | float) for value in values)
        else "boolean"
        if all(isinstance(value, bool) for value in values)
        else "number"
        for name, values in columns.items()
    }
    text = json.dumps({"spec": figure.vega(), "parse": parse}, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def _download(block: Table | Figure) -> Markup:
    """A `data:` address with the block's values as CSV: a download without a server or a script."""
    text = block.to_csv() if isinstance(block, Table) else block.data_csv()
    return Markup("data:text/csv;charset=utf-8," + quote(text, safe=" ,.;:!*()/=+-_~@$|").replace(" ", "%20"))


@cache
def _vega() -> str:
    """Vega's runtime, gzipped and in base64; bundling it takes a second or two, so it is kept for the next page."""
    kept = cache_root() / f"vega-embed-{version('vl-convert-python')}.gz"
    if kept.is_file():
        return base64.b64encode(kept.read_bytes()).decode()
    import vl_convert

    # Through vega-embed, for the name `vega` itself is null in the bundles of vl-convert 1.9.
    script = vl_convert.javascript_bundle(snippet="window.vegaEmbed = vegaEmbed;")
    packed = gzip.compress(script.encode(), 9, mtime=0)
    with contextlib.suppress(OSError):  # a page can do without
        kept.parent.mkdir(parents=True, exist_ok=True)
        replace(kept, packed)
    return base64.b64encode(packed).decode()
