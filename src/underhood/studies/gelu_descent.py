r"""Gradient descent on a curve, every number shown; by default on GELU(x) ≈ x·σ(1.702x).

    gd          x[t+1] = x[t] − η ∇f(x[t])
    momentum    v[0] = ∇f(x[0]),  v[t+1] = β v[t] + (1 − β) ∇f(x[t]),  x[t+1] = x[t] − η v          (the sheet's Eq. 5)

Eq. 5 leaves the index of its last v out. It is read as v[t+1], the velocity that this gradient is already in;
`rule.velocity = "old"` reads v[t]. Rules and walks stand in `descents`, the reading of expressions in `expressions`.

Source: exercise 1 of "24-789 Deep Learning for Engineers", Carnegie Mellon University, 2021; GELU: Hendrycks & Gimpel
2016; momentum: Polyak 1964.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from pydantic import Field, field_validator

from underhood.engine.forms import form
from underhood.engine.optim import OPTIMIZERS
from underhood.engine.tensor import Tensor
from underhood.errors import BadInput
from underhood.lab import Results, Scale, Study
from underhood.report.document import Document, Equation, Section
from underhood.settings import Settings
from underhood.studies.by_hand.worked import aligned, bracketed, check, checks_table, number, with_torch
from underhood.studies.descent.answer import answer
from underhood.studies.descent.drawings import digits, path_figures
from underhood.studies.descent.expressions import of_engine, parse
from underhood.studies.descent.walks import (
    Descent,
    Rule,
    bottom,
    close_ups,
    furthest,
    slope_gap,
    view,
    walk,
    walk_in_torch,
    window,
)
from underhood.tables import Column, Table
from underhood.trials import Context, Event, Metric, Result

GELU = "x * sigmoid(1.702 * x)"


# -- settings --


SHEET = (
    Descent(x0=0, lr=0.1),
    Descent(x0=0, lr=1),
    Descent(x0=-3, lr=0.1),
    Descent(x0=-3, lr=0.1, rule=Rule(name="momentum")),
)


class GeluDescentSettings(Settings):
    """The sheet's four descents, or with `x0`, `lr` or `rule` given, those four with that changed, each once."""

    function: str = Field(GELU, description="an expression in x, or the name of one of the package's functions")
    x0: float | None = Field(None, description="the start, instead of the sheet's 0 and −3")
    lr: float | None = Field(None, ge=0, description="the step size η, instead of the sheet's 0.1 and 1")
    rule: Rule | None = Field(None, description="gd, momentum (beta, velocity = new or old), or an optimiser")
    steps: int = Field(3, ge=1, le=1000, description="how many steps each descent takes")

    @field_validator("function")
    @classmethod
    def _is_understood(cls, text: str) -> str:
        try:
            found = parse(text)
            found(Tensor(np.ones(())), of_engine)
        except (TypeError, RuntimeError, ArithmeticError) as error:
            raise BadInput(f"{text}: {error}") from None
        return found.text

    def descents(self) -> list[Descent]:
        given = {key: value for key in ("x0", "lr", "rule") if (value := getattr(self, key)) is not None}
        changed = [each.model_copy(update=given) for each in SHEET]
        return [each for i, each in enumerate(changed) if each not in changed[:i]]


# -- the trial --


def trial(settings: GeluDescentSettings, seed: int, context: Context) -> Iterator[Event]:
    """Every descent on the engine, by its tape, and once more on PyTorch."""
    f = parse(settings.function)
    found = []
    with form("vector"):
        for k, descent in enumerate(settings.descents()):
            path = list(walk(f, descent, settings.steps))
            for row in path:
                yield Metric(row["t"], {f"x_{k}": row["x"], f"f_{k}": row["f"], f"slope_{k}": row["slope"]})
            theirs = with_torch(walk_in_torch, f, descent, settings.steps)
            found.append(
                {
                    **descent.model_dump(mode="json"),
                    "title": descent.title,
                    "path": path,
                    "gap": None if theirs is None else furthest([row["x"] for row in path], theirs),
                }
            )
        low, high = window([row["x"] for each in found for row in each["path"]])
        yield Result(
            {
                "descents": found,
                "views": [view(f, low, high), *close_ups(f, found, high - low)],
                "bottom": bottom(f, low, high),
                "slope_gap": slope_gap(f, [row for each in found for row in each["path"]]),
            }
        )


# -- the report --


