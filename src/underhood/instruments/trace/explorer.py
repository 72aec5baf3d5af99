"""A network as one page to explore: its layers with the real numbers of one pass as maps, and every number's equation.

    underhood trace simple-conv-net --data mnist --html page.html

The page works offline and needs nothing else. It holds every line of the tape, activations and gradients, thinned to as
many bits as fit, and rules to unfold them (exploring.py; rules.js). What it cannot unfold it says so of.
"""

import json
from dataclasses import asdict, dataclass
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from underhood.content_policy import digest_of, policy
from underhood.errors import BadInput
from underhood.instruments.trace.exploring import Explored
from underhood.instruments.trace.packing import MOST, digits, fitted
from underhood.instruments.trace.reading import Reading

AIM = 4_800_000  # characters that the numbers of a page take at most, if they can be thinned to it
LARGEST = 40_000_000  # and what a browser still opens


@dataclass(frozen=True)
class Exploration:
    """A page of one pass. `bits` of mantissa are kept of every number; `unruled` operations have no equations there."""

    title: str
    html: str
    bits: int
    checked: int
    unruled: tuple[str, ...]

    def to_html(self) -> str:
        """The whole page, in one file."""
        return self.html

    def _repr_html_(self) -> str:
        frame = f'<iframe title="{escape(self.title)}" style="width: 100%; height: 700px"'
        return f'{frame} srcdoc="{escape(self.html)}"></iframe>'

    def __str__(self) -> str:
        kept = "float32" if self.bits == MOST else f"{digits(self.bits)} digits of every number"
        said = f"{self.title}: {len(self.html.encode()) / 1e6:.1f} MB, {kept}, {self.checked:,} equations checked"
        return said + (f"; without equations: {', '.join(self.unruled)}" if self.unruled else "")


def explored(reading: Reading, title: str, description: str, command: str, classes: tuple[str, ...]) -> Exploration:
    """The page of a reading. `command` is the terminal's, `classes` the names of the output's columns."""
    seen = Explored(reading)
    elements = sum(array.size for array in seen.arrays)
    if elements > LARGEST:
        raise BadInput(
            f"{title}: {elements:,} numbers are too many for a page ({LARGEST:,} at most); give a smaller --input, or "
            "one unit: --unit NAME[POSITION]"
        )
    numbers, bits = fitted(seen.arrays, AIM)
    unruled = tuple(dict.fromkeys(s.operation for s in seen.sources if s.kind == "line" and not s.rule.get("kind")))
    kept = "as float32" if bits == MOST else f"to {bits} bits of mantissa, {digits(bits)} decimal digits"
    notes = [
        f"Numbers of one pass of the engine in float64, kept here {kept}; {seen.checked:,} equations of it were held "
        "against the engine when the page was written.",
        f"Without equations here: {', '.join(unruled)}." if unruled else "",
    ]
    header = {
        "bits": bits,
        "digits": digits(bits),
        "first": _first(reading, seen),
        "classes": list(classes),
        "arrays": [{"size": int(a.size), "type": "float" if a.dtype.kind == "f" else "int"} for a in seen.arrays],
        "sources": [asdict(source) for source in seen.sources],
    }
    html = _template().render(
        title=title,
        description=description,
        command=command,
        notes=" ".join(filter(None, notes)),
        header=Markup(json.dumps(header).replace("<", "\\u003c")),
        numbers=numbers,
        style=Markup(_file("explorer.css")),
        script=Markup(_script()),
        policy=policy({"script-src": digest_of(_script()), "style-src": "'unsafe-inline'"}),
    )
    return Exploration(title, html, bits, seen.checked, unruled)


def _first(reading: Reading, seen: Explored) -> str:
    """Where the page begins: the largest number of the last line before the loss."""
    lines = [source for source in seen.sources if source.kind == "line"]
    shown = lines[-2] if len(lines) > 1 else lines[-1]
    position = np.unravel_index(int(np.argmax(np.abs(seen.arrays[shown.value]))), shown.shape)
    return f"{shown.name}[{','.join(map(str, position))}]" if shown.shape else shown.name


@cache
def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("underhood.instruments.trace"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("explorer.html.j2")


def _file(name: str) -> str:
    return files("underhood.instruments.trace").joinpath(f"templates/{name}").read_text(encoding="utf-8")


@cache
def _script() -> str:
    """Both scripts as one module."""
    return "\n" + _file("rules.js") + "\n" + _file("explorer.js")
