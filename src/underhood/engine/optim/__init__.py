"""One page an optimiser. A new one is its page and its name here; the rest takes it from the registry."""

from underhood.engine.optim import (
    adadelta,
    adagrad,
    adam,
    adamax,
    adamw,
    lion,
    lr_scheduler,
    nadam,
    nesterov,
    radam,
    rmsprop,
    rmsprop_nesterov,
    sgd,
)
from underhood.engine.optim.adadelta import Adadelta
from underhood.engine.optim.adagrad import Adagrad
from underhood.engine.optim.adam import Adam
from underhood.engine.optim.adamax import Adamax
from underhood.engine.optim.adamw import AdamW
from underhood.engine.optim.lbfgs import LBFGS
from underhood.engine.optim.lion import Lion
from underhood.engine.optim.nadam import NAdam
from underhood.engine.optim.nesterov import Nesterov
from underhood.engine.optim.optimizer import Entry, Optimizer
from underhood.engine.optim.radam import RAdam
from underhood.engine.optim.rmsprop import RMSprop
from underhood.engine.optim.rmsprop_nesterov import RMSpropNesterov
from underhood.engine.optim.sgd import SGD

MODULES = (sgd, nesterov, adagrad, rmsprop, rmsprop_nesterov, adadelta, adam, adamw, adamax, nadam, radam, lion)
OPTIMIZERS: dict[str, Entry] = {module.ENTRY.name: module.ENTRY for module in MODULES}

__all__ = [
    "LBFGS",
    "OPTIMIZERS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Entry",
    "Lion",
    "NAdam",
    "Nesterov",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "RMSpropNesterov",
    "lr_scheduler",
]
