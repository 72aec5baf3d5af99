"""Faults that show in the numbers alone, each with what is said of it."""

from itertools import combinations

import numpy as np
import pytest

from underhood.instruments.check.faults import Case, diagnose
from underhood.instruments.check.faults.arrays import counts, flip_last
from underhood.instruments.check.question import Answer, Question

E = np.random.default_rng(0).normal(size=(3, 3))
BOX = np.random.default_rng(1).normal(size=(2, 3, 4))


def nobody(question):
    raise ValueError("there is nobody to ask")


def diagnosed(found, expected, inputs=(), names=(), part="z"):
    right = Answer(expected) if part == "z" else Answer(np.zeros((3, 3)), (expected,))
    found = diagnose(Case("", Question(inputs, {}, names), nobody, right, part, found))
    return found and (found.name, found.explanation)


@pytest.mark.parametrize(
    ("found", "name", "said"),
    [
        (0 * E, "nothing arrives", "all zeros: nothing arrives here"),
        (-E, "sign", "the sign is turned round"),
        (E.T, "transposed", "axes 0 and 1 are swapped: this is the transpose"),
        (E[[1, 0, 2]], "another order", "the right elements in another order: a reshape where axes had to be moved?"),
        (0.3 * E, "factor", "every element is 0.3 times what it should be"),
        (-0.123456789 * E, "factor", "every element is -0.123457 times what it should be"),
        (3 * E, "sum for mean", "3 times too large, 3 being the batch: the sum was taken where the mean is expected"),
        (E / 3, "mean for sum", "3 times too small, 3 being the batch: the mean was taken where the sum is expected"),
        (9 * E, "sum for mean", "9 times too large, 9 being the size of the output: the sum was taken where the mean"),
    ],
)
def test_a_fault_of_all_numbers_is_named(found, name, said):
    fault, explanation = diagnosed(found, E)
    assert fault == name
    assert explanation.startswith(said)


@pytest.mark.parametrize("axes", [axes for n in (1, 2, 3) for axes in combinations(range(3), n)])
def test_what_runs_backwards_is_told_with_its_axes(axes):
    words = " and ".join(map(str, axes))
    said = f"the elements run backwards along {'axis' if len(axes) == 1 else 'axes'} {words}"
    assert diagnosed(np.flip(BOX, axes), BOX) == ("reversed", said)


@pytest.mark.parametrize("axes", list(combinations(range(3), 2)))
def test_any_two_axes_may_be_swapped(axes):
    cube = np.random.default_rng(2).normal(size=(3, 3, 3))
    said = f"axes {axes[0]} and {axes[1]} are swapped: this is the transpose"
    assert diagnosed(cube.swapaxes(*axes), cube) == ("transposed", said)


@pytest.mark.parametrize("found", [E + 1, E * E, np.full((3, 3), np.nan), E[:2], np.where(E[0, 0] == E, np.inf, E)])
def test_what_is_no_such_fault_has_no_name(found):
    assert diagnosed(found, E) is None


def test_all_that_a_mean_may_have_divided_by_is_counted():
    inputs = (np.zeros((4, 3)), np.zeros((5, 1)), np.zeros(7, int), None)
    case = Case("", Question(inputs, {}, ("x", "w", "t", "b")), nobody, Answer(np.zeros((4, 2, 11))), "z", np.zeros(1))
    assert counts(case) == {
        4: "the batch",
        3: "the length of axis 1 of x",
        12: "the size of x",
        5: "the batch",
        2: "the length of axis 1 of the output",
        11: "the length of axis 2 of the output",
        8: "the length of axes 0 and 1 of the output",
        44: "the length of axes 0 and 2 of the output",
        22: "the length of axes 1 and 2 of the output",
        88: "the size of the output",
    }


def test_a_bias_gradient_that_kept_another_axis_is_told():
    question = Question((np.zeros(3),), {}, ("b",))
    delta = question.cotangent((3, 3))
    assert diagnosed(delta.sum(1), delta.sum(0), (np.zeros(3),), ("b",), "∂b") == (
        "batch for feature axis",
        "summed over axis 1: axis 0 of δ was kept, the wrong one",
    )


def test_a_half_turn_is_in_the_last_two_axes_or_the_last():
    x = np.arange(24.0)
    assert np.array_equal(flip_last(x.reshape(2, 3, 4)), x.reshape(2, 3, 4)[..., ::-1])
    assert np.array_equal(flip_last(x.reshape(1, 2, 3, 4)), x.reshape(1, 2, 3, 4)[..., ::-1, ::-1])
    assert np.array_equal(flip_last(x.reshape(1, 2, 3, 2, 2)), x.reshape(1, 2, 3, 2, 2)[..., ::-1, ::-1])
