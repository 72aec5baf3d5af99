"""The door to `underhood.engine.optim.lr_scheduler`, where `torch.optim.lr_scheduler` has its schedules."""

from underhood.engine.missing import lacking
from underhood.engine.optim.lr_scheduler import *  # noqa: F403

__getattr__ = lacking(__name__)
