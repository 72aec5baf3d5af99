"""The door to `underhood.engine.functional`, where `torch.nn.functional` has its functions."""

from underhood.engine.functional import *  # noqa: F403
from underhood.engine.functional import __all__ as __all__
from underhood.engine.missing import lacking

__getattr__ = lacking(__name__)
