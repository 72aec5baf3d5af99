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


def _scheduler(name: str, of: Any) -> tuple[str, Callable[[Any, Any], Any]] | None:
    """PyTorch's scheduler with the settings of a schedule, and its name; None if PyTorch has none."""
    known: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
        "constant": ("ConstantLR", lambda lr, o: lr.ConstantLR(o, 1.0, EPOCHS)),
        "decay": ("StepLR", lambda lr, o: lr.StepLR(o, int(of.period), of.factor)),
        "exponential": ("ExponentialLR", lambda lr, o: lr.ExponentialLR(o, of.factor)),
        "multi-step": ("MultiStepLR", lambda lr, o: lr.MultiStepLR(o, list(of.at), of.factor)),
        "cosine": ("CosineAnnealingLR", lambda lr, o: lr.CosineAnnealingLR(o, EPOCHS, of.end)),
        "linear": ("LinearLR", lambda lr, o: lr.LinearLR(o, 1.0, of.end, EPOCHS)),
        "one-cycle": ("OneCycleLR", lambda lr, o: _one_cycle(lr, o, of)),
        "plateau": (
            "ReduceLROnPlateau",
            lambda lr, o: lr.ReduceLROnPlateau(o, "min", of.factor, of.patience, of.threshold, "rel", eps=0.0),
        ),
    }
    return known.get(name)


def _one_cycle(lr: Any, optimizer: Any, of: Any) -> Any:
    """It counts the peak among all steps less one, and the whole to the last step."""
    return lr.OneCycleLR(
        optimizer,
        1.0,
        EPOCHS + 1,
        pct_start=(of.peak * EPOCHS + 1) / (EPOCHS + 1),
        anneal_strategy="cos" if of.curve == "cosine" else "linear",
        cycle_momentum=False,
        div_factor=1 / of.start,
        final_div_factor=of.start / of.end if of.end else 1e30,
    )


def check_schedule(name: str, schedules: Schedules) -> Findings:
    """The rates of a schedule with its defaults, one for every epoch."""
    schedule = schedules.entries[name]()
    watched = list(np.abs(np.random.default_rng(0).normal(size=EPOCHS)))
    rates = np.array(
        [schedule.rate(schedules.moment(float(k), float(EPOCHS), watched=watched[:k])) for k in range(EPOCHS)]
    )
    known = _scheduler(name, schedule)
    row: dict[str, Any] = {"schedule": name, "epochs": EPOCHS, "first": rates[0], "last": rates[-1]}
    columns = [text("schedule", "Schedule"), Column("epochs", "Epochs"), Column("first", "First rate", format=".4g")]
    columns += [Column("last", "Last rate", format=".4g"), error("error", "Error")]
    if known is None:
        fine = bool(np.isfinite(rates).all() and (rates >= 0).all())
        problem = Diagnosis("not a rate", "some rates are negative or not finite")
        foot = ["PyTorch has no such scheduler: its rates are finite and not negative, nothing else was tested."]
        verdict = Verdict(note="no reference") if fine else Verdict({"rate": problem})
        return findings(f"{name}, {_settings(schedule)}", columns, [row], [verdict], foot, f"check-{name}")
    right = _rates(known[1], watched, by_metric=name == "plateau")
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


def _rates(make: Callable[[Any, Any], Any], watched: list[float], by_metric: bool) -> Any:
    torch = load_torch("schedules")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = make(torch.optim.lr_scheduler, optimizer)
        rates = []
        for k in range(EPOCHS):
            rates.append(float(optimizer.param_groups[0]["lr"]))
            optimizer.step()
            scheduler.step(*([watched[k]] if by_metric else []))
    return np.array(rates)
