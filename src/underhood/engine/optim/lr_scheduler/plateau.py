"""The rate falls when a metric has stopped getting better.

    better:  x < x* (1 − θ)  (rel)   or   x < x* − θ  (abs);       mode "max":  x > x* (1 + θ)  or  x > x* + θ
    when more than `patience` steps in a row were not better:  η ← max(η f, η_min), and `cooldown` steps of grace

    x: the metric   x*: its best so far   θ: `threshold`   f: `factor`

PyTorch: torch.optim.lr_scheduler.ReduceLROnPlateau. The metric is validation's, never test's.
"""

from math import inf
from typing import Any

from underhood.engine.optim.lr_scheduler.schedule import LRScheduler
from underhood.engine.optim.optimizer import Optimizer


class ReduceLROnPlateau(LRScheduler):
    """Call `step(metric)` after each validation. A fall of less than `eps` is not made."""

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1.0:
            raise ValueError("Factor should be < 1.0.")
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        if mode not in ("min", "max"):
            raise ValueError(f"mode {mode} is unknown!")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold mode {threshold_mode} is unknown!")
        groups = len(optimizer.param_groups)
        self.min_lrs = list(min_lr) if isinstance(min_lr, list | tuple) else [min_lr] * groups
        if len(self.min_lrs) != groups:
            raise ValueError(f"expected {groups} min_lrs, got {len(self.min_lrs)}")
        self.optimizer = optimizer
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.factor, self.patience, self.cooldown, self.eps = factor, patience, cooldown, eps
        self.best = inf if mode == "min" else -inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0
        self._last_lr = self._now()

    def step(self, metrics: Any) -> None:  # type: ignore[override]
        """Take notice of the metric, a number or a tensor of one number."""
        self.last_epoch += 1
        metric = float(metrics)
        if self._better(metric):
            self.best, self.num_bad_epochs = metric, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self._now()

    def _better(self, x: float) -> bool:
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "rel":
            return sign * x > sign * self.best * (1 + sign * self.threshold)
        return sign * x > sign * (self.best + sign * self.threshold)

    def _reduce(self) -> None:
        for group, low in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
            new = max(group["lr"] * self.factor, low)
            if group["lr"] - new > self.eps:
                group["lr"] = new
