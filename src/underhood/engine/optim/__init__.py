"""One page an optimiser. A new one is its page and its name here; the rest takes it from the registry."""

from underhood.engine.optim import adam, nesterov, sgd
from underhood.engine.optim.adam import Adam
from underhood.engine.optim.nesterov import Nesterov
from underhood.engine.optim.optimizer import Optimizer, Row
from underhood.engine.optim.sgd import SGD

OPTIMIZERS: dict[str, Row] = {page.row.name: page.row for page in (sgd, nesterov, adam)}

__all__ = ["OPTIMIZERS", "SGD", "Adam", "Nesterov", "Optimizer", "Row"]
