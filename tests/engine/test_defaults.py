"""What goes without saying here goes without saying in PyTorch: the defaults of everything that both have.

PyTorch's are read off its signatures, and off its operators' schemas where a function is compiled.
"""

import inspect

import pytest
import torch

import underhood
from underhood.engine import functional, nn, optim
from underhood.engine.nn import init
from underhood.engine.optim import lr_scheduler

PLACES = {
    "functional": (functional, torch.nn.functional),
    "underhood": (underhood, torch),
    "Tensor": (underhood.Tensor, torch.Tensor),
    "nn": (nn, torch.nn),
    "init": (init, torch.nn.init),
    "optim": (optim, torch.optim),
    "lr_scheduler": (lr_scheduler, torch.optim.lr_scheduler),
}
SPELT = {"reduction": {"mean": 1}, "padding_idx": {None: -1}}  # a schema has numbers for these
OTHERWISE = {
    "Generator.device": "None is cpu",
    "bernoulli.p": "None takes the probabilities from the input",
    "load.weights_only": "there is nothing else that load would read",
    "meshgrid.indexing": "None is ij with a warning",
    "cumulative_trapezoid.dx": "None is 1",
    "trapezoid.dx": "None is 1",
    "trapz.dx": "None is 1",
    "randint.dtype": "None is int64",
    "randperm.dtype": "None is int64",
}


def stated(call):
    """The defaults of a Python signature; None where there is no signature."""
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return None
    return {p.name: [p.default] for p in parameters if p.default is not p.empty}


def in_schemas(name):
    """Every default of an operator by its argument, over its overloads."""
    packet = getattr(torch.ops.aten, name, None)
    found = {}
    for overload in packet.overloads() if packet else ():
        for argument in getattr(packet, overload)._schema.arguments:
            if argument.has_default_value():
                found.setdefault(argument.name, []).append(argument.default_value)
    return found


def alike(mine, theirs, key):
    if key in SPELT and not isinstance(theirs, str | None):
        mine = SPELT[key].get(mine, mine)
    if isinstance(theirs, list):  # of axes: (1, 1) for 1, and nothing for None
        return mine in (None, ()) if not theirs else mine == tuple(theirs) or all(each == mine for each in theirs)
    return mine == theirs or (callable(mine) and mine.__name__ == getattr(theirs, "__name__", ""))


def pairs(place):
    """Each default that both state: its name, ours, theirs in every overload."""
    ours, theirs = PLACES[place]
    for name in dir(ours):
        call, other = getattr(ours, name), getattr(theirs, name, None)
        if name.startswith("_") or not callable(call) or other is None:
            continue
        found = stated(other)
        found = in_schemas(name) if found is None else found
        for key, (default,) in (stated(call) or {}).items():
            if key in found and f"{name}.{key}" not in OTHERWISE:
                yield f"{name}.{key}", default, found[key]


@pytest.mark.parametrize("place", PLACES)
def test_defaults_are_pytorch_s(place):
    differ = []
    for name, mine, theirs in pairs(place):
        if not any(alike(mine, each, name.rpartition(".")[2]) for each in theirs):
            differ.append((name, mine, theirs))
    assert not differ


def test_hundreds_are_compared():
    assert sum(1 for place in PLACES for _ in pairs(place)) > 1000
