"""Two networks side by side: their totals with the ratio, and their layers matched in order.

    compare(cost("resnet50"), cost("resnet50-v1"))

Layers are matched by type, parameters and output shape, as `diff` matches lines; what only one network has
stands alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from underhood.instruments.cost.count import Cost
from underhood.instruments.cost.result import Layer
from underhood.instruments.cost.tables import COUNTED, NOT_COUNTED, reconciliation, shape_text, shown
from underhood.instruments.page import Presented, page
from underhood.tables import Column, Table

Pair = tuple[Layer | None, Layer | None]


@dataclass(frozen=True)
class Comparison(Presented):
    """Two costs, and how they look together."""

    one: Cost
    other: Cost

    @property
    def totals(self) -> Table:
        """Each quantity of both, and how many times the first is the second."""
        one, other = self.one, self.other
        quantities = [
            ("weights alone", one.counts.weights, other.counts.weights),
            ("parameters", one.counts.learnt, other.counts.learnt),
            ("with buffers", one.counts.by("buffers"), other.counts.by("buffers")),
            ("multiply–adds (MACs)", one.macs, other.macs),
            ("activations", one.elements, other.elements),
            ("activation bytes with the input", one.bytes + one.input_bytes, other.bytes + other.input_bytes),
            ("layers with parameters", _with_parameters(one), _with_parameters(other)),
        ]
        columns = [
            Column("quantity", "Quantity", align="left"),
            Column("one", one.name, format=",d"),
            Column("other", other.name, format=",d"),
            Column("difference", "Difference", format="+,d"),
            Column("ratio", "Ratio", format=".4g", help="the first divided by the second"),
        ]
        rows = [
            {"quantity": name, "one": a, "other": b, "difference": a - b, "ratio": a / b if b else None}
            for name, a, b in quantities
        ]
        foot = [f"{cost.name}, input {cost.inputs}: {reconciliation(cost)}" for cost in (one, other)]
        return Table(f"{one.name} beside {other.name}", columns, rows, foot, name="totals")

    @property
    def layers(self) -> Table:
        """The layers of both, equal ones on one line."""
        columns = [Column("type", "Type", align="left")]
        for key, cost in (("one", self.one), ("other", self.other)):
            columns += [
                Column(f"{key}_layer", cost.name, align="left"),
                Column(f"{key}_output", "Output", align="left"),
                Column(f"{key}_parameters", "Parameters", format=",d"),
                Column(f"{key}_macs", "MACs", format=",d"),
            ]
        rows = [
            {"type": (a or b).kind, **self._cells("one", a), **self._cells("other", b)}  # type: ignore[union-attr]
            for a, b in self._pairs()
        ]
        foot = [f"Parameters: {COUNTED[self.one.convention]}."]
        return Table(f"{self.one.name} and {self.other.name}, layer by layer", columns, rows, foot, name="layers")

    def _cells(self, key: str, row: Layer | None) -> dict[str, Any]:
        if row is None:
            return {}
        return {
            f"{key}_layer": row.name,
            f"{key}_output": " ".join(map(shape_text, row.outputs)),
            f"{key}_parameters": row.counts.by(self.one.convention) or None,
            f"{key}_macs": NOT_COUNTED if row.unknown else row.macs or None,
        }

    def _pairs(self) -> Iterator[Pair]:
        left = [row for row in shown(self.one) if not row.group]
        right = [row for row in shown(self.other) if not row.group]
        # layers alike in all are the anchors; between them, those of one type go together
        for a, b, alike in _regions(left, right, lambda row: (row.kind, row.counts, row.outputs)):
            regions = [(a, b, True)] if alike else _regions(a, b, lambda row: row.kind)
            for one, other, together in regions:
                if together:
                    yield from zip(one, other, strict=True)
                else:
                    yield from ((row, None) for row in one)
                    yield from ((None, row) for row in other)

    def tables(self) -> list[Table]:
        return [self.totals, self.layers]

    def to_csv(self) -> str:
        return self.layers.to_csv()

    def to_html(self) -> str:
        return page(f"{self.one.name} beside {self.other.name}", self.tables())

    def to_json(self) -> dict[str, Any]:
        costs = [self.one.to_json(), self.other.to_json()]
        return {"schema": "underhood.cost-comparison/1", "networks": costs, "totals": self.totals.to_json()}


def compare(one: Cost, other: Cost) -> Comparison:
    """Two costs side by side."""
    return Comparison(one, other)


def _with_parameters(cost: Cost) -> int:
    return sum(row.counts.weights > 0 for row in cost.leaves)


def _regions(
    left: list[Layer], right: list[Layer], key: Callable[[Layer], Any]
) -> Iterator[tuple[list[Layer], list[Layer], bool]]:
    """Runs of layers with equal keys (True), and what stands between them (False)."""
    matcher = SequenceMatcher(None, [key(row) for row in left], [key(row) for row in right], autojunk=False)
    for tag, i, j, k, m in matcher.get_opcodes():
        yield left[i:j], right[k:m], tag == "equal"