def report(results: Results) -> Document:
    """The answer to the sheet's two questions, every number on the way, the paths on the curve."""
    settings, found = results.groups[0].settings, results.groups[0].counted[0].result
    gaps = [
        check(f"path from {digits(each['x0'])}, {each['title']}", _judge(each["rule"]["name"]), each["gap"])
        for each in found["descents"]
    ]
    slopes = [check("the slopes of the tape", "central differences", found["slope_gap"])]
    sections = [
        Section("The curve and its slope", list(_slope(settings["function"]))),
        *_sections(found),
        Section("Checks", [checks_table(gaps, title="The paths checked"), checks_table(slopes, 1e-7, "The slopes")]),
    ]
    headline = {f"end from {digits(e['x0'])}, {e['title']}": e["path"][-1]["x"] for e in found["descents"]}
    return Document(TITLE, QUESTION, answer(settings, found), sections, headline)


TITLE = "Down a curve, step by step"
QUESTION = "How do step size and momentum change a few steps of gradient descent on GELU?"
GD = Equation(
    r"x_{t+1} = x_t - \eta\,f'(x_t)",
    r"Gradient descent: the slope $f'$ says which way is up, so step the other way, by $\eta$ times the slope.",
)
MOMENTUM = {
    "new": r"x_{t+1} = x_t - \eta\,v_{t+1}",
    "old": r"x_{t+1} = x_t - \eta\,v_t",
}
OTHER = {"new": "old", "old": "new"}


def _judge(rule: str) -> str:
    """Who checks a path."""
    return "nobody: PyTorch has no such rule" if rule in OPTIMIZERS and not OPTIMIZERS[rule].reference else "PyTorch"


def _slope(function: str) -> Iterator[str | Equation]:
    """What f is and how its slope comes about."""
    yield Equation(f"f(x) = {parse(function).latex}")
    if function != GELU:
        yield "The slope at each point is taken by the engine: backwards through the function, by the chain rule."
        return
    yield (
        "Far right of 0 the sigmoid is 1 and GELU is $x$; far left it is 0 and so is GELU. Between them GELU dips "
        "below zero. Its slope follows by the product rule, with $\\sigma'(z) = \\sigma(z)(1 - \\sigma(z))$:"
    )
    yield Equation(
        r"f'(x) = \sigma(1.702\,x) + 1.702\,x\;\sigma(1.702\,x)\,(1 - \sigma(1.702\,x))",
        r"At $x = 0$: $f'(0) = 0.5 + 0 = 0.5$. At $x = -3$: $\sigma(-5.106) = 0.006024$, so "
        r"$f'(-3) = 0.006024 - 5.106\cdot 0.006024\cdot 0.994 = -0.02455$: nearly flat, and falling to the right.",
    )


def _sections(found: dict[str, Any]) -> Iterator[Section]:
    descents = found["descents"]
    if any(each["rule"]["name"] == "gd" for each in descents):
        yield Section("The rules", [GD, *_rules(descents)])
    else:
        yield Section("The rules", list(_rules(descents)))
    yield Section("The paths on the curve", [*path_figures(found), *_bottom(found)])
    yield Section("After the last step", [_ends(descents, found["bottom"])])
    for each in descents:
        title = f"From {digits(each['x0'])} by {each['title']}"
        yield Section(title, [*_substituted(each), _steps(each)])


def _rules(descents: list[dict[str, Any]]) -> Iterator[str | Equation]:
    seen = set()
    for each in descents:
        rule = each["rule"]
        key = str(rule)
        if rule["name"] == "gd" or key in seen:
            continue
        seen.add(key)
        if rule["name"] == "momentum":
            velocity = rule.get("velocity", "new")
            yield Equation(
                rf"v_0 = f'(x_0), \qquad v_{{t+1}} = \beta\,v_t + (1 - \beta)\,f'(x_t), \qquad {MOMENTUM[velocity]}",
                rf"Momentum (Eq. 5), $\beta = {rule.get('beta', 0.9):g}$: the step follows a running mean of the "
                r"slopes so far. The sheet writes $x_{t+1} = x_t - \eta v$ without saying which $v$; assumed here: the "
                + ("one that the newest slope is in." if velocity == "new" else "one from before the newest slope.")
                + f" The other reading: `--set rule=momentum --set rule.velocity={OTHER[velocity]}`.",
            )
        else:
            yield (
                f"**{rule['name']}** is the package's own optimiser of that name ({OPTIMIZERS[rule['name']].source}); "
                f"its equations head the page `engine/optim/{rule['name']}.py`. The tables show what it keeps."
            )


