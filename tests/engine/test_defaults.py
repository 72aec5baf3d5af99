"""Every default is PyTorch's: modules, functions, initialisers, optimisers and schedules, argument by argument."""

import inspect

import pytest
import torch

from underhood import nn, optim

PAIRS = {
    "nn": (nn, torch.nn),
    "nn.functional": (nn.functional, torch.nn.functional),
    "nn.init": (nn.init, torch.nn.init),
    "optim": (optim, torch.optim),
    "optim.lr_scheduler": (optim.lr_scheduler, torch.optim.lr_scheduler),
}


def defaults(function):
    """Each argument's default that has one; {} where Python cannot tell."""
    try:
        parameters = inspect.signature(function).parameters
    except (ValueError, TypeError):
        return {}
    return {name: p.default for name, p in parameters.items() if p.default is not p.empty}


def named(value):
    return value.__name__ if callable(value) else value


def both(ours, theirs):
    """The names that both offer, with ours and theirs."""
    for name in dir(theirs):
        if not name.startswith("_") and callable(getattr(theirs, name)) and callable(getattr(ours, name, None)):
            yield name, getattr(ours, name), getattr(theirs, name)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("of", PAIRS)
def test_defaults_are_pytorch_s(of):
    compared = 0
    for name, ours, theirs in both(*PAIRS[of]):
        known = defaults(theirs)
        for argument, default in defaults(ours).items():
            if argument in known:
                compared += 1
                assert named(default) == named(known[argument]), f"{of}.{name}({argument}=)"
    assert compared > 20, "hardly anything was compared"
