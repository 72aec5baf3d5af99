"""The door to `underhood.engine.optim`: `import torch.optim as optim` becomes `import underhood.optim as optim`."""

from underhood.engine.optim import *  # noqa: F403
from underhood.engine.optim import __all__ as __all__
