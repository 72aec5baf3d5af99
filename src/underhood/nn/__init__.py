"""The door to `underhood.engine.nn`: `import torch.nn as nn` becomes `import underhood.nn as nn`."""

from underhood.engine.nn import *  # noqa: F403
from underhood.engine.nn import __all__ as __all__
