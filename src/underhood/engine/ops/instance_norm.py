"""Instance normalisation: every channel of every example at mean 0 and variance 1, then scaled and shifted.

    â[n,c,·] = (a[n,c,·] − μ[n,c]) / √(σ²[n,c] + ε)      z = w[c] â + b[c]        μ, σ² over the positions alone

    a, z: (N, C, …)   w, b: (C,) or None

It is group_norm with a group for every channel. Where running statistics are kept they are the mean over the
examples of μ and of the unbiased σ²; normalising by them is batch_norm with given statistics.

Source: Ulyanov, Vedaldi & Lempitsky 2016. PyTorch: torch.nn.functional.instance_norm, same meaning.
"""

from typing import Any

import numpy as np

from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops import group_norm
from underhood.engine.ops.batch_norm import batch_norm, move
from underhood.engine.ops.checks import one_a_channel
from underhood.engine.tensor import Tensor, apply


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise every channel of every example of `input` (N, C, …), or by running statistics where told so."""
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    positions = int(np.prod(input.shape[2:]))
    if positions == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.shape}")
    parameters = {"weight": weight, "bias": bias, "running_mean": running_mean, "running_var": running_var}
    one_a_channel("instance_norm", input, parameters)
    z, mean, scale = apply(ENTRY, input, weight, bias, eps=eps)
    if len(input) and positions:
        variance = 1 / scale.array**2 - eps
        move(running_mean, mean.array.mean((0, 2)), momentum)
        move(running_var, variance.mean((0, 2)) * (positions / (positions - 1)), momentum)
    return z


def vector(a: Array, w: Array | None, b: Array | None, *, eps: float) -> tuple[Array, Array, Array]:
    return group_norm.vector(a, w, b, num_groups=a.shape[1], eps=eps)


def vector_backward(
    dz: Array, z: Array, mean: Array, scale: Array, a: Array, w: Array | None, b: Array | None, *, eps: float
) -> tuple[Array | None, ...]:
    return group_norm.vector_backward(dz, z, mean, scale, a, w, b, num_groups=a.shape[1], eps=eps)


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal
    w, b = n(size=3), n(size=3)
    return [
        Sample((n(2, 3, (2, 3, 4, 2)), w, b), {"eps": 1e-5}),
        Sample((n(2, 3, (2, 3, 5)), None, None), {"eps": 0.1}, "a line, no scale and shift"),
        Sample((n(size=(2, 3, 2, 3)).transpose(0, 3, 1, 2), w, n(size=6)[::2]), {"eps": 1e-5}, "non-contiguous"),
    ]


def ask(instance_norm: Any, a: Any, w: Any, b: Any, *, eps: float) -> Any:
    return instance_norm(a, weight=w, bias=b, eps=eps)


ENTRY = Operation(
    "instance_norm",
    instance_norm,
    vector=Form(vector, vector_backward),
    reference="torch.nn.functional.instance_norm",
    ask=ask,
    saves=("a", "w"),
    samples=samples,
)
