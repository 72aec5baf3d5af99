"""Initial weights, drawn in NumPy. Each function fills a tensor in place and returns it, as torch.nn.init does.

    fan_in   the inputs that one output sums over      fan_out   the outputs that one input feeds

A sum of fan_in terms has fan_in times the variance of one, so weights of variance gain²/fan keep the scale of what
passes through a layer, forwards (fan_in) or backwards (fan_out).

The numbers come from the engine's stream (`underhood.manual_seed`) or from a `generator` of NumPy's.

Sources: Glorot & Bengio 2010 (xavier); He et al. 2015 (kaiming); Saxe et al. 2014 (orthogonal); Martens 2010 (sparse).
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np

from underhood.engine import random
from underhood.engine.missing import lacking
from underhood.engine.random import stream
from underhood.engine.tensor import Tensor

Generator = np.random.Generator | None


def fill(tensor: Tensor, values: Any) -> Tensor:
    """Write `values` into the tensor, off the tape."""
    tensor.array[...] = values
    tensor.versions[0] += 1
    return tensor


# -- without chance --


def constant_(tensor: Tensor, val: float) -> Tensor:
    return fill(tensor, val)


def ones_(tensor: Tensor) -> Tensor:
    return fill(tensor, 1)


def zeros_(tensor: Tensor) -> Tensor:
    return fill(tensor, 0)


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix: a linear layer that passes on as many inputs as it can."""
    if tensor.ndim != 2:
        raise ValueError(f"Only tensors with 2 dimensions are supported, not {tuple(tensor.shape)}")
    return fill(tensor, np.eye(*tensor.shape))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution that passes on as many channels as it can, in each group: 1 in the kernel's middle."""
    if tensor.ndim not in (3, 4, 5):
        raise ValueError(f"Only tensors with 3, 4, or 5 dimensions are supported, not {tuple(tensor.shape)}")
    if tensor.shape[0] % groups:
        raise ValueError("dim 0 must be divisible by groups")
    outputs = tensor.shape[0] // groups
    fill(tensor, 0)
    middle = tuple(n // 2 for n in tensor.shape[2:])
    for g in range(groups):
        for c in range(min(outputs, tensor.shape[1])):
            tensor.array[(g * outputs + c, c, *middle)] = 1
    return tensor


# -- from a distribution --


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator = None) -> Tensor:
    """U(a, b)."""
    return fill(tensor, random.uniform(tensor.shape, tensor.dtype, a, b, generator))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator = None) -> Tensor:
    """N(mean, std²)."""
    return fill(tensor, random.normal(tensor.shape, tensor.dtype, mean, std, generator))


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator: Generator = None
) -> Tensor:
    """N(mean, std²) as it is between a and b: Φ⁻¹ of a uniform number between Φ(a) and Φ(b)."""
    normal = NormalDist(mean, std)
    chances = stream(generator).uniform(normal.cdf(a), normal.cdf(b), tensor.shape)
    tiny = np.finfo(np.float64).tiny
    values = np.vectorize(normal.inv_cdf, otypes=[np.float64])(np.clip(chances, tiny, 1 - 2**-53))
    return fill(tensor, np.clip(values, a, b))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator = None) -> Tensor:
    """N(0, std²), with the fraction `sparsity` of every column set to 0."""
    if tensor.ndim != 2:
        raise ValueError(f"Only tensors with 2 dimensions are supported, not {tuple(tensor.shape)}")
    rows, columns = tensor.shape
    normal_(tensor, 0, std, generator)
    for column in range(columns):
        tensor.array[stream(generator).permutation(rows)[: math.ceil(sparsity * rows)], column] = 0
    return tensor


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator = None) -> Tensor:
    """gain · Q, with orthonormal rows (or columns, if there are fewer) in (shape[0], everything else).

    Q of the QR decomposition of normal numbers, its columns' signs chosen so that R's diagonal is positive: this
    makes all such matrices equally likely.
    """
    if tensor.ndim < 2:
        raise ValueError(f"Only tensors with 2 or more dimensions are supported, not {tuple(tensor.shape)}")
    if not tensor.numel():
        return tensor
    rows, columns = tensor.shape[0], tensor.numel() // tensor.shape[0]
    Q, R = np.linalg.qr(stream(generator).standard_normal((max(rows, columns), min(rows, columns))))
    Q *= np.sign(np.diag(R))
    return fill(tensor, gain * (Q if rows >= columns else Q.T).reshape(tensor.shape))


# -- scaled by the fans --


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight: (out, in, *kernel)."""
    if len(shape) < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    receptive = math.prod(shape[2:])
    return shape[1] * receptive, shape[0] * receptive


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """`fans` under torch's name, private there but called by much code."""
    return fans(tensor.shape)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """What a nonlinearity takes from the scale of its input, to be given back by the weights before it."""
    if isinstance(param, bool) or not isinstance(param, int | float | None):
        raise ValueError(f"negative_slope {param} not a valid number")
    slope = 0.01 if param is None else param
    gains = {
        "linear": 1.0,
        "sigmoid": 1.0,
        "tanh": 5 / 3,
        "relu": math.sqrt(2),
        "leaky_relu": math.sqrt(2 / (1 + slope**2)),
        "selu": 3 / 4,
    } | {f"conv{kind}{n}d": 1.0 for kind in ("", "_transpose") for n in (1, 2, 3)}
    if nonlinearity not in gains:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}; there is {', '.join(gains)}")
    return gains[nonlinearity]


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode.lower() not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of fan_in, fan_out")
    fan = fans(tensor.shape)[mode.lower() == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan) if fan else 0.0


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator = None,
) -> Tensor:
    """U(−√3 σ, √3 σ) with σ = gain / √fan."""
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator = None,
) -> Tensor:
    """N(0, σ²) with σ = gain / √fan."""
    return normal_(tensor, 0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator = None) -> Tensor:
    """U(−√3 σ, √3 σ) with σ = gain √(2 / (fan_in + fan_out))."""
    bound = gain * math.sqrt(6 / sum(fans(tensor.shape)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator = None) -> Tensor:
    """N(0, σ²) with σ = gain √(2 / (fan_in + fan_out))."""
    return normal_(tensor, 0, gain * math.sqrt(2 / sum(fans(tensor.shape))), generator)


__getattr__ = lacking(__name__, "underhood.nn.init")
