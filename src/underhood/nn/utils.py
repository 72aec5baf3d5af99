"""The door to `underhood.engine.nn.utils`, where `torch.nn.utils` has its helpers."""

from underhood.engine.nn.utils import *  # noqa: F403