def _ends(descents: list[dict[str, Any]], low: dict[str, float] | None) -> Table:
    rows = []
    for each in descents:
        first, last = each["path"][0], each["path"][-1]
        rows.append(
            {
                "path": each["title"],
                "x0": first["x"],
                "x": last["x"],
                "f0": first["f"],
                "f": last["f"],
                "fall": first["f"] - last["f"],
                "left": None if low is None else abs(last["x"] - low["x"]),
            }
        )
    columns = [
        Column("path", "Rule", align="left"),
        Column("x0", "Start", format=".6g"),
        Column("x", "End", format=".6g"),
        Column("f0", "f at the start", format=".6g"),
        Column("f", "f at the end", format=".6g"),
        Column("fall", "Fallen by", format=".4g"),
    ]
    if low is not None:
        columns.append(Column("left", "Still to go", format=".4g", help="distance in x to the lowest point"))
    else:
        rows = [{key: value for key, value in row.items() if key != "left"} for row in rows]
    return Table(f"After {descents[0]['path'][-1]['t']} steps", columns, rows, name="ends")


def _steps(each: dict[str, Any]) -> Table:
    path = each["path"]
    parts = list(path[0]["parts"])[:6]
    kept = list(dict.fromkeys(name for row in path for name in row.get("kept", {})))
    columns = [Column("t", "t"), Column("x", "x", format=".6g")]
    columns += [Column(f"part {i}", text, format=".6g") for i, text in enumerate(parts)]
    columns += [Column("f", "f(x)", format=".6g"), Column("slope", "f′(x)", format=".6g")]
    columns += [Column(f"kept {name}", f"{name} then" if name != "v" else "v of t + 1", format=".6g") for name in kept]
    columns.append(Column("step", "Step", format=".6g", help="x of the next row less this x"))
    rows = []
    for row, after in zip(path, [*path[1:], None], strict=True):
        rows.append(
            {
                "t": row["t"],
                "x": row["x"],
                "f": row["f"],
                "slope": row["slope"],
                **{f"part {i}": row["parts"][text] for i, text in enumerate(parts)},
                **{f"kept {name}": row.get("kept", {}).get(name) for name in kept},
                "step": None if after is None else after["x"] - row["x"],
            }
        )
    title = f"Every step from {digits(each['x0'])}, {each['title']}"
    return Table(title, columns, rows, name=f"steps-from-{each['x0']:g}")


def _substituted(each: dict[str, Any]) -> Iterator[Equation]:
    """The first steps with their numbers put in, for the two rules that one can follow on paper."""
    path, eta, name = each["path"], each["lr"], each["rule"]["name"]
    lines = []
    old = each["rule"].get("velocity", "new") == "old"
    beta = each["rule"].get("beta", 0.9)
    before = path[0]["slope"]
    for row, after in list(pairwise(path))[:5]:
        t, x, slope = row["t"], row["x"], row["slope"]
        if name == "gd":
            direction = slope
        elif name == "momentum":
            v = row["kept"]["v"]
            lines.append(
                rf"v_{{{t + 1}}} &= {_l(beta)}\cdot {_l(before, True)} + {_l(1 - beta)}\cdot {_l(slope, True)}"
                rf" = {_l(v)}"
            )
            direction, before = (before if old else v), v
        else:
            return
        lines += [
            rf"x_{{{t + 1}}} &= {_l(x)} - {_l(eta)}\cdot {_l(direction, True)} = {_l(after['x'])}",
            rf"f(x_{{{t + 1}}}) &= {_l(after['f'])}",
        ]
    if lines:
        yield Equation(aligned(lines))


def _l(value: float, follows: bool = False) -> str:
    """A number as LaTeX, six digits; in brackets where it follows a sign and has one."""
    return bracketed(value, 6) if follows else number(value, 6)


def _bottom(found: dict[str, Any]) -> Iterator[str]:
    if low := found["bottom"]:
        yield f"The lowest point in the picture is $f({_l(low['x'])}) = {_l(low['f'])}$, found by a bounded search."
    else:
        yield "In the picture the curve has no lowest point: it is still falling at an edge, or nowhere defined."


ENTRY = Study(
    name="gelu-descent",
    title=TITLE,
    question=QUESTION,
    theme="By hand",
    source="course 24-789, CMU 2021; Hendrycks & Gimpel 2016",
    settings=GeluDescentSettings,
    trial=trial,
    compares=(),
    seeded=False,
    scales={
        "smoke": Scale("three steps of each descent", seeds=1, time="5 s", complete=True),
        "quick": Scale("three steps of each descent, as the sheet asks", seeds=1, time="8 s"),
        "full": Scale("a hundred steps of each descent", seeds=1, set={"steps": 100}, time="15 s"),
    },
    report=report,
)
