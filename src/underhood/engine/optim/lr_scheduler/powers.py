"""Rates that fall by a factor γ again and again.

    StepLR         η(k) = η₀ γ^⌊k/s⌋                every s steps
    MultiStepLR    η(k) = η₀ γ^(milestones ≤ k)     at steps of choice
    ExponentialLR  η(k) = η₀ γᵏ                     at every step

PyTorch: torch.optim.lr_scheduler.StepLR, MultiStepLR, ExponentialLR.
"""

from collections import Counter
from collections.abc import Iterable

from underhood.engine.optim.lr_scheduler.schedule import LRScheduler
from underhood.engine.optim.optimizer import Optimizer


class StepLR(LRScheduler):
    """The rate times `gamma` every `step_size` steps."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        at_an_edge = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return self._times(self.gamma) if at_an_edge else self._now()


class MultiStepLR(LRScheduler):
    """The rate times `gamma` at each of the `milestones`; one named twice counts twice."""

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return self._times(self.gamma ** self.milestones[self.last_epoch])


class ExponentialLR(LRScheduler):
    """The rate times `gamma` at every step."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return self._now() if self._is_initial or self.last_epoch == 0 else self._times(self.gamma)
