"""Averages of the weights over the steps of a training: one page each (what they share: average.py).

    averaging = {name = "ema", decay = 0.999}

A new one is a file and its name in the list below.
"""

from underhood.training.averaging.average import Average, Averaging
from underhood.training.averaging.ema import EMA
from underhood.training.averaging.lookahead import Lookahead

AVERAGES: dict[str, type[Averaging]] = {page.name: page for page in (EMA, Lookahead)}

__all__ = ["AVERAGES", "EMA", "Average", "Averaging", "Lookahead"]
