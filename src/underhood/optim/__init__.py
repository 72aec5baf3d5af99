"""The door to `underhood.engine.optim`: `import torch.optim as optim` becomes `import underhood.optim as optim`."""

from underhood.engine.missing import lacking
from underhood.engine.optim import *  # noqa: F403
from underhood.engine.optim import __all__ as __all__

__getattr__ = lacking(__name__)
