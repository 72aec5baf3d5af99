"""Rows that fit, in the order asked for: `--where "test_error < 0.1" --sort test_error`.

    KEY = VALUE    KEY != VALUE    KEY < VALUE    <=    >    >=    KEY ~ TEXT, a part of it, in any case

Several conditions hold all at once. A row that lacks a key fits no condition on it but `!=`, and stands last. A key
goes by its whole name, or by its last part where that is one key's alone.
"""

import re
from collections.abc import Callable, Sequence
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from underhood.errors import BadInput, nearest
from underhood.values import read_value

CONDITION = re.compile(r"\s*(?P<key>[^\s=<>!~]+)\s*(?P<sign>!=|<=|>=|=|<|>|~)\s*(?P<value>.*?)\s*", re.S)
SIGNS: dict[str, Callable[[Any, Any], bool]] = {"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}

Row = dict[str, Any]


def selected(
    rows: Sequence[Row], where: Sequence[str] = (), sort: str | None = None, reverse: bool = False
) -> list[Row]:
    """The rows that fit all conditions. Raises BadInput with the nearest key for one that no row has."""
    known = list(dict.fromkeys(key for row in rows for key in row))
    found = list(rows)
    for condition in where:
        match = CONDITION.fullmatch(condition)
        if match is None:
            raise BadInput(f"--where {condition}: write it as KEY=VALUE, or with !=, <, <=, >, >= or ~")
        key = key_named(match["key"], known, "--where")
        wanted = match["value"] if match["sign"] == "~" else read_value(match["value"])
        found = [row for row in found if _fits(row.get(key), match["sign"], wanted, condition)]
    if sort is None:
        return found[::-1] if reverse else found
    key = key_named(sort, known, "--sort")
    there = sorted((row for row in found if row.get(key) is not None), key=lambda row: _rank(row[key]), reverse=reverse)
    return there + [row for row in found if row.get(key) is None]


def key_named(word: str, known: Sequence[str], option: str) -> str:
    """The key that a word means."""
    if word in known or not known:
        return word
    endings = [key for key in known if key.rpartition(".")[2] == word]
    if len(endings) == 1:
        return endings[0]
    hint = f"it may be {' or '.join(endings)}" if endings else nearest(word, list(known))
    raise BadInput(f'{option} {word}: unknown "{word}"; {hint}')


def _fits(value: Any, sign: str, wanted: Any, condition: str) -> bool:
    if sign == "~":
        return value is not None and wanted.casefold() in str(value).casefold()
    if sign in ("=", "!="):
        return bool(SIGNS[sign](_alike(value), _alike(wanted)))
    if value is None:
        return False
    if isinstance(value, str) != isinstance(wanted, str) or not isinstance(wanted, str | int | float):
        raise BadInput(f"--where {condition}: {value!r} and {wanted!r} can't be compared by {sign}")
    return bool(SIGNS[sign](value, wanted)) if isinstance(value, str | int | float) else False


def _alike(value: Any) -> Any:
    """1 is not true, and none is None."""
    return (bool, value) if isinstance(value, bool) else None if value == "none" else value


def _rank(value: Any) -> tuple[int, Any]:
    """Numbers by size, NaN after them, then texts, then the rest as it is written."""
    if isinstance(value, int | float):
        return (0, value) if value == value else (1, 0)
    return (2, value) if isinstance(value, str) else (3, str(value))
