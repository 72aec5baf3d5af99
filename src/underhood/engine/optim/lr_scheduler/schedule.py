"""LRScheduler: what all schedules share; and LambdaLR, the schedule that is any function of k.

A schedule writes `get_lr`: the rates of the parameter groups at step `last_epoch`, k, from those they have now.
Making a schedule takes step 0; each `step()`, after the optimiser's, takes the next.

PyTorch: torch.optim.lr_scheduler.LRScheduler, LambdaLR.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from underhood.engine.optim.optimizer import Optimizer


class LRScheduler:
    """Base class of all schedules. `last_epoch` is k, whatever a step is taken for: an epoch or a batch."""

    last_epoch: int
    base_lrs: list[float]  # η₀ of each group

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(f"param 'initial_lr' is not specified in param_groups[{i}] when resuming an optimizer")
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._begin()

    def get_lr(self) -> list[float]:
        """The rate of every group at step `last_epoch`."""
        raise NotImplementedError

    def _begin(self) -> None:
        self._step_count, self._is_initial = 0, True
        self._advance()
        self._is_initial = False

    def step(self) -> None:
        """Go to the next step; call it after the optimiser's."""
        if self._step_count == 1 and not self.optimizer.stepped:
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`: the first value of the schedule "
                "is skipped. Call them in the opposite order.",
                UserWarning,
                stacklevel=2,
            )
        self._advance()

    def _advance(self) -> None:
        self._step_count += 1
        self.last_epoch += 1
        self._set(self.get_lr())

    def restart(self) -> None:
        """Go back to step 0 and the rates that it has by itself."""
        self._set(self.base_lrs)
        self.last_epoch = 0
        self._set(self.get_lr())

    def undo(self) -> None:
        """Take the step back that making the schedule took."""
        self.last_epoch -= 1

    def get_last_lr(self) -> list[float]:
        """The rates that the last step set."""
        return self._last_lr

    def _now(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def _times(self, factor: float) -> list[float]:
        return [lr * factor for lr in self._now()]

    def _set(self, rates: Sequence[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = lr
        self._last_lr = self._now()

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimiser, under torch's keys."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state_dict of this class or of torch's of the same name."""
        self.__dict__.update({key: value for key, value in state_dict.items() if key in self.__dict__})


class LambdaLR(LRScheduler):
    """η(k) = η₀ · f(k): `lr_lambda` is f, or one function a group."""

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        groups = len(optimizer.param_groups)
        self.lr_lambdas = [lr_lambda] * groups if callable(lr_lambda) else list(lr_lambda)
        if len(self.lr_lambdas) != groups:
            raise ValueError(f"Expected {groups} lr_lambdas, but got {len(self.lr_lambdas)}")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [lr * f(self.last_epoch) for f, lr in zip(self.lr_lambdas, self.base_lrs, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Without the functions: they are the program's, not the state's."""
        return super().state_dict() | {"lr_lambdas": [None] * len(self.lr_lambdas)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "lr_lambdas"})
