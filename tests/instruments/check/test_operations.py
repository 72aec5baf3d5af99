"""Forms of an operation: what is right in float64 alone, and how what has no name is told."""

from copy import copy

import numpy as np
import pytest

from underhood.engine.forms import OPERATIONS
from underhood.instruments.check.gap import gap
from underhood.instruments.check.operations import compare_forms, undiagnosed

TANH = OPERATIONS["tanh"]


def changed(change):
    """tanh with a vector form whose output is changed."""

    def forward(*inputs, **settings):
        made = TANH.vector.forward(*inputs, **settings)
        return (change(made[0]), *made[1:]) if isinstance(made, tuple) else change(made)

    other = copy(TANH)  # made anew, it would be registered a second time
    object.__setattr__(other, "vector", TANH.vector._replace(forward=forward))
    return other


def verdicts(operation):
    return [str(one.verdict) for one in compare_forms(operation, "torch") if one.form == "vector" and one.double["z"]]


def test_what_is_right_in_float64_is_asked_of_float32_too():
    assert set(verdicts(changed(lambda z: z))) == {"agrees"}
    off = verdicts(changed(lambda z: z * np.float32(1.001) if z.dtype == np.float32 else z))
    assert any(verdict != "agrees" for verdict in off)
    assert all("factor" not in verdict for verdict in off)


def test_what_is_wrong_in_float64_is_told_by_its_fault():
    assert any("sign" in verdict for verdict in verdicts(changed(lambda z: -z)))


RIGHT = np.array([[1.0, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize(
    ("found", "name", "said"),
    [
        (np.ones(3), "wrong shape", "shape (3,) where (2, 2) is expected"),
        (np.array([[1.0, np.inf], [3.0, 4.0]]), "not finite", "values that are not finite"),
        (np.array([[1.0, 2.0], [3.5, 4.0]]), "differs", "off by 0.091 of its norm, most at [1, 0]"),
        (
            np.array([[1.0, 2.0 + 1e-7], [3.0, 4.0]]),
            "differs",
            "off by 1.8e-08 of its norm, most at [0, 1], as if it were computed in float32",
        ),
        (np.array([[1.0, 2.0 + 1e-4], [3.0, 4.0]]), "differs", "off by 1.8e-05 of its norm, most at [0, 1]"),
    ],
)
def test_a_gap_without_a_name_is_told_by_its_place_and_size(found, name, said):
    diagnosis = undiagnosed(gap(found, RIGHT), found, RIGHT)
    assert (diagnosis.name, diagnosis.explanation) == (name, said)


def test_a_nan_among_numbers_that_are_not_finite_is_told_by_its_place():
    right = np.array([np.inf, 2.5, np.nan])
    found = np.array([np.inf, np.nan, np.nan])
    diagnosis = undiagnosed(gap(found, right), found, right)
    assert (diagnosis.name, diagnosis.explanation) == ("not a number", "nan at [1], where 2.5 is expected")
