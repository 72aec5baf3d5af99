"""InstanceNorm1d and InstanceNorm2d: every channel of every example normalised by itself."""

import warnings
from typing import Any, ClassVar

from underhood.engine import functional as F
from underhood.engine.nn.batch_norm import RunningNorm, expect_axes
from underhood.engine.tensor import Tensor


class InstanceNorm(RunningNorm):
    """What the two have in common. Scale, shift and running statistics are there only when asked for."""

    axes: ClassVar[int]  # with the batch

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def check_input(self, input: Tensor) -> None:
        expect_axes(input, self.axes - 1, self.axes)
        channels = input.shape[1 - self.axes]
        if channels != self.num_features:
            message = f"input {tuple(input.shape)} has {channels} channels, num_features is {self.num_features}"
            if self.affine:
                raise ValueError(message)
            warnings.warn(f"{message}, which is not used because affine=False", stacklevel=4)

    def forward(self, input: Tensor) -> Tensor:
        self.check_input(input)
        single = input.ndim < self.axes
        z = F.instance_norm(
            F.reshape(input, 1, *input.shape) if single else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return F.reshape(z, input.shape) if single else z


class InstanceNorm1d(InstanceNorm):
    """Every channel of every line at mean 0 and variance 1.   (N, C, L) or (C, L)"""

    axes = 3


class InstanceNorm2d(InstanceNorm):
    """Every channel of every image at mean 0 and variance 1.   (N, C, H, W) or (C, H, W)"""

    axes = 4
