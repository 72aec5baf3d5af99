"""BatchNorm1d and BatchNorm2d, and what the norms that keep running statistics have in common."""

from typing import Any

import numpy as np

from underhood.engine import functional as F
from underhood.engine import tape
from underhood.engine.device import check_device
from underhood.engine.dtypes import get_default_dtype
from underhood.engine.nn import init
from underhood.engine.nn.linear import empty
from underhood.engine.nn.module import Module
from underhood.engine.tensor import Tensor


class RunningNorm(Module):
    """Scale γ (weight) and shift β (bias) of every channel, and running statistics in buffers.

    `momentum` None keeps the plain average over all batches seen, whose number is `num_batches_tracked`.
    """

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: Any,
        dtype: Any,
        bias: bool,
    ) -> None:
        super().__init__()
        check_device(device)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            self.register_parameter(name, empty(num_features, dtype=dtype) if wanted else None)
        for name in ("running_mean", "running_var"):
            kept = Tensor(np.zeros(num_features, dtype or get_default_dtype())) if track_running_stats else None
            self.register_buffer(name, kept)
        self.register_buffer("num_batches_tracked", Tensor(np.array(0)) if track_running_stats else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        if self.track_running_stats:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def check_input(self, input: Tensor) -> None:
        """Raise ValueError for the wrong number of axes."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


def expect_axes(input: Tensor, *axes: int) -> None:
    if input.ndim not in axes:
        raise ValueError(f"expected {' or '.join(f'{n}D' for n in axes)} input (got {input.ndim}D input)")


class BatchNorm(RunningNorm):
    """What BatchNorm1d and BatchNorm2d have in common: the statistics of the batch, or the running ones in `eval`."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        self.check_input(input)
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            if (who := tape.listener()) is not None:
                who.side_effect("counted", counter=self.num_batches_tracked, steady=self.momentum is not None)
            self.num_batches_tracked.array += 1
            if self.momentum is None:
                momentum = 1 / int(self.num_batches_tracked)
        by_batch = self.training or self.running_mean is None
        moved = self.track_running_stats or not self.training
        mean, var = (self.running_mean, self.running_var) if moved else (None, None)
        return F.batch_norm(input, mean, var, self.weight, self.bias, by_batch, momentum, self.eps)


class BatchNorm1d(BatchNorm):
    """Every channel at mean 0 and variance 1 over the batch, then scaled and shifted.   (N, C) or (N, C, L)"""

    def check_input(self, input: Tensor) -> None:
        expect_axes(input, 2, 3)


class BatchNorm2d(BatchNorm):
    """Every channel at mean 0 and variance 1 over the batch, then scaled and shifted.   (N, C, H, W)"""

    def check_input(self, input: Tensor) -> None:
        expect_axes(input, 4)
