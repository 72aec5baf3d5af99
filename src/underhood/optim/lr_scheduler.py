"""The door to `underhood.engine.optim.lr_scheduler`, where `torch.optim.lr_scheduler` has its schedules."""

from underhood.engine.optim.lr_scheduler import *  # noqa: F403
