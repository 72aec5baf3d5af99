"""A schedule of the learning rate against PyTorch's scheduler of the same rule, epoch by epoch.

The schedules stand on a floor above the instruments: who calls `check` hands them over (`Schedules`). One for which
PyTorch has no scheduler is only looked through: its rates are finite and not negative.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from underhood.instruments.check.faults import Diagnosis
from underhood.instruments.check.findings import DOUBLE, Findings, Verdict, error, findings, text
from underhood.instruments.check.gap import gap
from underhood.instruments.check.operations import undiagnosed
from underhood.instruments.pytorch import load_torch
from underhood.tables import Column

EPOCHS = 200  # past the last epoch that a default names


@dataclass(frozen=True)
class Schedules:
    """The registry, and what makes the moment that `rate` is asked about: (epoch, epochs, watched=…)."""

    entries: Mapping[str, Any]
    moment: Callable[..., Any]


def check_schedule(name: str, schedules: Schedules) -> Findings:
    """The rates of a schedule with its defaults, one for every epoch."""
    schedule = schedules.entries[name]()
    watched = list(np.abs(np.random.default_rng(0).normal(size=EPOCHS)))
    rates = np.array(
        [schedule.rate(schedules.moment(float(k), float(EPOCHS), watched=watched[:k])) for k in range(EPOCHS)]
    )
    known = schedule.reference(EPOCHS)
    row: dict[str, Any] = {"schedule": name, "epochs": EPOCHS, "first": rates[0], "last": rates[-1]}
    columns = [text("schedule", "Schedule"), Column("epochs", "Epochs"), Column("first", "First rate", format=".4g")]
    columns += [Column("last", "Last rate", format=".4g"), error("error", "Error")]
    if known is None:
        fine = bool(np.isfinite(rates).all() and (rates >= 0).all())
        problem = Diagnosis("not a rate", "some rates are negative or not finite")
        foot = ["PyTorch has no such scheduler: its rates are finite and not negative, nothing else was tested."]
        verdict = Verdict(note="no reference") if fine else Verdict({"rate": problem})
        return findings(f"{name}, {_settings(schedule)}", columns, [row], [verdict], foot, f"check-{name}")
    right = _rates(known[0], known[1], watched)
    off = gap(rates, right)
    row["error"] = off.relative
    verdict = Verdict() if off.relative <= DOUBLE else Verdict({"rate": undiagnosed(off, rates, right)})
    title = f"{name}, {_settings(schedule)}, against torch.optim.lr_scheduler.{known[0]}"
    foot = [
        "The rates of all epochs for a learning rate of 1, without a warm-up, with the settings that it has by default."
    ]
    return findings(title, columns, [row], [verdict], foot, f"check-{name}")


def _settings(schedule: Any) -> str:
    return ", ".join(f"{key} = {value}" for key, value in vars(schedule).items()) or "without settings"


def _rates(name: str, arguments: Mapping[str, Any], watched: list[float]) -> Any:
    torch = load_torch("schedules")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = getattr(torch.optim.lr_scheduler, name)(optimizer, **arguments)
        by_metric = isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau)
        rates = []
        for k in range(EPOCHS):
            rates.append(float(optimizer.param_groups[0]["lr"]))
            optimizer.step()
            scheduler.step(*([watched[k]] if by_metric else []))
    return np.array(rates)
