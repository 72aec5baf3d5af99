"""Bytes in words: "512MB" is 512·10⁶, "512MiB" 512·2²⁰."""

import re

from underhood.errors import BadInput

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def parse_size(text: int | str) -> int:
    """The bytes that a text means; a number is bytes already. Raises BadInput."""
    if isinstance(text, int):
        return text
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", text)
    if not found or found[2].upper() not in UNITS:
        raise BadInput(f'"{text}" is no size: write 512MB, 1.5GB or 1GiB')
    return int(float(found[1]) * UNITS[found[2].upper()])


def size_text(count: int) -> str:
    """The shortest text that means so many bytes, as `parse_size` reads it."""
    texts = [f"{count / unit:.15g}{name.replace('IB', 'iB')}" for name, unit in UNITS.items() if name]
    return min((text for text in texts if "e" not in text and parse_size(text) == count), key=len)


def megabytes(count: float) -> str:
    return f"{count / 1e6:,.{3 if 500 <= count < 1e5 else 1}f} MB"  # not 0.0 of what is small
