"""What a network says of some images: a class for each, and the probability of every class."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from underhood.tables import Column, Table

Array = np.ndarray
ORDINALS = {1: "", 2: "2nd", 3: "3rd"}


@dataclass(frozen=True)
class Predictions:
    """N images and C classes.

    `names` are of the images; `labels` (N,) the classes' numbers; `probabilities` (N, C); `known` the names of all
    classes; `notes` say what was done to the images.
    """

    names: tuple[str, ...]
    labels: Array
    probabilities: Array
    known: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> list[str]:
        """The name of each image's class."""
        return [self.known[label] for label in self.labels]

    def top(self, k: int = 3) -> list[list[tuple[str, float]]]:
        """For each image its `k` likeliest classes with their probabilities, the predicted one first."""
        found = []
        for label, row in zip(self.labels, self.probabilities, strict=True):
            order = [label, *(c for c in np.argsort(-row, kind="stable") if c != label)]
            found.append([(self.known[c], float(row[c])) for c in order[:k]])
        return found

    def table(self, k: int = 3) -> Table:
        """A row an image."""
        k = min(k, len(self.known))
        columns = [Column("image", "Image", align="left")]
        for i in range(1, k + 1):
            said, end = ORDINALS.get(i, f"{i}th"), "" if i == 1 else f"_{i}"
            columns += [
                Column(f"class{end}", " ".join(filter(None, [said, "class"])).capitalize(), align="left"),
                Column(f"probability{end}", "Probability", format=".2%"),
            ]
        return Table(
            "Predictions", columns, [self._row(i, said) for i, said in enumerate(self.top(k))], name="predictions"
        )

    def _row(self, i: int, said: list[tuple[str, float]]) -> dict[str, Any]:
        row: dict[str, Any] = {"image": self.names[i]}
        for rank, (name, probability) in enumerate(said, 1):
            end = "" if rank == 1 else f"_{rank}"
            row |= {f"class{end}": name, f"probability{end}": probability}
        return row

    def __str__(self) -> str:
        return str(self.table())
