"""The door to `underhood.engine.autograd`, where `torch.autograd` has its functions."""

from underhood.engine.autograd import *  # noqa: F403
from underhood.engine.autograd import __all__ as __all__
from underhood.engine.missing import lacking

__getattr__ = lacking(__name__)
