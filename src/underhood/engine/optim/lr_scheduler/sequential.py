"""Schedules one after the other: a warm-up, then a fall.

    η(k) = ηᵢ(k − mᵢ)   for   mᵢ ≤ k < mᵢ₊₁,   with m₀ = 0 and m₁, m₂, … the milestones

Each schedule starts at its own step 0, from the optimiser's η₀, when its turn comes.

PyTorch: torch.optim.lr_scheduler.SequentialLR.
"""

from bisect import bisect_right
from typing import Any

from underhood.engine.optim.lr_scheduler.plateau import ReduceLROnPlateau
from underhood.engine.optim.lr_scheduler.schedule import LRScheduler
from underhood.engine.optim.optimizer import Optimizer


class SequentialLR(LRScheduler):
    """`schedulers`, each followed by the next at the `milestones`, one fewer than there are schedules."""

    def __init__(
        self, optimizer: Optimizer, schedulers: list[LRScheduler], milestones: list[int], last_epoch: int = -1
    ) -> None:
        for i, schedule in enumerate(schedulers):
            if isinstance(schedule, ReduceLROnPlateau):
                raise ValueError(f"SequentialLR does not support `ReduceLROnPlateau`, but got one at index {i}")
            if schedule.optimizer is not optimizer:
                raise ValueError(f"SequentialLR expects all schedulers to belong to the same optimizer; {i} does not")
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                "Sequential Schedulers expects number of schedulers provided to be one more than the number of "
                f"milestone points, but got {len(schedulers)} schedulers and {len(milestones)} milestones"
            )
        self.optimizer, self._schedulers, self._milestones = optimizer, schedulers, milestones
        self.last_epoch = last_epoch + 1
        self._set([group["initial_lr"] for group in optimizer.param_groups])
        self.undo()
        self.last_epoch += 1  # its own step 0 is not one of those taken back
        first = self._turn()
        first._begin()
        self._last_lr = first.get_last_lr()

    def _turn(self) -> LRScheduler:
        return self._schedulers[bisect_right(self._milestones, max(self.last_epoch, 0))]

    def _begin(self) -> None:
        self._schedulers[0]._begin()
        self._last_lr = self._schedulers[0].get_last_lr()

    def undo(self) -> None:
        self.last_epoch -= 1
        for schedule in self._schedulers:
            schedule.undo()

    def step(self) -> None:
        self.last_epoch += 1
        schedule = self._turn()
        if self.last_epoch in self._milestones:
            schedule.restart()
        else:
            schedule.step()
        self._last_lr = schedule.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"_schedulers": [schedule.state_dict() for schedule in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "_schedulers"})
        for schedule, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            schedule.load_state_dict(state)
