"""The rate along half a cosine.

    η(k) = η_min + (η₀ − η_min) (1 + cos(π k/T)) / 2

Slow at both ends, fast in the middle. After T steps it is at η_min, and goes up again for whoever steps on.

Source: Loshchilov & Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", equation 5 (without the
restarts). PyTorch: torch.optim.lr_scheduler.CosineAnnealingLR.
"""

from math import cos, pi

from underhood.engine.optim.lr_scheduler.schedule import LRScheduler
from underhood.engine.optim.optimizer import Optimizer


class CosineAnnealingLR(LRScheduler):
    """From η₀ to `eta_min` in `T_max` steps."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        k, T, low = self.last_epoch, self.T_max, self.eta_min
        if self._is_initial or k == 0:
            return self._now()
        if (k - 1 - T) % (2 * T) == 0:  # at the bottom there is no proportion to keep
            up = (1 - cos(pi / T)) / 2
            return [lr + (lr0 - low) * up for lr, lr0 in zip(self._now(), self.base_lrs, strict=True)]
        ratio = (1 + cos(pi * k / T)) / (1 + cos(pi * (k - 1) / T))
        return [low + (lr - low) * ratio for lr in self._now()]
