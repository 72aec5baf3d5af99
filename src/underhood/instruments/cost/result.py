"""What `cost` finds: a row for each layer, and the numbers of the whole. How it is shown is in tables.py."""

from collections import Counter
from dataclasses import dataclass, field, replace

from underhood.errors import nearest
from underhood.instruments.cost.receptive_field import Seen
from underhood.instruments.inputs import Inputs
from underhood.instruments.target import Target


@dataclass(frozen=True)
class Counts:
    """Elements of the tensors that a network keeps, by kind.

    `weights` stand in tensors of two dimensions and more (filters, matrices, embeddings), `biases` in the
    others (biases, and the scales of normalisations); both are learnt. `buffers` are kept but not learnt
    (running means and variances), `counters` are those of whole numbers.
    """

    weights: int = 0
    biases: int = 0
    buffers: int = 0
    counters: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, k) + getattr(other, k) for k in self.__dataclass_fields__))

    @property
    def learnt(self) -> int:
        return self.weights + self.biases

    def by(self, convention: str) -> int:
        """By convention: "weights", "parameters" (all that is learnt), "buffers" (those of floats too)."""
        return {
            "weights": self.weights,
            "parameters": self.learnt,
            "buffers": self.learnt + self.buffers,
        }[convention]


@dataclass(frozen=True)
class Layer:
    """One row. `macs` is None where nothing is known to be counted: the operations of `unknown` are why.

    `group` marks the header of rows beneath it, which holds their sums. `seen` is the view of the output's
    elements along each axis of the image, `whole` says for each axis whether it is all of it. `idle` says that the
    pass did not come here.
    """

    name: str
    label: str
    kind: str
    depth: int
    group: bool = False
    outputs: tuple[tuple[int, ...], ...] = ()
    counts: Counts = Counts()
    macs: int | None = 0
    unknown: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    elements: int = 0
    bytes: int = 0
    seen: tuple[Seen, ...] | None = None
    whole: tuple[bool, ...] = ()
    value: int = 0
    idle: str = ""
    texts: dict[str, str] = field(default_factory=dict)


def collapsed(rows: list[Layer], depth: int | None) -> list[Layer]:
    """The tree down to `depth` levels; what lies deeper is summed up in its group."""
    if depth is None:
        return rows
    return [replace(row, group=row.group and row.depth < depth) for row in rows if row.depth <= depth]


@dataclass(frozen=True, repr=False)
class CostResult:
    """What was found. `rows` are all layers, groups before their parts; the numbers of the whole stand apart.

    `torch_macs` is the total by torch's own formulas (FlopCounterMode's, halved); `differing` the operations
    that the two count differently, as name: (ours, torch's). `unbiased` are the biases that convolutions
    before a BatchNorm go without. `notes` say what was unusual about the pass.
    """

    name: str
    target: Target
    inputs: Inputs
    rows: list[Layer]
    counts: Counts
    macs: int
    complete: bool
    torch_macs: int
    differing: dict[str, tuple[int, int]]
    elements: int
    bytes: int
    input_elements: int
    input_bytes: int
    unbiased: int = 0
    extent: tuple[int, ...] = ()
    lost: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    convention: str = "parameters"
    training: bool = False
    depth: int | None = None

    @property
    def parameters(self) -> int:
        """By the chosen convention; every number that is learnt unless told otherwise."""
        return self.counts.by(self.convention)

    @property
    def leaves(self) -> list[Layer]:
        """The rows that are no groups: their sums are the totals."""
        return [row for row in self.rows if not row.group]

    def __getitem__(self, name: str) -> Layer:
        """The row of that name: a module's path, or function's."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"{self.name} has no layer {name!r}: {nearest(name, [row.name for row in self.rows])}")

    def __repr__(self) -> str:
        return f"<cost of {self.name}: {self.parameters:,} {self.convention}, {self.macs:,} MACs>"

    def without(self) -> Counter[str]:
        """How often operations without dot products ran, by name: they are left out of the multiply–adds."""
        return Counter(name for row in self.leaves for name in row.without)

    def unknown(self) -> dict[str, list[str]]:
        """Operations that could not be counted, and the layers that ran them."""
        found: dict[str, list[str]] = {}
        for row in self.leaves:
            for name in row.unknown:
                found.setdefault(name, []).append(row.name)
        return found
