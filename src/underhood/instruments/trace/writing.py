"""A trace written out: as text for the terminal, as a page of nested equations for a browser."""

from collections.abc import Callable, Sequence
from html import escape

from underhood.instruments.page import FRAME
from underhood.instruments.trace.equation import Equation, Term, alike, number

INDENT = "    "


def as_text(equation: Equation, level: int = 0) -> str:
    """The equation, its summands in a column with their names, their sum, then what went into them."""
    write = writer(equation)
    lines = [f"{equation.name} = {write(equation.value)}"]
    if equation.law:
        lines += [f"  {equation.operation}:  {equation.law}", f"  = {equation.filled}"]
    if equation.terms:
        rows = [(term.value, _how(term), term.named) for term in equation.terms]
        if equation.others:
            plural = "s" if equation.others > 1 else ""
            rows.append((equation.rest, "", f"{equation.others} smaller one{plural} together"))
        width = max(len(write(value)) for value in (equation.total, *(row[0] for row in rows)))
        lines += ["", *_column(rows, write, width)]
        if len(rows) > 1:
            lines += [f"  {'─' * width}", f"  {write(equation.total):>{width}}"]
    lines += [f"  {check.who}: {write(check.value)}, {_off(check.off)}" for check in equation.checks]
    text = "\n".join((INDENT * level + line).rstrip() for line in lines)
    return "\n\n".join([text, *(as_text(child, level + 1) for child in equation.children)])


def writer(equation: Equation) -> Callable[[float], str]:
    """How the numbers of an equation are written that its sum is made of, and the sum itself."""
    if not equation.terms:
        return number
    return alike([equation.value, equation.total, equation.rest, *(term.value for term in equation.terms)])


def _how(term: Term) -> str:
    return f"= {term.filled}" if len(term.factors) > 1 else ""


def _column(rows: list[tuple[float, str, str]], write: Callable[[float], str], width: int) -> list[str]:
    """Values under each other, then how they came about, then the names."""
    middle = max(len(how) for _, how, _ in rows)
    gap = "  " if middle else ""
    return [f"  {write(value):>{width}}{gap}{how:<{middle}}  {name}" for value, how, name in rows]


def _off(off: float) -> str:
    return "the same number" if off == 0 else f"off by {off:.0e} of it"


# -- a page --

STYLE = """
.trace { font: 15px/1.5 system-ui, sans-serif; }
.trace details { border-left: 2px solid color-mix(in srgb, currentColor 20%, transparent); padding-left: 1rem; }
.trace details, .trace .leaf { margin: .4rem 0; }
.trace summary { cursor: pointer; }
.trace code { font: 14px/1.5 ui-monospace, monospace; }
.trace .law, .trace .check { opacity: .7; }
.trace table { border-collapse: collapse; margin: .3rem 0 .3rem 1rem; }
.trace td { padding: 0 .8rem 0 0; font-variant-numeric: tabular-nums; }
.trace td:first-child { text-align: right; }
.trace tr.sum td { border-top: 1px solid; }
.trace math { font-size: 1.05em; overflow-wrap: anywhere; }
"""


def as_page(title: str, equation: Equation, notes: Sequence[str] = ()) -> str:
    """A page of its own, in one file."""
    body = as_html(equation) + "".join(f"<p>{escape(note)}</p>" for note in notes)
    return FRAME.format(title=escape(title), style="", body=body)


def as_html(equation: Equation) -> str:
    """Nested equations that open and close, each in MathML with its summands in a table."""
    return f'<style>{STYLE}</style><div class="trace">{_node(equation, True)}</div>'


def _node(equation: Equation, is_open: bool = False) -> str:
    write = writer(equation)
    head = f"<code>{escape(equation.name)}</code> = {write(equation.value)}"
    if not equation.law:
        return f'<div class="leaf">{head}</div>'
    law = f'<span class="law">{escape(equation.operation)}: <code>{escape(equation.law)}</code></span>'
    checks = "".join(
        f'<div class="check">{escape(check.who)}: {write(check.value)}, {_off(check.off)}</div>'
        for check in equation.checks
    )
    children = "".join(_node(child) for child in equation.children)
    opened = " open" if is_open else ""
    return (
        f"<details{opened}><summary>{head}</summary><div>{law}</div><div>{_math(equation)}</div>"
        f"{_table(equation)}{checks}{children}</details>"
    )


def _math(equation: Equation) -> str:
    """`value = filled` as MathML, without a library: rows of numbers and signs, roots and powers left in line."""
    filled, more, count = equation.filled.partition(" … (")
    tokens = _tokens(f"{writer(equation)(equation.value)} = {filled}")
    text = f"<mtext>{more}{count}</mtext>".replace(" ", "\u00a0") if more else ""
    return f"<math><mrow>{''.join(tokens)}{text}</mrow></math>"


def _tokens(text: str) -> list[str]:
    """Numbers as <mn>, names as <mi>, the rest as <mo>."""
    tokens, i = [], 0
    while i < len(text):
        j = i + 1
        if text[i].isdigit() or (text[i] == "−" and text[j : j + 1].isdigit() and not (i and text[i - 1] in " )")):
            while j < len(text) and (text[j].isdigit() or text[j] in ".e" or (text[j] in "−+" and text[j - 1] == "e")):
                j += 1
            tokens.append(f"<mn>{text[i:j]}</mn>")
        elif text[i].isalpha():
            while j < len(text) and text[j].isalpha():
                j += 1
            tokens.append(f"<mi>{text[i:j]}</mi>")
        elif not text[i].isspace():
            tokens.append(f"<mo>{escape(text[i])}</mo>")
        i = j
    return tokens


def _table(equation: Equation) -> str:
    if not equation.terms:
        return ""
    write = writer(equation)
    rows = [(write(t.value), _how(t), t.named) for t in equation.terms]
    if equation.others:
        plural = "s" if equation.others > 1 else ""
        rows.append((write(equation.rest), "", f"{equation.others} smaller one{plural} together"))
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    total = f'<tr class="sum"><td>{write(equation.total)}</td><td></td><td></td></tr>' if len(rows) > 1 else ""
    return f"<table>{body}{total}</table>"
