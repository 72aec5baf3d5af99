"""A user's own optimiser held against the one that it is meant to be: the same gradients, step by step.

It is a class for tensors of either library, made with a list of parameters and settings, with a `step()`. Every
setting that both know is tried: the defaults, then each of the others with a value that shows.
"""

import inspect
from importlib import import_module
from typing import Any

import numpy as np

from underhood import engine
from underhood.engine.optim import OPTIMIZERS, Entry, Optimizer
from underhood.errors import BadInput, nearest
from underhood.instruments.check.faults import Diagnosis
from underhood.instruments.check.faults.optimisers import History, diagnose_path, path
from underhood.instruments.check.findings import DOUBLE, Findings, Verdict, error, findings, text
from underhood.instruments.check.gap import Array, gap
from underhood.instruments.check.operations import undiagnosed, which
from underhood.instruments.pytorch import load_torch
from underhood.tables import Column

STEPS = 20
# values at which a setting shows; ε is large, so that where it stands shows
TRIED = {
    "weight_decay": 0.1,
    "momentum": 0.9,
    "dampening": 0.3,
    "eps": 1e-3,
    "betas": (0.8, 0.95),
    "alpha": 0.9,
    "rho": 0.8,
    "amsgrad": True,
    "nesterov": True,
    "centered": True,
    "maximize": True,
    "lr_decay": 0.05,
    "decoupled_weight_decay": True,
    "momentum_decay": 0.1,
    "initial_accumulator_value": 0.3,
}


def is_optimizer(thing: Any) -> bool:
    """Whether it is a class that steps parameters."""
    return inspect.isclass(thing) and callable(getattr(thing, "step", None)) and not hasattr(thing, "get_last_lr")


def entry_named(name: str) -> Entry:
    if name not in OPTIMIZERS:
        raise BadInput(f'there is no optimiser "{name}"; {nearest(name, list(OPTIMIZERS))}')
    return OPTIMIZERS[name]


def meant(name: str) -> Entry | None:
    """The optimiser whose name is in a class's name, the longest of them."""
    plain = name.rpartition(":")[2].lower().replace("_", "")
    found = [entry for entry in OPTIMIZERS.values() if entry.name.replace("-", "") in plain]
    return max(found, key=lambda entry: len(entry.name)) if found else None


def check_optimizer(cls: Any, name: str, entry: Entry, oracle: str | None = None) -> Findings:
    """A row for each set of settings."""
    rows, verdicts = [], []
    by_reference = bool(entry.reference) and which(oracle) == "torch"
    for settings in _settings(cls, entry):
        history = _history()
        right = _theirs(entry, settings, history) if by_reference else path(entry.optimizer, settings, history)
        found = run(cls, settings, history)
        gaps = [gap(f, r) for f, r in zip(found, right, strict=True)]
        parted = next((k for k, g in enumerate(gaps) if not g.relative <= DOUBLE), None)
        described = ", ".join(f"{key}={value}" for key, value in settings.items()) or "defaults"
        rows.append({"settings": described, "worst": max(g.relative for g in gaps), "step": parted and parted + 1})
        verdicts.append(Verdict())
        if parted is not None:
            rows[-1]["step"] = parted + 1
            upto = History(history.start, history.gradients[: parted + 1])
            diagnosis: Diagnosis | None = diagnose_path(entry.optimizer, settings, upto, found[parted])
            problem = diagnosis or undiagnosed(gaps[parted], found[parted], right[parted])
            verdicts[-1] = Verdict({"w": problem})
    columns = [text("settings", "Settings"), error("worst", f"Worst of {STEPS} steps"), Column("step", "Parts at step")]
    title = f"{name} against {entry.reference if by_reference else 'the engine’s ' + entry.name}"
    return findings(title, columns, rows, verdicts, ["Shared random gradients, float64."], "check-optimizer")


def _settings(cls: Any, entry: Entry) -> list[dict[str, Any]]:
    """None, then each setting that both have."""
    mine, theirs = (inspect.signature(c).parameters for c in (cls, entry.optimizer))
    shared = [key for key in TRIED if key in mine and key in theirs]
    tried: list[dict[str, Any]] = [{"lr": 0.05}, *({"lr": 0.05, key: TRIED[key]} for key in shared)]
    for settings in tried:
        if "nesterov" in settings or "dampening" in settings:
            settings["momentum"] = 0.9
    return tried


def _history() -> History:
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=(3, 4)) * 10 ** rng.uniform(-2, 1) for _ in range(STEPS)]
    return History(rng.normal(size=(3, 4)), gradients)


def run(cls: Any, settings: dict[str, Any], history: History) -> list[Array]:
    """The weights after each step of an optimiser of either library."""
    if issubclass(cls, Optimizer):
        w: Any = engine.tensor(history.start, requires_grad=True)
        as_tensor: Any = engine.tensor
    else:
        torch = load_torch("an optimiser on PyTorch's tensors")
        w, as_tensor = torch.tensor(history.start, requires_grad=True), torch.tensor
    optimizer = cls([w], **settings)
    made = []
    for g in history.gradients:
        w.grad = as_tensor(g)
        optimizer.step()
        made.append(np.array(w.detach().numpy()))
    return made


def _theirs(entry: Entry, settings: dict[str, Any], history: History) -> list[Array]:
    module, _, cls = entry.reference.rpartition(".")
    return run(getattr(import_module(module), cls), settings, history)
