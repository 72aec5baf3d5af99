"""The initial weights of a network, drawn in NumPy by parameter name and seed.

Each parameter has a stream of its own, (seed, "init", name), so a network starts from the same numbers on either
back end, in whichever order its parts were made, and a part that is added moves no other part's weights.

    pytorch           weight, bias ~ U(−1/√fan_in, 1/√fan_in)     torch.nn's default for Linear and convolutions
    he                weight ~ N(0, 2/fan_in), bias 0             He et al. 2015
    xavier            weight ~ U(±√(6/(fan_in + fan_out))), bias 0     Glorot & Bengio 2010
    standard-normal   weight ~ N(0, 1), bias 0                    the course template's

What a module sets to constants (the ones and zeros of a normalisation, the slope of a PReLU) stays.
"""

import math
from typing import Any

import numpy as np

from underhood.data.streams import stream

Array = np.ndarray


def initialise(net: Any, seed: int, rule: str, back: Any) -> None:
    """Draw every weight of `net`, a module of either back end, anew."""
    drawn: dict[str, Array] = {}
    for path, module in net.named_modules():
        own = dict(module.named_parameters(recurse=False))
        weight = own.get("weight")
        if weight is None or _is_constant(back.array(weight)):
            continue
        name = f"{path}.weight" if path else "weight"
        shape = tuple(weight.shape)
        transposed = type(module).__name__.startswith("ConvTranspose")
        fan_in, fan_out = _fans(shape, transposed)
        if type(module).__name__ == "Embedding":
            drawn[name] = stream("init", seed, name=name).standard_normal(shape)
            continue
        drawn[name] = _weight(name, shape, fan_in, fan_out, seed, rule)
        if own.get("bias") is not None:
            drawn[f"{name[:-6]}bias"] = _bias(f"{name[:-6]}bias", tuple(own["bias"].shape), fan_in, seed, rule)
    net.load_state_dict({name: back.tensor(values) for name, values in drawn.items()}, strict=False)


def _is_constant(values: Array) -> bool:
    return values.size == 0 or (values.ndim < 2 and bool((values == values.flat[0]).all()))


def _fans(shape: tuple[int, ...], transposed: bool) -> tuple[int, int]:
    field = math.prod(shape[2:])
    outputs, inputs = shape[0] * field, math.prod(shape[1:2]) * field
    return (outputs, inputs) if transposed else (inputs, outputs)


def _weight(name: str, shape: tuple[int, ...], fan_in: int, fan_out: int, seed: int, rule: str) -> Array:
    rng = stream("init", seed, name=name)
    if rule == "he":
        return rng.normal(0, math.sqrt(2 / fan_in), shape)
    if rule == "standard-normal":
        return rng.standard_normal(shape)
    bound = math.sqrt(6 / (fan_in + fan_out)) if rule == "xavier" else 1 / math.sqrt(fan_in)
    return rng.uniform(-bound, bound, shape)


def _bias(name: str, shape: tuple[int, ...], fan_in: int, seed: int, rule: str) -> Array:
    if rule != "pytorch":
        return np.zeros(shape)
    bound = 1 / math.sqrt(fan_in)
    return stream("init", seed, name=name).uniform(-bound, bound, shape)
