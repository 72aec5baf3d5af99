"""A run's trials or metrics as files for other programs.

csv.py, jsonl: text, a row a line; parquet.py: columns, where pyarrow is there; tensorboard.py: event files, a folder a
trial. What stands in the rows is frames.py's.
"""

import csv
import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal, get_args

import numpy as np

from underhood.errors import BadInput, MissingPiece, nearest
from underhood.lab.files import line_of
from underhood.lab.frames import Of, columns_of
from underhood.lab.measurements import Columns
from underhood.lab.results import Run

Format = Literal["csv", "jsonl", "parquet", "tensorboard"]
TEXTS = ("csv", "jsonl")  # what can be piped
AT_ONCE = 10_000  # rows


def export(run: Run, kind: Format, of: Of, out: "Path | IO[str]") -> None:
    """Write a run's trials or metrics to the file, or for TensorBoard to the folder, `out`.

    Raises BadInput for a format or rows that there are not, MissingPiece where pyarrow is wanted and lacks.
    """
    for given, known in ((kind, get_args(Format)), (of, get_args(Of))):
        if given not in known:
            raise BadInput(f'export: unknown "{given}"; {nearest(str(given), list(known))}')
    if kind == "tensorboard":
        from underhood.lab.exports.tensorboard import write_events

        write_events(run, _path(out, kind))
        return
    columns = columns_of(run.results, of)
    if kind == "parquet":
        _write_parquet(columns, _path(out, kind))
    elif isinstance(out, Path):
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("w", encoding="utf-8", newline="") as file:
            file.writelines(_text(kind, columns))
    else:
        out.writelines(_text(kind, columns))


def _path(out: "Path | IO[str]", kind: str) -> Path:
    if not isinstance(out, Path):
        raise BadInput(f"export: {kind} is no text; name a file or folder with --out")
    return out


def _text(kind: str, columns: Columns) -> Iterator[str]:
    return _csv(columns) if kind == "csv" else _lines(columns)


def _csv(columns: Columns) -> Iterator[str]:
    """CSV with a head; what is missing is an empty cell, a number in as many digits as give it back."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    rows = zip(*(_cells(values) for values in columns.values()), strict=True)
    while True:
        writer.writerows(islice(rows, AT_ONCE))
        if not (text := buffer.getvalue()):
            return
        yield text
        buffer.seek(0)
        buffer.truncate()


def _cells(values: "np.ndarray[Any, Any]") -> Iterator[Any]:
    """None where there is no value: a float that is NaN is one that a row lacks, or that was none."""
    return (None if value != value else value for value in values.tolist())


def _lines(columns: Columns) -> Iterator[str]:
    """JSON lines; a value that a row lacks is left out of it."""
    names = list(columns)
    for values in zip(*(_cells(values) for values in columns.values()), strict=True):
        row = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        yield f"{line_of(row)}\n"


def _write_parquet(columns: Columns, path: Path) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingPiece("Parquet needs pyarrow: pip install pyarrow") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pyarrow.table({name: pyarrow.array(values, from_pandas=True) for name, values in columns.items()})
    parquet.write_table(table, path)
