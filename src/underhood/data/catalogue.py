"""What sets there are, and which of them are here."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from underhood.data.load import DATA_SETS
from underhood.data.locations import data_root
from underhood.data.registry import DataSet
from underhood.errors import BadInput

if TYPE_CHECKING:
    from underhood.tables import Table


def catalogue(root: Path | str | None = None) -> "Table":
    """A row for each set: its figures, and the folder it lies in, or none. No file is opened."""
    from underhood.tables import Column, Table

    root = data_root(root)
    columns = [
        Column("name", "Name", align="left"),
        Column("summary", "What it shows", align="left"),
        Column("shape", "Image", help="channels × height × width", align="left"),
        Column("classes", "Classes"),
        Column("train", "Training images", format=",d"),
        Column("test", "Test images", format=",d"),
        Column("place", "Found in", align="left"),
    ]
    foot = [
        f"Looked for in {root}; UNDERHOOD_DATA names another folder.",
        "`underhood data get NAME` fetches one that is not here.",
        "One's own data go by their path: a .npz file of arrays, or a folder of pictures.",
    ]
    rows = [_row(data_set, root) for data_set in DATA_SETS.values()]
    return Table("Data sets", columns, rows, foot, name="data-sets")


def _row(data_set: DataSet, root: Path) -> dict[str, Any]:
    return {
        "name": data_set.name,
        "summary": data_set.summary,
        "shape": "×".join(map(str, data_set.shape)),
        "classes": len(data_set.classes),
        "train": data_set.train,
        "test": data_set.test,
        "place": _place(data_set, root),
    }


def _place(data_set: DataSet, root: Path) -> str | None:
    try:
        train, _ = data_set.parts(root)
    except BadInput:
        return None
    return str(train.files[0].parent) if train.files else train.stamp
