"""Histograms of the weights at chosen epochs: histograms/epoch-0003.json among a trial's artefacts.

    {"schema": "underhood.histograms/1", "epoch": 3,
     "weights": {"1.weight": {"low": -0.3, "high": 0.3, "counts": [0, 2, …], "not_finite": 0}, …}}

`bins` of equal width between the smallest and the largest element of each entry; an entry of one value alone has its
bins half a unit to either side of it. They are of the weights that are evaluated: the averaged ones, where there are.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from underhood.errors import BadInput

SCHEMA = "underhood.histograms/1"
FOLDER = "histograms"

Array = np.ndarray


def file_of(epoch: int) -> str:
    """The artefact's name."""
    return f"{FOLDER}/epoch-{epoch:04d}.json"


def histograms(weights: dict[str, Array], bins: int) -> dict[str, Any]:
    """Bounds and counts of each entry of a state_dict that has floating-point elements."""
    return {
        name: _histogram(values, bins)
        for name, values in weights.items()
        if np.issubdtype(values.dtype, np.floating) and values.size
    }


def _histogram(values: Array, bins: int) -> dict[str, Any]:
    finite = values[np.isfinite(values)].astype(np.float64)
    counts, edges = np.histogram(finite, bins)
    missing = int(values.size - finite.size)
    return {"low": float(edges[0]), "high": float(edges[-1]), "counts": counts.tolist(), "not_finite": missing}


def write(path: Path, epoch: int, found: dict[str, Any]) -> None:
    path.write_text(json.dumps({"schema": SCHEMA, "epoch": epoch, "weights": found}), encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    """What `write` wrote; BadInput when it is something else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read ({error})") from error
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise BadInput(f'{path}: not a file of histograms (schema "{SCHEMA}")')
    return found
