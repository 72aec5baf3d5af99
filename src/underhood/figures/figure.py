"""A figure: a Vega-Lite specification between a title and a caption, and how it gets onto paper."""

import csv
import io
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from underhood.figures.theme import WIDTH, theme

HOVER = "hover"  # the name of the layer that answers a pointer; paper goes without


@dataclass(frozen=True)
class Figure:
    """A Vega-Lite specification, its data in `spec["data"]["values"]`.

    The title stands outside the drawing. `name` is the figure's file name among a report's downloads.
    """

    title: str
    caption: str
    spec: dict[str, Any]
    name: str = ""

    @property
    def alt(self) -> str:
        """What the figure shows, for those who hear it."""
        said = filter(None, (self.title, self.spec.get("description"), self.caption))
        return " ".join(each if each.endswith((".", "?", "!")) else f"{each}." for each in said)

    def svg(self) -> str:
        return self._svg

    @cached_property
    def _svg(self) -> str:
        """Drawn once: a report has it on its page and in its Markdown, and to draw it takes the most of its time."""
        import vl_convert

        svg: str = vl_convert.vegalite_to_svg(self._still(), config=theme())
        return _rounded(_renumbered(svg))

    def png(self, scale: float = 2.0) -> bytes:
        import vl_convert

        png: bytes = vl_convert.vegalite_to_png(self._still(), config=theme(), scale=scale)
        return png

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """Drawn by Vega-Lite where a notebook has it, else as SVG, else told."""
        live = {**self.spec, "config": theme(), "title": self.title}
        return {"application/vnd.vegalite.v6+json": live, "image/svg+xml": self.svg(), "text/plain": self.alt}

    def vega(self) -> dict[str, Any]:
        """The specification compiled to Vega for a page: as wide as its box, with its data set "figure" empty."""
        import vl_convert

        spec = {**self.spec, "data": {"name": "figure"}, "background": "transparent"}
        if spec.get("width") == WIDTH:
            spec["width"] = "container"
        compiled: dict[str, Any] = vl_convert.vegalite_to_vega(spec, config=theme())
        return compiled

    @property
    def narrowest(self) -> int:
        """Pixels below which the drawing should scroll rather than shrink."""
        return int(self.spec.get("usermeta", {}).get("narrowest", self.spec.get("width", WIDTH)))

    def data_csv(self) -> str:
        rows = self.spec["data"]["values"]
        out = io.StringIO()
        names = list(dict.fromkeys(name for row in rows for name in row))
        writer = csv.DictWriter(out, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _plain(value) for name, value in row.items()} for row in rows)
        return out.getvalue()

    def _still(self) -> dict[str, Any]:
        layers = [layer for layer in self.spec.get("layer", []) if layer.get("name") != HOVER]
        return {**self.spec, "layer": layers} if layers else self.spec

    def _repr_svg_(self) -> str:
        return self.svg()


def _plain(value: Any) -> Any:
    """A truth value as JSON spells it; Vega reads "False" as true."""
    return str(value).lower() if isinstance(value, bool) else value


def _renumbered(svg: str) -> str:
    """The ids of clips and gradients counted from 0: Vega counts on from drawing to drawing."""
    ids = dict.fromkeys(re.findall(r'id="(\w+)"', svg))
    new = {old: f"{old.rstrip('0123456789')}{i}" for i, old in enumerate(ids)}
    return re.sub(r'(id="|url\(#)(\w+)', lambda match: match[1] + new.get(match[2], match[2]), svg)


def _rounded(svg: str) -> str:
    """Paths to a hundredth of a pixel; the other ten digits are two thirds of the file."""
    return re.sub(r' d="[^"]*"', lambda path: re.sub(r"\d+\.\d{3,}", _hundredth, path[0]), svg)


def _hundredth(digits: re.Match[str]) -> str:
    return f"{float(digits[0]):.2f}".rstrip("0").rstrip(".")
