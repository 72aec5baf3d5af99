"""Dropout judged in training mode: by what it drops, what it does to the rest, and whether it stops in evaluation.

    z = x · m / (1 − p)      m = 0 with probability p, else 1, anew at every call;  E z = x
    ∂E/∂x = δ · m / (1 − p)  with the mask of forward
    z = x                    in evaluation

Everything else about a network is compared with dropout off: two masks have nothing to do with each other.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np

from underhood import engine
from underhood.instruments.check.faults import Diagnosis
from underhood.instruments.check.gap import Array, gap
from underhood.instruments.check.layers import as_array
from underhood.instruments.check.steps import Dropped
from underhood.instruments.pytorch import load_torch

ELEMENTS = 20_000  # that a mask is judged by: a fraction is known to 0.4 %, and 6 standard deviations are asked
SIGMAS = 6.0


def judge_layer(layer: Any, x: Array, p: float) -> Diagnosis | None:
    """What is wrong with a layer as dropout of probability p on inputs like x."""
    layer = deepcopy(layer)
    tensor = _tensors(layer)
    shape = (max(1, -(-ELEMENTS // max(1, x.size))) * max(1, x.shape[0] if x.ndim else 1), *x.shape[1:])
    ones = np.ones(shape)

    def passed() -> tuple[Array, Array]:
        given = tensor(ones)
        given.requires_grad_()
        out = layer(given)
        if out.requires_grad:
            out.backward(tensor(ones))
        return as_array(out), np.zeros(shape) if given.grad is None else as_array(given.grad)

    layer.eval()
    if not np.array_equal(passed()[0], ones):
        return Diagnosis("dropout in evaluation", "in eval mode the input has to pass as it is")
    layer.train()
    (z, slope), (again, _) = passed(), passed()
    return _judged(z, slope, again, p)


def _judged(z: Array, slope: Array, again: Array, p: float) -> Diagnosis | None:
    if not 0 < p < 1:
        return None if np.allclose(z, 1.0 if p == 0 else 0.0) else Diagnosis("differs", f"p is {p:g}")
    dropped = float((z == 0).mean())
    # whole channels fall together, so that fewer coins are tossed than there are elements
    coins = len(np.unique(z.reshape(len(z), -1), axis=1).T) * len(z) if z.ndim > 1 else z.size
    spread = SIGMAS * (p * (1 - p) / max(coins, 1)) ** 0.5
    if abs(dropped - (1 - p)) < spread < abs(dropped - p):
        return Diagnosis("dropout keeps what it should drop", f"{dropped:.0%} are dropped, where p is {p:g}")
    if dropped == 0:
        return Diagnosis("dropout missing", f"nothing is dropped in training mode, where p is {p:g}")
    if abs(dropped - p) > spread:
        return Diagnosis("dropout probability", f"{dropped:.1%} are dropped, where p is {p:g}")
    kept = z[z != 0]
    if not np.allclose(kept, 1 / (1 - p), rtol=1e-5):
        return Diagnosis(
            "dropout not scaled",
            f"what is kept is multiplied by {float(kept.mean()):.4g}, where 1/(1 − p) = {1 / (1 - p):.4g} is expected: "
            f"the mean becomes {float(z.mean()):.3g} of the input's",
        )
    if np.array_equal(z, again):
        return Diagnosis("same dropout mask", "two calls drop the same elements")
    if not np.allclose(slope, z, rtol=1e-5):
        return Diagnosis("dropout gradient", "the gradient does not pass through the mask of forward")
    return None


def _tensors(layer: Any) -> Callable[[Array], Any]:
    if isinstance(layer, engine.nn.Module):
        return lambda array: engine.tensor(array.astype(np.float64))
    return lambda array: load_torch().tensor(array.astype(np.float64))


def judge(mine: list[Dropped], right: list[Dropped] | None, training: bool) -> dict[str, Diagnosis]:
    """What is wrong with the dropouts of a pass, held against those of another or against their own p."""
    problems: dict[str, Diagnosis] = {}
    if not training:
        still = [one for one in mine if one.on and one.p]
        wanted = 0 if right is None else sum(bool(one.on and one.p) for one in right)
        if len(still) > wanted:
            text = "it drops in eval mode too: it is not told of `training`"
            problems[still[0].name] = Diagnosis("dropout in evaluation", text)
        return problems
    mine = [one for one in mine if one.p != 0 and (one.on or one.layer is not None)]
    if right is None:
        pairs = [(one, one) for one in mine]
    else:
        right = [one for one in right if one.on and one.p]
        if len(mine) != len(right):
            name = "dropout missing" if len(mine) < len(right) else "extra dropout"
            theirs = ", ".join(f"{one.name} (p = {one.p:g})" for one in right) or "none"
            ours = ", ".join(f"{one.name} (p = {_shown(one.p)})" for one in mine) or "none"
            return {"dropout": Diagnosis(name, f"here {ours}, in the reference {theirs}")}
        pairs = list(zip(mine, right, strict=True))
    for one, other in pairs:
        found = _one(one, other)
        if found is not None:
            problems[one.name] = found
    return problems


def _shown(p: float | None) -> str:
    return "?" if p is None else f"{p:g}"


def _one(one: Dropped, other: Dropped) -> Diagnosis | None:
    p = other.p
    if p is None:
        return None
    if one.layer is None and one.p != p:
        return Diagnosis("dropout probability", f"p is {_shown(one.p)} where {p:g} is expected")
    if one is not other and one.input.shape == other.input.shape and gap(one.input, other.input).relative > 1e-4:
        return Diagnosis("dropout elsewhere", f"it drops elements of another tensor than {other.name} of the reference")
    return None if one.layer is None else judge_layer(one.layer, one.input, p)
