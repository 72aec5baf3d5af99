"""metrics.jsonl as columns. Lines are read many at once, not one by one, where they are as a trial writes them:

    {"step": 1, "loss": 0.5}          lines of the same keys, in the same order, are a layout; there are few in a file
    {"step": 2, "loss": 0.25}

    ⁰1¹0.5⁰2¹0.25⁰                    what stands between their numbers becomes one sign for each key
    ⁰¹⁰¹⁰                             without the numbers it must repeat, or a line is none of this layout
    [1,0.5,2,0.25]                    then it is one list of JSON, and soon read

A file with anything else in it is read line by line, which names the line that is wrong.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, compress
from pathlib import Path
from typing import Any

import numpy as np

from underhood.errors import BadInput
from underhood.lab.files import NOT_FINITE, lines_in

Columns = dict[str, np.ndarray[Any, Any]]
PART = 1 << 21  # bytes that are read at once: what is made of them is soon given back
LAYOUTS = 32  # in one part; with more of them, line by line is as quick
DIGITS = b"0123456789.eE+-"
NUMBERS = DIGITS + b"".join(name.encode() for name in NOT_FINITE)  # what numbers are written with
SIGNS = bytes(range(1, 32))  # none of them is in a line of JSON


def measurements(content: bytes, path: Path) -> Columns:
    """What a metrics.jsonl at `path` holds: "step" (N,) int64, the metrics (N,) float64, NaN where a line has none.

    BadInput names a line that is no measurement.
    """
    with suppress(ValueError, OverflowError):
        return _joined([_at_once(part) for part in _parts(content)])
    lines = lines_in(content, path)
    names = [name for name in dict.fromkeys(chain.from_iterable(lines)) if name != "step"]
    try:
        columns = {"step": np.array([line["step"] for line in lines], np.int64)}
        for name in names:
            columns[name] = np.array([line.get(name, np.nan) for line in lines], np.float64)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise BadInput(f"{path}: holds a line that is no measurement ({error!r})") from error
    return columns


def _parts(content: bytes) -> Iterator[bytes]:
    """The whole lines, some thousand at a time."""
    start, end = 0, content.rfind(b"\n") + 1
    while start < end:
        stop = content.find(b"\n", min(start + PART, end - 1)) + 1
        yield content[start:stop]
        start = stop


def _joined(parts: list[Columns]) -> Columns:
    """The columns of parts that follow one another."""
    columns: Columns = {"step": np.concatenate([part["step"] for part in parts] or [np.empty(0, np.int64)])}
    for name in dict.fromkeys(chain.from_iterable(parts)):
        if name != "step":
            each = [part[name] if name in part else np.full(len(part["step"]), np.nan) for part in parts]
            columns[name] = np.concatenate(each)
    return columns


def _at_once(part: bytes) -> Columns:
    """The columns of some lines, layout by layout; ValueError where a line is not as a trial writes it."""
    lines, without = part.split(b"\n")[:-1], part.translate(None, DIGITS).split(b"\n")[:-1]
    layouts = {layout: number for number, layout in enumerate(dict.fromkeys(without))}
    if len(layouts) > LAYOUTS:
        raise ValueError(f"{len(layouts)} layouts")
    numbers = np.fromiter(map(layouts.__getitem__, without), np.int64, len(lines))
    columns: Columns = {}
    for number in layouts.values():
        rows = numbers == number
        for name, values in _of_one_layout(list(compress(lines, rows.tolist()))).items():
            if name not in columns:
                columns[name] = np.zeros(len(lines), np.int64) if name == "step" else np.full(len(lines), np.nan)
            columns[name][rows] = np.array(values, columns[name].dtype)
    return columns


def _of_one_layout(lines: list[bytes]) -> dict[str, list[Any]]:
    """The numbers of lines by their names; ValueError where not all have the keys of the first, and numbers alone."""
    names = list(json.loads(lines[0]))
    if "step" not in names or len(names) > len(SIGNS):
        raise ValueError("no step, or too many metrics")
    keys = [f"{json.dumps(name, ensure_ascii=False)}: ".encode() for name in names]
    between = [b"}\n{" + keys[0], *(b", " + key for key in keys[1:])]
    signs = SIGNS[: len(names)]
    text = b"}\n" + b"\n".join(lines) + b"\n{" + keys[0]
    for sign, piece in zip(signs, between, strict=True):
        text = text.replace(piece, bytes([sign]))
    for name in NOT_FINITE:
        text = text.replace(f'"{name}"'.encode(), name.encode())
    if text.translate(None, NUMBERS) != signs * len(lines) + signs[:1]:
        raise ValueError("another layout")
    numbers = json.loads(b"[" + text[1:-1].translate(bytes.maketrans(signs, b"," * len(signs))) + b"]")
    return {name: numbers[at :: len(names)] for at, name in enumerate(names)}
