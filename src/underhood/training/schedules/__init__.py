"""Schedules of the learning rate: one page each, a pure function of how far the training is (schedule.py).

    schedule = {name = "cosine", warmup = 5}

A new one is a file and its name in the list below.
"""

from underhood.training.schedules.constant import Constant
from underhood.training.schedules.cosine import Cosine
from underhood.training.schedules.linear import Linear
from underhood.training.schedules.one_cycle import OneCycle
from underhood.training.schedules.plateau import Plateau
from underhood.training.schedules.polynomial import Polynomial
from underhood.training.schedules.powers import Decay, Exponential, MultiStep
from underhood.training.schedules.schedule import Moment, Schedule

SCHEDULES: dict[str, type[Schedule]] = {
    page.name: page for page in (Constant, Decay, Exponential, MultiStep, Cosine, Linear, Polynomial, OneCycle, Plateau)
}

__all__ = [
    "SCHEDULES",
    "Constant",
    "Cosine",
    "Decay",
    "Exponential",
    "Linear",
    "Moment",
    "MultiStep",
    "OneCycle",
    "Plateau",
    "Polynomial",
    "Schedule",
]
