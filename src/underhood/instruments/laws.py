"""An operation's law, as its page writes it."""

import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

from underhood.engine.forms import OPERATIONS, Operation

# Pages of functions of one or two numbers: the first line of each function is what it computes.
EQUATIONS_OF_FUNCTIONS = {
    "underhood.engine.lift": "z",
    "underhood.engine.ops.compare": "z",
    "underhood.engine.losses": "E[i]",
}
DEFINED = ("â", "μ", "o ", "r ", "x = [")  # what a page defines before it says z
LEFT = r"({names})(\[[^\]]*\])? = "


def law(operation: Operation) -> str:
    """The equation of the page, `z[n,j] = b[j] + Σᵢ a[n,i] · w[j,i]`, with what the line says before it."""
    says = (operation.call.__doc__ or operation.name).strip().splitlines()[0].rstrip(".")
    if left := EQUATIONS_OF_FUNCTIONS.get(operation.call.__module__):
        return f"{left} = {says.removeprefix('z = ')}"
    lines = list(_equations(operation))
    for is_own in (True, False):
        for names in ("z", "log y" if operation.name.startswith("log") else "E", "[a-zα-ωâ]"):
            for line in lines:
                for i, equation in enumerate(line):
                    if equation.is_own >= is_own and re.match(LEFT.format(names=names), equation.text):
                        before = [one.text for one in line[:i] if one.text.startswith(DEFINED)]
                        return "; ".join([*before, equation.text])
    if title := re.search(r"(z(\[[^\]]*\])? = [^,.]*\])", _page(operation).partition("\n")[0]):
        return title.group(1)
    return re.split(r"[;:.]", says)[0]


def gradient_law(operation: Operation, i: int) -> str:
    """The page's equation for ∂E/∂ input i; in general, the sum over the outputs that it has a part in."""
    name = operation.arguments[i] if i < len(operation.arguments) else operation.rest
    if operation.call.__module__ in EQUATIONS_OF_FUNCTIONS and len(operation.arguments) == 1:
        return f"∂E/∂{name} = δ · {operation.name}′({name})"
    for line in _equations(operation):
        for equation in line:
            if re.match(rf"∂E(\[[^\]]*\])?/∂{re.escape(name)}(\[[^\]]*\])? = ", equation.text):
                return equation.text
    return f"∂E/∂{name} = Σ δ · ∂z/∂{name}"


def _page(operation: Operation) -> str:
    return sys.modules[operation.call.__module__].__doc__ or ""


class Written(NamedTuple):
    """An equation of a page, and whether it is said to be this operation's own."""

    text: str
    is_own: bool


def _equations(operation: Operation) -> Iterator[list[Written]]:
    """The indented equations of the page's head, line by line, cut at wide gaps.

    Where a page has several operations an equation may begin with the name of its own, `amax  z[k] = maxᵣ x[k,r]`
    or `mean: z[k] = …`; those of the others are left out.
    """
    for line in _page(operation).splitlines():
        if not line.startswith("    ") or " = " not in line:
            continue
        name, body = _named(line.strip(), " ")
        if name in ("", operation.name):
            parts = (_named(part, ":") for part in re.split(r"\s{3,}", re.sub(r"\s+= ", " = ", body)))
            yield [
                Written(text.rstrip(","), bool(name or of))
                for of, text in parts
                if of in ("", operation.name) and " = " in text
            ]


def _named(text: str, mark: str) -> tuple[str, str]:
    """The operation that a text begins with, and the rest of it."""
    found = re.match(rf"(\w+){mark} *(?=\S)", text)
    if found and found.group(1) in OPERATIONS:
        return found.group(1), text[found.end() :]
    return "", text
