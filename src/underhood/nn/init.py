"""The door to `underhood.engine.nn.init`, where `torch.nn.init` has its initialisers."""

from underhood.engine.missing import lacking
from underhood.engine.nn.init import *  # noqa: F403

__getattr__ = lacking(__name__)
