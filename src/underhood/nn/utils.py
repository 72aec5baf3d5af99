"""The door to `underhood.engine.nn.utils`, where `torch.nn.utils` has its helpers."""

from underhood.engine.missing import lacking
from underhood.engine.nn.utils import *  # noqa: F403

__getattr__ = lacking(__name__)
