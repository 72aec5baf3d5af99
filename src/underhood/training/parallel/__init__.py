"""One training on several workers: torch.distributed's DDP under the training loop.

group.py        the workers, this one's rows of each batch, and what they agree on
batch_norm.py   BatchNorm over the batch of all workers
"""

from underhood.training.parallel.group import Group, WorkerLostError, group_of, join, leave, shared

__all__ = ["Group", "WorkerLostError", "group_of", "join", "leave", "shared"]
