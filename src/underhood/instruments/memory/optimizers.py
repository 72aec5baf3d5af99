"""An optimiser in words, as torch's own: `sgd`, `sgd,momentum=0.9`, `adam`, `adamw,weight_decay=0.1`."""

from collections.abc import Callable
from typing import Any

from underhood.errors import BadInput, nearest
from underhood.instruments.pytorch import load_torch
from underhood.instruments.target import parse_arguments

LEFT_OUT = ("optimizer", "lbfgs", "sparseadam", "muon")  # abstract, of several passes, or not for every weight


def optimizers() -> dict[str, Any]:
    """The classes of torch.optim that can train any network, by name."""
    optim = load_torch("memory").optim
    classes = [c for c in vars(optim).values() if isinstance(c, type) and issubclass(c, optim.Optimizer)]
    return {c.__name__.lower(): c for c in classes if c.__name__.lower() not in LEFT_OUT}


def optimizer(words: str) -> Callable[[Any], Any]:
    """What makes the optimiser of these words over some parameters. BadInput names the nearest right word."""
    name, *arguments = [part.strip() for part in words.split(",")]
    known = optimizers()
    if name not in known:
        raise BadInput(f'optimizer: unknown "{name}": {nearest(name, list(known))}')
    settings = {"lr": 1e-3, **parse_arguments(arguments)}
    try:
        known[name]([load_torch().zeros(1, requires_grad=True)], **settings)
    except (TypeError, ValueError) as error:
        raise BadInput(f"optimizer: {words}: {error}") from None
    return lambda parameters: known[name](parameters, **settings)
