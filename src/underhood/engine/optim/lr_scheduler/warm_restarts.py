"""Half a cosine again and again, each longer than the one before.

    η(k) = η_min + (η₀ − η_min) (1 + cos(π c/T)) / 2        c: the steps since the last restart, T: those of this cycle

The first cycle has T₀ steps, each next one m times as many. At its end the rate jumps back to η₀. `step(k)` goes to any
k, whole or not, so that a rate may change within an epoch: `step(epoch + batch/batches)`.

Source: Loshchilov & Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", equation 5. PyTorch:
torch.optim.lr_scheduler.CosineAnnealingWarmRestarts.
"""

import math

from underhood.engine.optim.lr_scheduler.schedule import LRScheduler
from underhood.engine.optim.optimizer import Optimizer


class CosineAnnealingWarmRestarts(LRScheduler):
    """From η₀ to `eta_min` in `T_0` steps, then in `T_0`·`T_mult`, and so on."""

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        if not isinstance(T_0, int) or T_0 <= 0:
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if not isinstance(T_mult, int) or T_mult < 1:
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        if not isinstance(eta_min, int | float):
            raise ValueError(f"Expected float or int eta_min, but got {eta_min} of type {type(eta_min)}")
        self.T_0, self.T_i, self.T_mult, self.eta_min = T_0, T_0, T_mult, eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        fraction = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (lr - self.eta_min) * fraction for lr in self.base_lrs]

    def _advance(self) -> None:
        self._step_count += 1
        self._go(None if self.last_epoch >= 0 else 0)

    def step(self, epoch: float | None = None) -> None:
        """To the next step, or to step `epoch`."""
        if epoch is None:
            super().step()
        elif epoch < 0:
            raise ValueError(f"Expected non-negative epoch, but got {epoch}")
        else:
            self._step_count += 1
            self._go(epoch)

    def _go(self, epoch: float | None) -> None:
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
        else:
            self.T_cur, self.T_i = epoch, self.T_0
            while self.T_cur >= self.T_i:
                self.T_cur -= self.T_i
                self.T_i *= self.T_mult
        self.last_epoch = math.floor(epoch)
        self._set(self.get_lr())
