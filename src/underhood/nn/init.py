"""The door to `underhood.engine.nn.init`, where `torch.nn.init` has its initialisers."""

from underhood.engine.nn.init import *  # noqa: F403
