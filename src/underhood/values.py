"""Values as words of a command line: how one is written after `--set KEY=`, and read again.

    read_value("0.1") = 0.1                               write_value(0.1) = "0.1"
    read_value("[NOT,AND]") = ["NOT", "AND"]              write_value(["NOT", "AND"]) = "[NOT,AND]"
    read_value("{name=crop,padding=4}")                   write_value({"name": "crop", "padding": 4})

A word is TOML; what is no TOML is read as people type it: `.5`, `1.`, `True`, and a text without its quotes, within
a list or a table too. What `write_value` gives `read_value` takes back, but for None, which is the word none: where a
setting may be None, it means it (settings.py).
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from underhood.errors import BadInput

NEEDS_QUOTES = re.compile(r'[\[\]{},="\'#\n]|^\s|\s$|^$')


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def read_value(text: str) -> Any:
    """A value as in TOML, or as people type it: `.5`, `1.`, `True`, `[NOT,AND]`, text."""
    text = text.strip()
    whole = toml_or_none(f"value = {text}")
    if whole is not None and whole.keys() == {"value"}:
        return whole["value"]
    if text.startswith("[") and text.endswith("]"):
        return [read_value(part) for part in _parts(text[1:-1])]
    if text.startswith("{") and text.endswith("}"):
        pairs = [part.partition("=") for part in _parts(text[1:-1])]
        if all(equals for _, equals, _ in pairs):
            return {key.strip(): read_value(value) for key, _, value in pairs}
    if re.fullmatch(r"[+-]?(\d+\.|\.\d+)([eE][+-]?\d+)?", text):
        return float(text)
    return {"True": True, "False": False}.get(text, text)


def read_values(text: str) -> list[Any]:
    """The values of `--grid key=a,b,c`, each read as by `read_value`; brackets and quotes hold a value together."""
    return [read_value(part) for part in _parts(text)]


def write_value(value: Any) -> str:
    """The shortest word that `read_value` takes for `value`; None is `none`."""
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}={write_value(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(write_value, value)) + "]"
    if isinstance(value, str):
        plain = not NEEDS_QUOTES.search(value) and read_value(value) == value
        return value if plain else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else str(value)


def toml_or_none(text: str) -> dict[str, Any] | None:
    """What a TOML text holds; None when it is none."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def seconds_of(duration: float | str, place: str) -> float:
    """Seconds, of a number of them or of words such as "30s", "2m", "1.5h"; BadInput names the `place`."""
    if isinstance(duration, int | float):
        return float(duration)
    found = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(s|m|h)\s*", duration)
    if found is None:
        raise BadInput(f'{place} "{duration}": write it as 30s, 2m or 1h')
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


def _parts(text: str) -> Iterator[str]:
    """The text between commas that stand in no bracket, brace or quotes; the last may be followed by a comma."""
    depth, quote, start = 0, "", 0
    for i, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote and text[i - 1] != "\\" else quote
        elif sign in "\"'" and text[:i].rstrip()[-1:] in ("", *"[{,="):
            quote = sign
        elif sign in "[{":
            depth += 1
        elif sign in "]}":
            depth -= 1
        elif sign == "," and depth == 0:
            yield text[start:i]
            start = i + 1
    if text[start:].strip():
        yield text[start:]
