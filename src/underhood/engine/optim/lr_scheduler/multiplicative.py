"""The rate times a factor of one's own at every step.

    η(0) = η₀,   η(k) = η(k−1) · f(k)

PyTorch: torch.optim.lr_scheduler.MultiplicativeLR.
"""

from underhood.engine.optim.lr_scheduler.schedule import LambdaLR


class MultiplicativeLR(LambdaLR):
    """`lr_lambda` is f, or one function a group."""

    def get_lr(self) -> list[float]:
        if self._is_initial:
            return self._now()
        return [lr * f(self.last_epoch) for f, lr in zip(self.lr_lambdas, self._now(), strict=True)]
