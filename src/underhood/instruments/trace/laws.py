"""An operation's law, as its page writes it."""

import re
import sys

from underhood.engine.forms import Operation

LIFTED = "underhood.engine.lift"  # where functions of one or two numbers are made into operations


def law(operation: Operation) -> str:
    """The first equation of the page, `z[n,j] = b[j] + Σᵢ a[n,i] · w[j,i]`."""
    if operation.call.__module__ == LIFTED:
        text = (operation.call.__doc__ or operation.name).strip().splitlines()[0]
        return f"z = {text.removeprefix('z = ').rstrip('.')}"
    for line in _page(operation):
        if re.match(r"    (\S+  +)?z\S* = ", line):
            return _first(line[line.index("z") :])
    return f"z = {operation.name}({', '.join(operation.arguments)})"


def gradient_law(operation: Operation, i: int) -> str:
    """The page's equation for ∂E/∂ input i; in general, the sum over the outputs that it has a part in."""
    name = operation.arguments[i] if i < len(operation.arguments) else operation.rest
    if operation.call.__module__ == LIFTED and len(operation.arguments) == 1:
        return f"∂E/∂{name} = δ · {operation.name}′({name})"
    for line in _page(operation):
        found = re.search(rf"∂E(\[[^\]]*\])?/∂{re.escape(name)}(\[[^\]]*\])?\s+= .*", line)
        if found:
            return _first(found.group())
    return f"∂E/∂{name} = Σ δ · ∂z/∂{name}"


def _page(operation: Operation) -> list[str]:
    return (sys.modules[operation.call.__module__].__doc__ or "").splitlines()


def _first(text: str) -> str:
    """What stands before the next column."""
    return re.split(r"\s{3,}", re.sub(r"\s+= ", " = ", text.strip()), maxsplit=1)[0]
