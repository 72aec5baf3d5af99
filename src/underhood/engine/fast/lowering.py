"""From a recording to a program. Stages (the folder `stages`) know how to do one or several lines together; a Lowering
is what they are handed for it, one for each of the two passes (see memory.py):

    memory      the allocator
    schedule    takes the calls of kernels
    values      the layout: where values lie
    gradients   where gradients go
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from underhood.engine.fast.gradient_targets import GradientTargets
from underhood.engine.fast.gradients import Gradients
from underhood.engine.fast.layout import Layout
from underhood.engine.fast.memory import Allocator, Memory
from underhood.engine.fast.recording import Value
from underhood.engine.fast.schedule import Schedule


class Lowering:
    """One pass over the stages; see the four classes for its arguments."""

    def __init__(
        self,
        dtype: Any,
        threads: int,
        root: Value | None,
        targets: GradientTargets,
        liveness: Sequence[Memory] | None,
    ) -> None:
        self.dtype, self.threads = np.dtype(dtype), threads
        self.memory = Allocator(dtype, threads, liveness)
        self.schedule = Schedule(dtype, threads, final=liveness is not None)
        self.values = Layout(self.memory, self.schedule)
        self.gradients = Gradients(self.values, targets, root)
