"""Equations put together: of an activation down to the pixels, of a gradient up to the loss."""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from underhood.engine.tape import Node
from underhood.instruments.laws import gradient_law, law
from underhood.instruments.trace.equation import Equation, Term
from underhood.instruments.trace.formulas import FORMULAS, ONE, one_number, surprise
from underhood.instruments.trace.parts import Called, Made, Part, Position, column, is_local, partner_of, sums
from underhood.instruments.trace.reading import Reading, Source

Unit = tuple[Source, tuple[int, ...]]  # a line or leaf, and the position in it
WRITTEN = 4  # summands that are written in the equation itself


@dataclass(frozen=True)
class Limits:
    """How deep to go, and how many summands of each equation to show and to follow."""

    depth: int = 1
    terms: int = 8


# -- activations --


def activation(reading: Reading, unit: Unit, limits: Limits, level: int = 1) -> Equation:
    """How the number at a unit was made."""
    source, position = unit
    name, value = reading.label(source, position), float(reading.value(source)[position])
    if not isinstance(source, Node):
        return Equation(name, value, "", "", "", value)
    called = reading.call(source)
    made = how(called, position)
    equation = Equation(name, value, source.operation.name, law(source.operation), "", made.total)
    followed: list[Position] = made.positions[: limits.terms]
    if made.parts:
        parts = sorted(made.parts, key=lambda part: -abs(part.value))
        shown, hidden = parts[: limits.terms], parts[limits.terms :]
        equation.terms = [_term(reading, source, called, part) for part in shown]
        equation.others, equation.rest = len(hidden), sum(part.value for part in hidden)
        followed = [position for part in shown for position in part.positions]
    equation.filled = made.filled or summed(equation)
    if level < limits.depth:
        equation.children = [
            activation(reading, below, limits, level + 1)
            for below in _units(source, followed)
            if isinstance(below[0], Node)
        ]
    return equation


def how(called: Called, position: tuple[int, ...]) -> Made:
    """The operation's formula, its sum, its function of one number; or the value with what it rests on."""
    name = called.operation.name
    made = None
    with suppress(OverflowError, ZeroDivisionError, ValueError):  # where NumPy has an infinity
        made = FORMULAS[name](called, position) if name in FORMULAS else None
    if name in ONE:
        made = one_number(called, 0, position)
    made = made or sums(called, position)
    if made is None and (i := is_local(called, position)) is not None:
        made = one_number(called, i, position)
    if made:
        return made
    touched = _touched(called, position)
    plural = "s" if len(touched) != 1 else ""
    text = f"{name} of {len(touched)} number{plural}, which is not unfolded"
    return Made(filled=text, positions=touched, total=float(called.z[position]))


def _touched(called: Called, position: tuple[int, ...]) -> list[Position]:
    """Every number that counts for an output."""
    counts = called.counts(position)
    return [
        (i, tuple(int(p) for p in there)) for i, g in enumerate(counts) if g is not None for there in np.argwhere(g)
    ]


def _units(node: Node, positions: list[Position]) -> list[Unit]:
    """The lines and leaves that positions in a node's inputs are on, each once."""
    found: dict[tuple[int, tuple[int, ...]], Unit] = {}
    for i, position in positions:
        source = node.parents[i]
        if source is not None:
            found.setdefault((id(source), position), (source, position))
    return list(found.values())


def _term(reading: Reading, node: Node, called: Called, part: Part) -> Term:
    numbers = tuple(float(called.inputs[i][position]) for i, position in part.positions)
    names = tuple(reading.label(node.parents[i], position, node, i) for i, position in part.positions)
    if part.weight != 1 or not numbers:
        return Term((part.weight, *numbers), ("", *names), part.value)
    return Term(numbers, names, part.value)


def summed(equation: Equation) -> str:
    """`0.51·0.032 + 0.2·(−0.1) + … (73 terms)`."""
    terms = equation.terms[:WRITTEN]
    text = ""
    for term in terms:
        filled = term.filled
        if not text:
            text = filled
        else:
            text += f" − {filled[1:]}" if filled.startswith("−") else f" + {filled}"
    count = len(equation.terms) + equation.others
    if count > len(terms):
        text += f" + … ({count} terms)"
    return text or "0"


# -- gradients --


def gradient(reading: Reading, unit: Unit, limits: Limits, level: int = 1) -> Equation:
    """How ∂E/∂ the number at a unit was made: Σ δ · ∂z/∂x over all that it goes into."""
    source, position = unit
    name = f"∂E/∂{reading.label(source, position)}"
    value = float(reading.gradient(source)[position])
    if source is reading.loss.source:
        return Equation(name, value, "", "", "1", 1.0)
    parts: list[tuple[Node, int, tuple[int, ...], float, float]] = []
    laws = []
    for node, i in reading.consumers(source):
        deltas = reading.gradient(node)
        laws.append((node.operation.name, gradient_law(node.operation, i)))
        slopes = column(reading.call(node), i, position)
        parts += [(node, i, k, slope, float(deltas[k])) for k, slope in slopes.items()]
    parts.sort(key=lambda part: -abs(part[3] * part[4]))
    shown, hidden = parts[: limits.terms], parts[limits.terms :]
    total = sum(slope * delta for *_, slope, delta in parts)
    operations = ", ".join(dict.fromkeys(operation for operation, _ in laws))
    equation = Equation(name, value, operations, "; ".join(dict.fromkeys(text for _, text in laws)), "", total)
    equation.terms = [_slope_term(reading, *part, position) for part in shown]
    equation.others, equation.rest = len(hidden), sum(slope * delta for *_, slope, delta in hidden)
    equation.filled = summed(equation)
    consumers = list(reading.consumers(source))
    if len(consumers) == 1 and consumers[0][0] is reading.loss.source:
        node, i = consumers[0]
        equation.filled = surprise(reading.call(node), i, position) or equation.filled
    if level < limits.depth:
        above = {(id(node), k): (node, k) for node, _, k, _, _ in shown if node is not reading.loss.source}
        equation.children = [gradient(reading, one, limits, level + 1) for one in above.values()]
    return equation


def _slope_term(
    reading: Reading, node: Node, i: int, k: tuple[int, ...], slope: float, delta: float, position: tuple[int, ...]
) -> Term:
    """δ times the slope, the slope under the name of the number that it is."""
    called = reading.call(node)
    partner, here = partner_of(called, k, i, position), reading.label(node.parents[i], position, node, i)
    exact = called.counts(k)[i]
    slope = slope if exact is None else float(exact[position])
    if partner is not None:
        named = reading.label(node.parents[partner[0]], partner[1], node, partner[0])
    elif is_local(called, k) == i:
        named = f"{node.operation.name}′({here})"
    else:
        named = "" if slope == 1 else f"∂{reading.label(node, k)}/∂{here}"
    delta_name = f"∂E/∂{reading.label(node, k)}"
    if node is reading.loss.source:
        return Term((slope,), (named,), slope * delta)
    if not named:
        return Term((delta,), (delta_name,), delta)
    return Term((delta, slope), (delta_name, named), slope * delta)
