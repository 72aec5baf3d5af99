"""First weights, drawn in NumPy. Each function fills a tensor in place and returns it, as torch.nn.init does.

    fan_in   the inputs that one output sums over      fan_out   the outputs that one input feeds

Sources: Glorot & Bengio 2010 (xavier); He et al. 2015 (kaiming).
"""

from __future__ import annotations

import math
from typing import Any

from underhood.engine.random import stream
from underhood.engine.tensor import Tensor


def fill(tensor: Tensor, values: Any) -> Tensor:
    """Write `values` into the tensor, off the tape."""
    tensor.array[...] = values
    tensor.versions[0] += 1
    return tensor


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0) -> Tensor:
    """U(a, b)."""
    return fill(tensor, stream().uniform(a, b, tensor.shape))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    """N(mean, std²)."""
    return fill(tensor, stream().normal(mean, std, tensor.shape))


def constant_(tensor: Tensor, val: float) -> Tensor:
    return fill(tensor, val)


def ones_(tensor: Tensor) -> Tensor:
    return fill(tensor, 1)


def zeros_(tensor: Tensor) -> Tensor:
    return fill(tensor, 0)


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight: (out, in, *kernel)."""
    if len(shape) < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """What a nonlinearity takes from the scale of its input, to be given back by the weights before it."""
    slope = 0.01 if param is None else param
    gains = {
        "linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2),
        "leaky_relu": math.sqrt(2 / (1 + slope**2)), "selu": 3 / 4,
    }  # fmt: skip
    name = "linear" if nonlinearity.startswith("conv") else nonlinearity
    if name not in gains:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}; there is {', '.join(gains)}")
    return gains[name]


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of fan_in, fan_out")
    fan = fans(tensor.shape)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Tensor:
    """U(−√3 σ, √3 σ) with σ = gain / √fan."""
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Tensor:
    """N(0, σ²) with σ = gain / √fan."""
    return normal_(tensor, 0, _kaiming_std(tensor, a, mode, nonlinearity))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """U(−√3 σ, √3 σ) with σ = gain √(2 / (fan_in + fan_out))."""
    bound = gain * math.sqrt(6 / sum(fans(tensor.shape)))
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: Tensor, gain: float = 1.0) -> Tensor:
    """N(0, σ²) with σ = gain √(2 / (fan_in + fan_out))."""
    return normal_(tensor, 0, gain * math.sqrt(2 / sum(fans(tensor.shape))))
