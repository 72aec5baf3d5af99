"""The door to `underhood.engine.nn`: `import torch.nn as nn` becomes `import underhood.nn as nn`."""

from underhood.engine.missing import lacking
from underhood.engine.nn import *  # noqa: F403
from underhood.engine.nn import __all__ as __all__

__getattr__ = lacking(__name__)
