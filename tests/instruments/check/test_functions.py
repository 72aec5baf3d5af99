"""check on functions of one's own: students' mistakes are named, what is right agrees however it is written."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from underhood.errors import BadInput
from underhood.instruments.check import check

spec = importlib.util.spec_from_file_location("functions", Path(__file__).with_name("functions.py"))
functions = importlib.util.module_from_spec(spec)
spec.loader.exec_module(functions)


@pytest.mark.parametrize("name", functions.WRONG)
def test_a_mistake_is_found_and_named(name):
    forward, backward, operation, fault = functions.WRONG[name]
    with np.errstate(all="ignore"):
        found = check((forward, backward), against=operation)
    assert not found.agrees
    assert found.faults[0] == fault


@pytest.mark.parametrize("name", functions.RIGHT)
def test_what_is_right_agrees(name):
    forward, backward, operation = functions.RIGHT[name]
    with np.errstate(all="ignore"):
        found = check((forward, backward), against=operation)
    assert found.agrees, str(found)


def test_what_a_function_does_not_take_is_said():
    def softmax(x):
        return functions.softmax(x)

    found = check(softmax)
    assert found.agrees
    assert any("no arguments for dim=1" in line and "softmax(x, *, dim)" in line for line in found.foot)
    with pytest.raises(BadInput, match=r"expected: conv2d\(a, w, b, \*, padding"):
        check(lambda: None, against="conv2d")


def test_a_loss_without_its_targets_gradient():
    found = check((functions.mse, lambda d, x, t: (d * 2 * (x - t) / x.size, None)), against="mse_loss")
    assert found.agrees
    assert any("target" in line for line in found.foot)
