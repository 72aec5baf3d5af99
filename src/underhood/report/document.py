"""What a study reports: a question, an answer, and sections of words, tables, figures and equations.

    Document(
        title="Adaptive optimisers",
        question="Which optimiser brings the training loss down fastest?",
        answer=f"**Adam**: {loss:.3f} after one epoch, where SGD stood at {sgd:.3f}.",
        sections=[Section("Training", ["Every curve is the mean of three seeds.", curves, table])],
    )

Texts are prose in the sense of `prose.py`. A document knows nothing of paper: terminal, HTML, Markdown and PDF
are written from the same one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from underhood.figures import Figure
from underhood.tables import Table


@dataclass(frozen=True)
class Equation:
    """A displayed formula in LaTeX, with a note below it on what its letters mean."""

    latex: str
    note: str = ""


@dataclass(frozen=True)
class Code:
    """Lines of a program as they stand, with a note below them."""

    text: str
    note: str = ""


@dataclass(frozen=True)
class Listed:
    """A row of the list of results (results.py): one number of a study beside its source's.

    `ours` is a cell of a table that `format` writes, None where there is no number; `note` says why, or what else
    belongs to it. `source` is the source's number as it has it, `seconds` the computing time of all seeds together.
    """

    what: str
    ours: Any
    format: str = ".2%"
    source: str = ""
    epochs: int | None = None
    seconds: float | None = None
    note: str = ""


Block: TypeAlias = str | Table | Figure | Equation | Code


@dataclass(frozen=True)
class Section:
    """A title and what stands below it. `folded`: on the page its first block stands alone until one opens it."""

    title: str
    blocks: list[Block] = field(default_factory=list)
    folded: bool = False


@dataclass(frozen=True)
class Document:
    """`question` and `answer` stand first; `answer` has the numbers in it.

    `headline` holds the answer's numbers by their names, as cells of a table: where a run has several settings that
    are reported one by one, these stand side by side. `listed` are its rows in a list of results of many studies.
    """

    title: str
    question: str
    answer: str
    sections: list[Section] = field(default_factory=list)
    headline: Mapping[str, Any] = field(default_factory=dict)
    listed: Sequence[Listed] = ()

    def names(self) -> dict[int, str]:
        """A file name for every table and figure by its `id()`: its own, made unique, or `table-2`, `figure-1`."""
        taken: set[str] = set()
        names: dict[int, str] = {}
        for section in self.sections:
            for block in section.blocks:
                if not isinstance(block, Table | Figure) or id(block) in names:
                    continue
                kind = "table" if isinstance(block, Table) else "figure"
                wanted = [block.name] if block.name else []
                numbered = (f"{block.name or kind}-{i}" for i in range(2 if block.name else 1, 10_000))
                names[id(block)] = next(name for name in (*wanted, *numbered) if name not in taken)
                taken.add(names[id(block)])
        return names
