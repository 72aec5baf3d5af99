"""One training on several workers: torch.distributed's DDP under the training loop.

process_group.py   the workers, this one's rows of each batch, and what they agree on
batch_norm.py      BatchNorm over the batch of all workers
"""

from underhood.training.parallel.process_group import (
    ProcessGroup,
    WorkerLostError,
    join,
    leave,
    process_group_of,
    shared,
)

__all__ = ["ProcessGroup", "WorkerLostError", "join", "leave", "process_group_of", "shared"]
