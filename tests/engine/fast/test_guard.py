"""Whatever way a step reads a Python value, it is noticed when that has changed, and put back when it is told to be."""

import argparse
import types
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from underhood import nn
from underhood.engine.fast.guard import Guard

factor = 1.0
gain = 1.0  # which the base class alone reads
table = {"factor": 1.0}
module = types.ModuleType("constants")
module.__file__, module.factor = "constants.py", 1.0  # type: ignore[attr-defined]


class Holder:
    shared: dict[str, float] = {}  # noqa: RUF012  what all of the class share

    def __init__(self) -> None:
        self.factor, self.inner = 1.0, types.SimpleNamespace(factor=1.0)

    def doubled(self) -> float:
        return 2 * self.factor

    @property
    def read(self) -> float:
        return self.doubled()


class Base(nn.Module):
    """A base class of the user's own."""

    def inherited(self) -> float:
        return gain

    @property
    def as_property(self) -> float:
        return gain

    @staticmethod
    def as_static() -> float:
        return gain

    @classmethod
    def as_class(cls) -> float:
        return gain


class Net(Base):
    def __init__(self) -> None:
        super().__init__()
        self.factor = 1.0
        self.several = [1.0, {"deep": [1.0]}]
        self.child = nn.Dropout(0.5)
        self.parts = nn.ModuleList([nn.Identity()])

    def forward(self, x: float) -> float:
        return x * self.inherited()


def helper(x: float) -> float:
    return x * factor


def nested(x: float) -> float:
    """What it reads stands in a function in a function in it."""

    def outer() -> Any:
        def inner() -> float:
            return x * factor

        return inner

    return outer()()


def comprehended(x: float) -> float:
    return max(max(x * factor for _ in range(2)) for _ in range(2))


def rebind(value: float) -> None:
    global factor, gain
    factor = gain = value


def ways() -> dict[str, tuple[Callable[..., Any], Callable[[], Any], Callable[[], Any]]]:
    """A step, what it reads, and how that is changed."""
    held, net, items, pairs, names = Holder(), Net(), [1.0, [1.0]], {"a": {"b": 1.0}}, {"one"}
    array, cell, empty = np.ones(3), 1.0, []

    def set_cell() -> None:
        nonlocal cell
        cell = 2.0

    def by_default(x: float, y: Any = items) -> Any:
        return x * y[0]

    def by_keyword(x: float, *, y: Any = pairs) -> Any:
        return x * y["a"]["b"]

    options = argparse.Namespace(factor=1.0)
    hold, set_net, set_option = (partial(setattr, each, "factor", 2.0) for each in (held, net, options))
    globally = partial(rebind, 2.0)
    read = lambda: factor  # noqa: E731
    return {
        "a closure's cell": (lambda x: x * cell, lambda: cell, set_cell),
        "a list": (lambda x: x * items[0], lambda: items[0], partial(items.__setitem__, 0, 2.0)),
        "a list in a list": (lambda x: x * items[1][0], lambda: items[1][0], lambda: items[1].__setitem__(0, 2.0)),
        "a longer list": (lambda x: x * len(items), lambda: len(items), partial(items.append, 3.0)),
        "an empty list": (lambda x: x * len(empty), lambda: len(empty), partial(empty.append, 1.0)),
        "a dict in a dict": (lambda x: x * pairs["a"]["b"], lambda: pairs["a"]["b"], lambda: pairs["a"].update(b=2.0)),
        "a dict's keys": (lambda x: x * len(pairs), lambda: [*pairs], lambda: pairs.update(c=1.0)),
        "a set": (lambda x: x * len(names), lambda: {*names}, lambda: names.add("two")),
        "a list in a tuple": ((lambda t: lambda x: x * t[0][0])((items,)), lambda: items[0], lambda: items.pop(0)),
        "an array": (lambda x: x * array, lambda: array.sum(), lambda: array.__setitem__(1, 5.0)),
        "a default": (by_default, lambda: items[0], lambda: items.__setitem__(0, 2.0)),
        "a keyword's default": (by_keyword, lambda: pairs["a"]["b"], lambda: pairs["a"].update(b=2.0)),
        "a partial's argument": (partial(max, items), lambda: items[0], lambda: items.__setitem__(0, 2.0)),
        "a partial's keyword": (partial(max, key=lambda x: x * items[0]), lambda: items[0], lambda: items.insert(0, 4)),
        "an attribute": (lambda x: x * held.factor, lambda: held.factor, hold),
        "an attribute's attribute": (
            lambda x: x * held.inner.factor,
            lambda: held.inner.factor,
            lambda: setattr(held.inner, "factor", 2.0),
        ),
        "an option of a command": (lambda x: x * options.factor, lambda: options.factor, set_option),
        "what a method reads": (
            lambda x: x * held.doubled(),
            lambda: held.factor,
            hold,
        ),
        "what a property reads": (lambda x: x * held.read, lambda: held.factor, hold),
        "a bound method": (held.doubled, lambda: held.factor, hold),
        "a global": (lambda x: x * factor, read, globally),
        "a global of a helper": (lambda x: helper(x), read, globally),
        "a global two functions deep": (nested, read, globally),
        "a global in a comprehension": (comprehended, read, globally),
        "a global dict": (lambda x: x * table["factor"], lambda: table["factor"], lambda: table.update(factor=2.0)),
        "a file's name": (lambda x: x * module.factor, lambda: module.factor, lambda: setattr(module, "factor", 2.0)),
        "a network's setting": (net, lambda: net.factor, set_net),
        "a list of a network": (net, lambda: net.several[0], lambda: net.several.__setitem__(0, 2.0)),
        "a list deep in a network": (
            net,
            lambda: net.several[1]["deep"][0],
            lambda: net.several[1]["deep"].__setitem__(0, 2.0),
        ),
        "a layer's setting": (net, lambda: net.child.p, lambda: setattr(net.child, "p", 0.1)),
        "a layer's mode": (net, lambda: net.child.training, lambda: net.child.eval()),
        "a layer more": (net, lambda: len(net.parts), lambda: net.parts.append(nn.Identity())),
        "a global of an inherited method": (net, lambda: gain, globally),
        "a network in a list": (
            (lambda n: lambda x: n[0](x))([net]),
            lambda: net.factor,
            set_net,
        ),
    }


@pytest.mark.parametrize("way", ways())
def test_a_change_is_noticed_and_undone(way: str) -> None:
    step, read, change = ways()[way]
    before = read()
    guard = Guard(step)
    assert guard.changed() == ""
    try:
        change()
        assert read() != before
        assert guard.changed().endswith(("has changed", "has hooks"))
        guard.restore()
        assert guard.changed() == ""
        assert read() == before
    finally:
        rebind(1.0)
        table["factor"] = module.factor = 1.0  # type: ignore[attr-defined]


@pytest.mark.parametrize("part", ["inherited", "as_property", "as_static", "as_class"])
def test_a_base_class_is_watched_as_the_class_itself(part: str, monkeypatch: Any) -> None:
    """Of each kind of method alone: the others read nothing."""
    for name in ("inherited", "as_property", "as_static", "as_class"):
        if name != part:
            monkeypatch.delattr(Base, name)
    monkeypatch.setattr(Net, "forward", lambda self, x: x)
    guard = Guard(Net())
    try:
        rebind(2.0)
        assert guard.changed() != ""
    finally:
        rebind(1.0)


def test_hooks_are_no_change_that_can_be_undone() -> None:
    net = Net()
    guard = Guard(net)
    handle = net.child.register_forward_hook(lambda *_: None)
    assert guard.changed().endswith("has hooks")
    handle.remove()
    assert guard.changed() == ""
