"""Group normalisation: every group of channels of every example at mean 0 and variance 1, then scaled and shifted.

    â = (a − μ) / √(σ² + ε)      μ, σ² over the C/G channels of a group and all positions
    z[n,c,·] = w[c] â[n,c,·] + b[c]

    a, z: (N, C, …)   w, b: (C,) or None   μ, 1/√(σ²+ε): (N, G, 1)

With G = 1 all channels are normalised together, with G = C each by itself (instance_norm). The gradient is
layer_norm's, w and b excepted, which belong to channels.

Source: Wu & He 2018. PyTorch: torch.nn.functional.group_norm, same meaning.
"""

from typing import Any

import numpy as np

from underhood.engine.forms import Array, Form, Operation, Sample
from underhood.engine.ops.checks import one_a_channel
from underhood.engine.ops.layer_norm import standardise, standardise_backward
from underhood.engine.tensor import Tensor, apply


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Normalise the channels of `input` (N, C, …) in `num_groups` groups; `weight` and `bias` (C,)."""
    one_a_channel("group_norm", input, {"weight": weight, "bias": bias})
    if num_groups < 1 or input.shape[1] % num_groups:
        raise RuntimeError(
            f"group_norm: the channels of input {tuple(input.shape)} do not divide into {num_groups} groups."
        )
    if input.numel() == num_groups:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {input.shape}")
    return apply(ENTRY, input, weight, bias, num_groups=num_groups, eps=eps)[0]


def vector(a: Array, w: Array | None, b: Array | None, *, num_groups: int, eps: float) -> tuple[Array, Array, Array]:
    normal, mean, scale = standardise(in_groups(a, num_groups), eps)
    z = by_channel(normal, a)
    if w is not None:
        z *= w[:, None]
    if b is not None:
        z += b[:, None]
    return z.reshape(a.shape), mean, scale


def vector_backward(
    dz: Array,
    z: Array,
    mean: Array,
    scale: Array,
    a: Array,
    w: Array | None,
    b: Array | None,
    *,
    num_groups: int,
    eps: float,
) -> tuple[Array | None, ...]:
    delta = by_channel(dz, a)
    normal = (in_groups(a, num_groups) - mean) * scale
    dw = None if w is None else (delta * by_channel(normal, a)).sum((0, 2))
    db = None if b is None else delta.sum((0, 2))
    spread = delta if w is None else delta * w[:, None]
    da = standardise_backward(spread.reshape(normal.shape), normal, scale)
    return da.reshape(a.shape), dw, db


def in_groups(a: Array, num_groups: int) -> Array:
    """(N, C, …) as (N, G, numbers of a group)."""
    return a.reshape(len(a), num_groups, int(np.prod(a.shape[1:])) // num_groups)


def by_channel(x: Array, a: Array) -> Array:
    """As (N, C, positions), with a's N and C."""
    return x.reshape(*a.shape[:2], int(np.prod(a.shape[2:])))


def samples(rng: np.random.Generator) -> list[Sample]:
    n = rng.normal
    w, b = n(size=4), n(size=4)
    two: dict[str, Any] = {"num_groups": 2, "eps": 1e-5}
    return [
        Sample((n(2, 3, (2, 4, 3, 2)), w, b), two),
        Sample((n(2, 3, (2, 4, 3)), None, None), {**two, "num_groups": 1}, "one group, a line, no scale and shift"),
        Sample((n(2, 3, (2, 4, 3, 2)), w, None), {"num_groups": 4, "eps": 0.1}, "a group a channel, large epsilon"),
        Sample((n(2, 3, (3, 4)), w, b), {**two, "num_groups": 1}, "no positions"),
        Sample((n(size=(0, 4, 2, 2)), w, b), two, "empty batch"),
        Sample((n(size=(2, 3, 2, 4)).transpose(0, 3, 1, 2), w, n(size=8)[::2]), two, "non-contiguous"),
    ]


def ask(group_norm: Any, a: Any, w: Any, b: Any, *, num_groups: int, eps: float) -> Any:
    return group_norm(a, num_groups, w, b, eps)


ENTRY = Operation(
    "group_norm",
    group_norm,
    vector=Form(vector, vector_backward),
    reference="torch.nn.functional.group_norm",
    ask=ask,
    saves=("a", "w"),
    samples=samples,
)
