"""What a trace is made of: one number as an equation with numbers in it, and the equations of what went into it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

Index = tuple[int, ...]


DIGITS = 5  # of every number of an equation


def number(value: float) -> str:
    """Five digits, zeros at the end too, with a true minus; 0 is exactly zero."""
    return _signed(f"{value:#.{DIGITS}g}".rstrip(".")) if value else "0"


def short(value: float) -> str:
    """Without zeros at the end: what somebody set, as an ε, has no digits that are not sure."""
    return _signed(f"{value + 0.0:.{DIGITS}g}")


def _signed(text: str) -> str:
    return text.replace("-", "−")


def alike(values: Iterable[float]) -> Callable[[float], str]:
    """How numbers that are added up are written: five digits of the largest, and the same decimals for all."""
    most = max((abs(value) for value in values if isfinite(value)), default=0.0)
    if most == 0:
        return number
    power = int(f"{most:.{DIGITS - 1}e}".partition("e")[2])  # of ten, after rounding
    common = power if most >= 10**DIGITS or most < 1e-4 else 0
    decimals = max(0, DIGITS - 1 - power + common)

    def written(value: float) -> str:
        if not isfinite(value):
            return number(value)
        text = f"{value / 10.0**common:z.{decimals}f}"  # z: what rounds to zero has no sign
        return _signed(text + (f"e{common:+03d}" if common else ""))

    return written


def factor(value: float) -> str:
    """The same as a factor of a product: a negative one in brackets."""
    return f"({number(value)})" if value < 0 else number(value)


@dataclass(frozen=True)
class Term:
    """One summand: the numbers multiplied, their names, and what they make. A name may be empty for a plain factor."""

    factors: tuple[float, ...]
    names: tuple[str, ...]
    value: float

    @property
    def filled(self) -> str:
        """Say `0.51·(−0.032)`."""
        return "·".join([number(self.factors[0]), *map(factor, self.factors[1:])])

    @property
    def named(self) -> str:
        """Say `pool1[0,0,4,5] · conv2.weight[3,0,1,1]`."""
        return " · ".join(filter(None, self.names))


@dataclass(frozen=True)
class Check:
    """Somebody else's value for the same number."""

    who: str
    value: float
    off: float


@dataclass
class Equation:
    """`name` = `value`, by `law` of `operation`; `filled` is the law with the numbers put in.

    `terms` are the summands that are shown, `others` how many are not and `rest` what they add up to. `total` is
    what all of it comes to, computed from the numbers that are written here. `children` say how the numbers in it
    were made.
    """

    name: str
    value: float
    operation: str
    law: str
    filled: str
    total: float
    terms: list[Term] = field(default_factory=list)
    others: int = 0
    rest: float = 0.0
    checks: list[Check] = field(default_factory=list)
    children: list["Equation"] = field(default_factory=list)

    @property
    def off(self) -> float:
        """How far the sum is from the engine's value, relative to it."""
        if not isfinite(self.value):  # no number: the total has to be the same one
            return 0.0 if repr(self.total) == repr(self.value) else float("inf")
        size = max(abs(self.value), *(abs(term.value) for term in self.terms), 1e-300)
        return abs(self.total - self.value) / size

    def everything(self) -> Iterator["Equation"]:
        """Itself and all that hangs on it."""
        yield self
        for child in self.children:
            yield from child.everything()

    def to_json(self) -> dict[str, Any]:
        """Plain values, nested."""
        return {
            "name": self.name,
            "value": self.value,
            "operation": self.operation,
            "law": self.law,
            "filled": self.filled,
            "terms": [{"factors": list(t.factors), "names": list(t.names), "value": t.value} for t in self.terms],
            "others": self.others,
            "rest": self.rest,
            "total": self.total,
            "off": self.off,
            "checks": [{"who": c.who, "value": c.value, "off": c.off} for c in self.checks],
            "children": [child.to_json() for child in self.children],
        }
