"""Files that are whole or not there: JSON replaced in one rename, JSON lines appended.

JSON here is strict, so that any program can read it: a number that isn't finite is written as the string
"NaN", "Infinity" or "-Infinity", and read back as the number.
"""

import json
import math
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from underhood.errors import BadInput

SCHEMA = "underhood.store/1"
BLOCK = 1 << 16  # bytes of a file's end that are read at once


class NewerStoreError(BadInput):
    """A file of the store that only a newer underhood can read."""


PLAIN = (int, str, bool, type(None))
LINE = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(", ", ": "))  # once: a trial writes many lines
NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def plain(value: Any) -> Any:
    """`value` in the types JSON has: NumPy's scalars and arrays, tuples and paths become their nearest."""
    if type(value) in PLAIN or (type(value) is float and math.isfinite(value)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return str(value) if isinstance(value, Path) else value


def number_back(value: Any) -> Any:
    """The inverse of `plain` for numbers that aren't finite."""
    if isinstance(value, dict):
        return {key: number_back(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [number_back(inner) for inner in value]
    return NOT_FINITE.get(value, value) if isinstance(value, str) else value


def read_text(text: bytes) -> Any:
    """JSON as `plain` makes it. Whether a number is not finite is seen in the text: most of it need not be searched."""
    value = json.loads(text)
    return number_back(value) if b'"NaN"' in text or b'Infinity"' in text else value


def line_of(value: Any) -> str:
    """`value` as one line of strict JSON. Most of what is written is plain already: to look would double its time."""
    try:
        return LINE.encode(value)
    except (TypeError, ValueError):  # NumPy's, a path, a number that is not finite
        return LINE.encode(plain(value))


def replace(path: Path, content: bytes) -> None:
    """Put `content` at `path` so that a reader, or a power cut, sees the old file or the new one, whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)  # on a full disk the room is needed
        error.filename = str(path)  # that of a file which is open names none
        raise
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    if sys.platform != "win32":  # a rename is on the disk only when its folder is
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Replace a JSON file of the store; the schema's version comes first in it."""
    text = json.dumps(plain({"schema": SCHEMA} | dict(value)), allow_nan=False, ensure_ascii=False, indent=1)
    replace(path, (text + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file of the store. BadInput when it is damaged or of a newer underhood."""
    try:
        value = read_text(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: not a JSON file of underhood's store: {error}") from error
    check_schema(value.get("schema") if isinstance(value, dict) else None, path)
    return dict(value)


def check_schema(found: Any, path: Path) -> None:
    """Refuse what this version can't read."""
    ours, number = SCHEMA.split("/")
    match = re.fullmatch(rf"{re.escape(ours)}/(\d+)", found) if isinstance(found, str) else None
    if match is None:
        raise BadInput(f'{path}: not a file of underhood\'s store (schema {found!r}, not "{SCHEMA}")')
    if int(match[1]) > int(number):
        raise NewerStoreError(
            f'{path}: written by a newer underhood (schema "{found}", this one reads up to "{SCHEMA}"); '
            "upgrade with `pip install -U underhood`"
        )


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a JSONL file; a last line without its end is being written, or never will be.

    BadInput names the first line that is none.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    return lines_in(content, path)


def lines_in(content: bytes, path: Path) -> list[dict[str, Any]]:
    """The whole lines of what a JSONL file at `path` holds."""
    whole = content[: content.rfind(b"\n") + 1]
    try:
        lines = read_text(b"[" + whole[:-1].replace(b"\n", b",") + b"]")  # at once: half the time of line by line
    except (ValueError, RecursionError):
        lines = []
    if len(lines) != whole.count(b"\n") or not all(isinstance(line, dict) for line in lines):
        return [_line(path, number, line) for number, line in enumerate(whole.splitlines(), 1)]
    return list(lines)


def _line(path: Path, number: int, text: bytes) -> dict[str, Any]:
    try:
        value = read_text(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}:{number}: not a line of JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadInput(f"{path}:{number}: not a measurement, an object with its step: {text[:40]!r}")
    return value


def last_line(path: Path) -> dict[str, Any] | None:
    """The last whole line of a JSONL file, read from its end; None where there is none."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        at = end
        while at:
            at = max(0, at - BLOCK)
            file.seek(at)
            lines = file.read(end - at).split(b"\n")[:-1]  # behind the last newline nothing is whole
            if lines and (len(lines) > 1 or not at):
                return dict(number_back(json.loads(lines[-1])))
    return None


Stamp = tuple[int, int, int]


def stamp(path: Path | str) -> Stamp | None:
    """What changes when a file is replaced, appended to or cut, its time (ns) first; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def truncate(path: Path, length: int) -> None:
    """Cut an append-only file back to its first `length` bytes."""
    if path.exists():
        os.truncate(path, length)
