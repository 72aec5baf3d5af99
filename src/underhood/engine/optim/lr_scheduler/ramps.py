"""Rates that go from one value to another in T steps, and stay there.

    ConstantLR    η(k) = η₀ a                        for k < T, then η₀
    LinearLR      η(k) = η₀ (a + (b − a) k/T)        a warm-up, with a < b = 1
    PolynomialLR  η(k) = η₀ (1 − k/T)^p              to 0

    with k at most T

PyTorch: torch.optim.lr_scheduler.ConstantLR, LinearLR, PolynomialLR.
"""

from underhood.engine.optim.lr_scheduler.schedule import LRScheduler
from underhood.engine.optim.optimizer import Optimizer


class ConstantLR(LRScheduler):
    """The rate times `factor` for the first `total_iters` steps."""

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1) -> None:
        if not 0 <= factor <= 1:
            raise ValueError("Constant multiplicative factor expected to be between 0 and 1.")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return self._times(self.factor)
        return self._times(1 / self.factor) if self.last_epoch == self.total_iters else self._now()


class LinearLR(LRScheduler):
    """The rate times a factor that goes from `start_factor` to `end_factor` in `total_iters` equal steps."""

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError("Starting multiplicative factor expected to be greater than 0 and less or equal to 1.")
        if not 0 <= end_factor <= 1:
            raise ValueError("Ending multiplicative factor expected to be between 0 and 1.")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        a, b, k, T = self.start_factor, self.end_factor, self.last_epoch, self.total_iters
        if k == 0:
            return self._times(a)
        if self._is_initial or k > T:
            return self._now()
        return self._times(1 + (b - a) / (T * a + (k - 1) * (b - a)))  # η(k)/η(k−1)


class PolynomialLR(LRScheduler):
    """The rate falls to 0 in `total_iters` steps, in a line or (`power` above 1) fast at first."""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        k, T = self.last_epoch, self.total_iters
        if self._is_initial or k == 0 or k > T:
            return self._now()
        return self._times(((1 - k / T) / (1 - (k - 1) / T)) ** self.power)  # η(k)/η(k−1)
