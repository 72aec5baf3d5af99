"""What the rows of a table of layers have in common: which arguments they give, and what a layer keeps of them."""

import ast
import inspect
from collections.abc import Iterable
from typing import Any

from underhood.engine import nn

PLAIN = (bool, int, float, str, tuple, type(None))
NOWHERE = {"device", "dtype"}  # said to every layer alike


def kept(net: Any) -> dict[str, Any]:
    """Every plain public attribute of a module and of those in it, by its path."""
    return {
        f"{path}.{name}": value
        for path, module in net.named_modules()
        for name, value in vars(module).items()
        if not name.startswith("_") and isinstance(value, PLAIN)
    }


def keeps_the_same(ours: Any, reference: Any) -> None:
    """What both call by one name is equal: an argument that is dropped on its way into a layer is seen."""
    here, there = kept(ours), kept(reference)
    both = here.keys() & there.keys()
    assert {name: here[name] for name in both} == {name: there[name] for name in both}


def never_given(layers: Iterable[str], name: str) -> set[str]:
    """The arguments of the layer `name` that no row, as `Conv2d(3, 4, 3)`, gives."""
    signature = inspect.signature(getattr(nn, name))
    left = set(signature.parameters) - NOWHERE
    for row in layers:
        call = ast.parse(row, mode="eval").body
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == name:
            keywords = {k.arg: k.value for k in call.keywords if k.arg}
            left -= signature.bind(*call.args, **keywords).arguments.keys()
    return left
