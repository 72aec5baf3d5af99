"""What was written down once beside what is found now: texts are equal, and numbers near."""

import math
import re

NUMBER = re.compile(r"([-−]?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?)")
LOST = 1e6  # a loss beyond this has no digits to compare


def words(told):
    """The report's texts and numbers by turns, a list a line; without the digests of what is too long."""
    return [[value(part) for part in NUMBER.split(line)] for line in told.splitlines() if "⋯" not in line]


def value(part):
    return float(part.replace(",", "").replace("−", "-")) if NUMBER.fullmatch(part) else part


def differences(now, before, near, where=""):
    """Where two results differ, and by what."""
    if isinstance(now, dict) and isinstance(before, dict) and now.keys() == before.keys():
        for key in now:
            yield from differences(now[key], before[key], near, f"{where}.{key}")
    elif isinstance(now, list) and isinstance(before, list) and len(now) == len(before):
        for i, pair in enumerate(zip(now, before, strict=True)):
            yield from differences(*pair, near, f"{where}[{i}]")
    elif not alike(now, before, near):
        yield where, now, before


def alike(now, before, near):
    if isinstance(now, float) and isinstance(before, float):
        far = min(abs(now), abs(before)) > LOST
        return far or math.isclose(now, before, rel_tol=near, abs_tol=1e-6)
    return now == before
