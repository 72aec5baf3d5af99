"""Convolutions as modules: Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d.

Initial weights and biases: U(−1/√fan_in, 1/√fan_in), as in PyTorch (its kaiming_uniform_ with a = √5 is the same).
"""

import math
from typing import Any, ClassVar

from underhood.engine import functional as F
from underhood.engine.device import check_device
from underhood.engine.nn import init
from underhood.engine.nn.linear import empty
from underhood.engine.nn.module import Module
from underhood.engine.ops.windows import margins, numbers
from underhood.engine.tensor import Tensor

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class Convolution(Module):
    """What the four have in common: checked arguments, weights, bias, how they print."""

    axes: ClassVar[int]
    transposed: ClassVar[bool] = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        output_padding: Any,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        check_device(device)
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ValueError(f"{name} must be divisible by groups, got {channels} and {groups}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = numbers(kernel_size, self.axes), numbers(stride, self.axes)
        self.dilation, self.output_padding = numbers(dilation, self.axes), numbers(output_padding, self.axes)
        self.padding = self.checked_padding(padding)
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"padding_mode must be one of {', '.join(PADDING_MODES)}, but got {padding_mode!r}")
        self.padding_mode = padding_mode
        outer, inner = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        self.weight = empty(outer, inner // groups, *self.kernel_size, dtype=dtype)
        self.register_parameter("bias", empty(out_channels, dtype=dtype) if bias else None)
        self.reset_parameters()

    def checked_padding(self, padding: Any) -> Any:
        if not isinstance(padding, str):
            return numbers(padding, self.axes)
        if padding not in ("same", "valid"):
            raise ValueError(f"Invalid padding string {padding!r}, should be one of 'valid', 'same'")
        if padding == "same" and max(self.stride) > 1:
            raise ValueError("padding='same' is not supported for strided convolutions")
        return padding

    def reset_parameters(self) -> None:
        fan_in = init.fans(self.weight.shape)[0]
        bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def padded(self, input: Tensor) -> tuple[Tensor, Any]:
        """The input and the padding left to do: a mode other than zeros pads before the convolution."""
        if self.padding_mode == "zeros":
            return input, self.padding
        sides = [margins(self.padding, i, self.kernel_size[i], self.dilation[i]) for i in range(self.axes)]
        pad = [length for side in reversed(sides) for length in side]  # F.pad takes the last axis first
        return F.pad(input, pad, mode=self.padding_mode), 0

    def extra_repr(self) -> str:
        words = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}",
            f"padding={self.padding}" if self.padding != (0,) * self.axes else "",
            f"dilation={self.dilation}" if self.dilation != (1,) * self.axes else "",
            f"output_padding={self.output_padding}" if self.output_padding != (0,) * self.axes else "",
            f"groups={self.groups}" if self.groups != 1 else "",
            "bias=False" if self.bias is None else "",
            f"padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else "",
        ]
        return ", ".join(word for word in words if word)


class Sliding(Convolution):
    """What the two plain convolutions have in common: the order of their arguments."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            0,
            device,
            dtype,
        )


class Conv2d(Sliding):
    """`out_channels` filters slid over images.

    input: (N, C, H, W) or (C, H, W)   weight: (O, C/groups, K, K)   bias: (O,)   output: (N, O, H', W')
    H' = ⌊(H + 2·padding − dilation·(K − 1) − 1) / stride⌋ + 1
    """

    axes = 2

    def forward(self, input: Tensor) -> Tensor:
        input, padding = self.padded(input)
        return F.conv2d(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv1d(Sliding):
    """`out_channels` filters slid over lines.

    input: (N, C, L) or (C, L)   weight: (O, C/groups, K)   bias: (O,)   output: (N, O, L')
    L' = ⌊(L + 2·padding − dilation·(K − 1) − 1) / stride⌋ + 1
    """

    axes = 1

    def forward(self, input: Tensor) -> Tensor:
        input, padding = self.padded(input)
        return F.conv1d(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Transposed(Convolution):
    """What the two transposed convolutions have in common: the order of their arguments, and `output_size`."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            output_padding,
            device,
            dtype,
        )

    def checked_padding(self, padding: Any) -> Any:
        return numbers(padding, self.axes)

    def extra(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """The output padding with which the output has `output_size`."""
        if output_size is None:
            return self.output_padding
        wanted = tuple(output_size)[-self.axes :]
        least = [
            (length - 1) * s - 2 * p + d * (k - 1) + 1
            for length, s, p, d, k in zip(
                input.shape[-self.axes :], self.stride, self.padding, self.dilation, self.kernel_size, strict=True
            )
        ]
        most = [low + s - 1 for low, s in zip(least, self.stride, strict=True)]
        if not all(low <= size <= high for low, size, high in zip(least, wanted, most, strict=True)):
            raise ValueError(
                f"requested an output size of {list(wanted)}, but valid sizes range from {least} to {most} "
                f"(for an input of {list(input.shape[-self.axes :])})"
            )
        return tuple(size - low for size, low in zip(wanted, least, strict=True))


class ConvTranspose2d(Transposed):
    """Every number of the input stamps a kernel onto the output.

    input: (N, C, H, W) or (C, H, W)   weight: (C, O/groups, K, K)   bias: (O,)   output: (N, O, H', W')
    H' = (H − 1)·stride − 2·padding + dilation·(K − 1) + 1 + output_padding
    """

    axes = 2

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        extra = self.extra(input, output_size)
        return F.conv_transpose2d(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )


class ConvTranspose1d(Transposed):
    """Every number of the input stamps a kernel onto the output.

    input: (N, C, L) or (C, L)   weight: (C, O/groups, K)   bias: (O,)   output: (N, O, L')
    L' = (L − 1)·stride − 2·padding + dilation·(K − 1) + 1 + output_padding
    """

    axes = 1

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        extra = self.extra(input, output_size)
        return F.conv_transpose1d(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )
