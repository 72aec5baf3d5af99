"""The activations as modules. Each keeps the settings of the function of its name and calls it."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from underhood.engine import functional as F
from underhood.engine.device import check_device
from underhood.engine.dtypes import get_default_dtype
from underhood.engine.nn.module import Module, Parameter
from underhood.engine.tensor import Tensor


class Activation(Module):
    """A function with its settings: a subclass names the function, and its `__init__` says what it keeps."""

    function: ClassVar[Callable[..., Tensor]]
    settings: tuple[str, ...] = ()

    def keep(self, **settings: Any) -> None:
        """Settings that are attributes, handed to the function at every call."""
        super().__init__()
        self.settings = tuple(settings)
        for name, value in settings.items():
            setattr(self, name, value)

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, **{name: getattr(self, name) for name in self.settings})

    def extra_repr(self) -> str:
        shown = {name: getattr(self, name) for name in self.settings}
        if not shown.get("inplace", True):
            del shown["inplace"]
        return ", ".join(f"{name}={value!r}" for name, value in shown.items())


# -- smooth --


class Sigmoid(Activation):
    """1 / (1 + e⁻ˣ)."""

    function = F.sigmoid


class Tanh(Activation):
    """(eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)."""

    function = F.tanh


class Softplus(Activation):
    """ln(1 + e^βx) / β, and x itself where βx is above the threshold."""

    function = F.softplus

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.keep(beta=beta, threshold=threshold)


class LogSigmoid(Activation):
    """ln σ(x)."""

    function = F.logsigmoid


class Softsign(Activation):
    """x / (1 + |x|)."""

    function = F.softsign


class Tanhshrink(Activation):
    """x − tanh x."""

    function = F.tanhshrink


class SiLU(Activation):
    """x σ(x), also called Swish."""

    function = F.silu

    def __init__(self, inplace: bool = False) -> None:
        self.keep(inplace=inplace)


class Mish(Activation):
    """x tanh(ln(1 + eˣ))."""

    function = F.mish

    def __init__(self, inplace: bool = False) -> None:
        self.keep(inplace=inplace)


class GELU(Activation):
    """x Φ(x); `approximate` is "none", "tanh", or "sigmoid" for x σ(1.702 x), which torch lacks."""

    function = F.gelu

    def __init__(self, approximate: str = "none") -> None:
        self.keep(approximate=approximate)


class ELU(Activation):
    """x above 0, α (eˣ − 1) below."""

    function = F.elu

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self.keep(alpha=alpha, inplace=inplace)


class CELU(Activation):
    """x above 0, α (e^(x/α) − 1) below."""

    function = F.celu

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self.keep(alpha=alpha, inplace=inplace)


class SELU(Activation):
    """λ x above 0, λ α (eˣ − 1) below, with the λ and α that keep mean 0 and variance 1."""

    function = F.selu

    def __init__(self, inplace: bool = False) -> None:
        self.keep(inplace=inplace)


# -- of straight pieces --


class ReLU(Activation):
    """max(x, 0)."""

    function = F.relu

    def __init__(self, inplace: bool = False) -> None:
        self.keep(inplace=inplace)


class Hardtanh(Activation):
    """x, but no less than `min_val` and no more than `max_val`."""

    function = F.hardtanh

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        self.keep(min_val=min_val, max_val=max_val, inplace=inplace)
        if not max_val > min_val:
            raise AssertionError(f"max_val must be larger than min_val, got {max_val} and {min_val}")


class ReLU6(Activation):
    """min(max(x, 0), 6)."""

    function = F.relu6

    def __init__(self, inplace: bool = False) -> None:
        self.keep(inplace=inplace)


class LeakyReLU(Activation):
    """x above 0, negative_slope · x below."""

    function = F.leaky_relu

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        self.keep(negative_slope=negative_slope, inplace=inplace)


class PReLU(Module):
    """x above 0, weight · x below.   weight: (num_parameters,), one for all channels or one for each"""

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        check_device(device)
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(Tensor(np.full(num_parameters, init, dtype or get_default_dtype())))

    def reset_parameters(self) -> None:
        self.weight.array[...] = self.init

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class Hardsigmoid(Activation):
    """x/6 + ½, but no less than 0 and no more than 1."""

    function = F.hardsigmoid

    def __init__(self, inplace: bool = False) -> None:
        self.keep(inplace=inplace)


class Hardswish(Activation):
    """x · hardsigmoid(x)."""

    function = F.hardswish

    def __init__(self, inplace: bool = False) -> None:
        self.keep(inplace=inplace)


class Hardshrink(Activation):
    """0 where |x| ≤ lambd, else x."""

    function = F.hardshrink

    def __init__(self, lambd: float = 0.5) -> None:
        self.keep(lambd=lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Softshrink(Activation):
    """x moved towards 0 by lambd, and 0 if it would pass it."""

    function = F.softshrink

    def __init__(self, lambd: float = 0.5) -> None:
        self.keep(lambd=lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Threshold(Activation):
    """x above the threshold, else the value."""

    function = F.threshold

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        self.keep(threshold=threshold, value=value, inplace=inplace)


# -- along an axis --


class GLU(Activation):
    """a σ(b), where a and b are the two halves along `dim`."""

    function = F.glu

    def __init__(self, dim: int = -1) -> None:
        self.keep(dim=dim)


class Softmax(Activation):
    """eˣ / Σ eˣ along `dim`."""

    function = F.softmax

    def __init__(self, dim: int | None = None) -> None:
        self.keep(dim=dim)


class Softmin(Activation):
    """The softmax of −x."""

    function = F.softmin

    def __init__(self, dim: int | None = None) -> None:
        self.keep(dim=dim)


class LogSoftmax(Activation):
    """ln softmax(x), accurate where the softmax would round to 0."""

    function = F.log_softmax

    def __init__(self, dim: int | None = None) -> None:
        self.keep(dim=dim)


class Softmax2d(Activation):
    """The softmax over the channels at every position of (N, C, H, W) or (C, H, W)."""

    function = F.softmax

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead")
        return F.softmax(input, -3)
