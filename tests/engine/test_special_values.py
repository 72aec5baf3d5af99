"""Elementwise operations where their pieces meet, at ties, zeros of both signs and infinities: against PyTorch.

Every operation of the registry whose floating inputs are one to three of one shape is asked for all combinations of
values (of three, for some), in each of its forms, with each of its samples' settings.
"""

from dataclasses import replace

import numpy as np
import pytest

from tests.engine.test_operations import floating, forms, reference, run
from underhood.engine.forms import OPERATIONS

FINITE = np.array([-7.0, -3.0, -2.0, -1.5, -1.0, -0.7, -0.5, -0.0, 0.0, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 6.0, 7.0, 20.0])
INFINITE = np.array([-np.inf, -1.0, 0.0, 2.0, np.inf])
# at infinities: where PyTorch multiplies infinity by 0, or divides by it, these have a limit or the other way round
OTHERWISE = {
    "binary_cross_entropy_with_logits", "copysign", "hardswish", "kl_div", "pow", "poisson_nll_loss", "remainder",
    "smooth_l1_loss", "soft_margin_loss", "softsign",
}  # fmt: skip
# at 0 and below, and where a quotient is next to a whole number
WITHOUT_SLOPE = {("pow", 1), ("logit", 0), ("poisson_nll_loss", 1), ("remainder", 1)}


def asked(operation, values):
    """The operation's samples, each other settings once, with all pairs of values for their inputs."""
    seen = set()
    for sample in operation.samples(np.random.default_rng(0)):
        which = floating(sample)
        others = [i for i, x in enumerate(sample.inputs) if isinstance(x, np.ndarray) and i not in which]
        shapes = {sample.inputs[i].shape for i in which}
        key = len(which), str(sorted(sample.settings.items()))
        if 1 <= len(which) <= 3 and len(shapes) == 1 and not others and key not in seen:
            seen.add(key)
            inputs = list(sample.inputs)
            some = values[::4] if len(which) == 3 else values
            for i, grid in zip(which, np.meshgrid(*[some] * len(which)), strict=True):
                inputs[i] = grid.ravel()
            yield replace(sample, inputs=tuple(inputs))


def elementwise(operation):
    """Whether an output belongs to each element: its shape is the inputs', or it is the mean or sum of such."""
    for sample in asked(operation, FINITE):
        try:
            z, _ = reference(operation, sample, np.float64)
            run(operation, sample, "vector", np.float64)
        except Exception:  # it takes no line of numbers
            return False
        if z.shape not in ((), sample.inputs[floating(sample)[0]].shape):
            return False
    return any(True for _ in asked(operation, FINITE))


with np.errstate(all="ignore"):
    NAMES = [name for name in sorted(OPERATIONS) if elementwise(OPERATIONS[name])]


def hold(name, values):
    operation = OPERATIONS[name]
    for sample in asked(operation, values):
        z, gradients = reference(operation, sample, np.float64)
        for form in forms(operation):
            with np.errstate(all="ignore"):
                found, mine, _ = run(operation, sample, form, np.float64)
            said = f"{name}, {form}, {sample.settings}"
            np.testing.assert_allclose(found, z, rtol=1e-9, atol=1e-12, err_msg=said)
            for i, (g, e) in enumerate(zip(mine, gradients, strict=True)):
                if e is not None and (name, i) not in WITHOUT_SLOPE:
                    np.testing.assert_allclose(g, e, rtol=1e-9, atol=1e-12, err_msg=f"{said}, gradient {i}")


def test_most_operations_are_asked():
    assert len(NAMES) > 80


@pytest.mark.parametrize("name", NAMES)
def test_at_finite_values(name):
    hold(name, FINITE)


@pytest.mark.parametrize("name", sorted(set(NAMES) - OTHERWISE))
def test_at_infinities(name):
    hold(name, INFINITE)
