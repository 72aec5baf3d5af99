"""What an operation says that it saves, its backward reads: with other values there, some gradient is another.

The opposite, that it reads nothing else, is held by tests/engine/test_operations.py: what is not saved has no values.
"""

import numpy as np
import pytest

from tests.engine.test_operations import forms, leaf, wants
from underhood import engine
from underhood.engine.forms import OPERATIONS
from underhood.engine.tensor import apply

KEPT_ANYWAY = {"batch_norm": {"mean", "var"}}  # the statistics given: small, and backward has their square root


def declared(operation):
    """The names of the arguments whose values are kept."""
    saves = operation.saves or ()
    return {name for group in saves.values() for name in group} if isinstance(saves, dict) else set(saves)


def gradients(operation, sample, form, name):
    """With what was saved and, in a second turn, with other numbers for the argument `name`; None where it has none."""
    found = []
    for other in (False, True):
        inputs = [leaf(x, np.float64) for x in sample.inputs]
        with engine.form(form):
            z = apply(operation, *inputs, **sample.settings)
            z = z[0] if isinstance(z, tuple) else z
            saved = list(z.node.saved) if z.requires_grad else []
            at = 0 if name == "z" else len(saved) - len(inputs) + operation.arguments.index(name)
            if at >= len(saved) or not isinstance(saved[at], np.ndarray) or saved[at].dtype.kind != "f":
                return None
            if other:
                saved[at] = np.random.default_rng(5).uniform(0.2, 0.8, saved[at].shape)
                z.node.saved = tuple(saved)
            z.backward(engine.from_numpy(np.random.default_rng(1).normal(size=z.shape)))
        found.append([x.grad.numpy() for x in inputs if wants(x) and x.grad is not None])
    return found


def reads(operation, name):
    """Whether some gradient of some sample rests on the argument; None where it is nowhere an array of real numbers."""
    seen = None
    for sample in operation.samples(np.random.default_rng(0)):
        for form in forms(operation):
            if (pair := gradients(operation, sample, form, name)) is not None:
                seen = False
                if not all(np.allclose(a, b, equal_nan=True) for a, b in zip(*pair, strict=True)):
                    return True
    return seen


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", sorted(name for name, operation in OPERATIONS.items() if declared(operation)))
def test_what_is_saved_is_read(name):
    operation = OPERATIONS[name]
    asked = (declared(operation) & {"z", *operation.arguments}) - KEPT_ANYWAY.get(name, set())
    assert {each for each in asked if reads(operation, each) is False} == set()
