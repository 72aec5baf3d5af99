"""The usual faults between layers: each by its name and with what it says, and what is none of them."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from underhood.instruments.check import check
from underhood.instruments.check.repairs import _factor, _is_shuffled, _ratio, _scaled, is_setting

A = np.random.default_rng(0).normal(size=(3, 4))


@pytest.mark.parametrize("c", [2.0, -1.0, 0.125, 1 + 1e-6, 1 - 1e-6, -1e5])
def test_a_constant_factor_is_found(c):
    assert _ratio(c * A, A) == pytest.approx(c, rel=1e-12)
    assert _ratio(c * A + 1e-12, A) == pytest.approx(c, rel=1e-9)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (A, A),
        (A * (1 + 1e-10), A),
        (2 * A, A.T),
        (2 * A[0], A),
        (A * A, A),
        (2 * A + 1e-4, A),
        (0 * A, A),
        (A, 0 * A),
        (np.array([2.0]), np.array([1.0])),
        (np.array(2.0), np.array(1.0)),
        (np.array([2, 4]), np.array([1.0, 2.0])),
        (np.array([2.0, 4.0]), np.array([1, 2])),
        (np.array([np.inf, 1.0]), np.array([1.0, 1.0])),
    ],
)
def test_what_is_no_factor(a, b):
    assert _ratio(a, b) is None


def test_two_elements_are_enough_for_a_factor():
    assert _ratio(np.array([2.0, 4.0]), np.array([1.0, 2.0])) == 2


@pytest.mark.parametrize(
    ("ratio", "lengths", "said"),
    [
        (8**0.5, {8}, "times √8, 8 being the length of an axis,"),
        (8**-0.5, {8}, "times 1/√8, 8 being the length of an axis,"),
        (1 / 8, {8}, "times 1/8, 8 being the length of an axis,"),
        (8.0, {8}, "times 8, 8 being the length of an axis,"),
        (8.0, {3, 8, 64}, "times 8, 8 being the length of an axis,"),
        (2.0, {4, 2}, "times 2, 2 being the length of an axis,"),
        (2.0, {4, 3}, "times √4, 4 being the length of an axis,"),
        (2.0, {2}, "times 2, 2 being the length of an axis,"),
        (1 / 3 + 1e-9, {3}, "times 1/3, 3 being the length of an axis,"),
        (1 / 3 + 1e-6, {3}, "times 0.333334"),
        (8.0, {1, 3}, "times 8"),
        (8.0, set(), "times 8"),
        (-8.0, {8}, "times -8"),
        (0.123456789, {7}, "times 0.123457"),
    ],
)
def test_a_factor_is_said_by_the_axis_that_it_comes_from(ratio, lengths, said):
    assert _factor(ratio, lengths) == said


def test_minus_one_is_a_sign_and_all_else_a_scale():
    assert [_scaled(c) for c in (-1.0, -1 + 1e-10, 1.0, -1.001, -2.0, 0.5)] == ["sign", "sign", *["scale"] * 4]


def test_shuffled_is_of_the_same_elements_in_another_order():
    assert _is_shuffled(A, A[::-1])
    assert _is_shuffled(A, A.T.reshape(3, 4))
    assert not _is_shuffled(A, A)
    assert not _is_shuffled(A, A + 1)
    assert not _is_shuffled(A, A * (1 + 1e-12))


def test_a_setting_is_a_number_or_a_word():
    assert all(is_setting(value) for value in (True, 0, 0.5, "tanh"))
    assert not any(is_setting(value) for value in (None, (1, 2), [1], A))


class Of(torch.nn.Module):
    """`rule(z, net)` between two linear layers."""

    def __init__(self, rule, **layers):
        super().__init__()
        self.fc, self.out = torch.nn.Linear(4, 6), torch.nn.Linear(6, 2)
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.rule = rule

    def forward(self, x):
        return self.out(self.rule(self.fc(x), self))


def said(mine, right, shape=(3, 4)):
    torch.manual_seed(0)
    pair = [rule if isinstance(rule, torch.nn.Module) else Of(rule) for rule in (mine, right)]
    found = check(pair[0], against=pair[1], input=shape)
    return found.faults, "\n".join(found.foot)


def layered(dim):
    return Of(lambda z, net: net.soft(z), soft=torch.nn.Softmin(dim))


@pytest.mark.parametrize(
    ("mine", "right", "text"),
    [
        (lambda z, _: F.softmax(z, dim=0), lambda z, _: F.softmax(z, dim=1), "along axis 0 where axis 1 is expected"),
        (lambda z, _: F.softmax(z, dim=1), lambda z, _: F.softmax(z, dim=0), "along axis 1 where axis 0 is expected"),
        (lambda z, _: F.softmax(z, dim=-1), lambda z, _: F.softmax(z, dim=0), "along axis -1 where axis -2 is"),
        (lambda z, _: F.softmax(z, 0), lambda z, _: F.softmax(z, 1), "along axis 0 where axis 1 is expected"),
        (lambda z, _: z.cumsum(0), lambda z, _: z.cumsum(1), "cumsum along axis 0 where axis 1 is expected"),
        (lambda z, _: z.softmax(-2), lambda z, _: z.softmax(-1), "along axis -2 where axis -1 is expected"),
    ],
)
def test_a_wrong_axis_is_told_with_the_right_one(mine, right, text):
    faults, foot = said(mine, right)
    assert faults[0] == "wrong axis"
    assert text in foot, foot


@pytest.mark.parametrize(
    ("mine", "right", "text"),
    [
        (
            lambda z, _: F.leaky_relu(z, 0.2),
            lambda z, _: F.leaky_relu(z, 0.1),
            "leaky_relu with negative_slope 0.2 where 0.1 is expected",
        ),
        (
            lambda z, _: F.leaky_relu(z, negative_slope=0.2),
            lambda z, _: F.leaky_relu(z, negative_slope=0.1),
            "leaky_relu with negative_slope 0.2 where 0.1 is expected",
        ),
        (
            lambda z, _: F.gelu(z),
            lambda z, _: F.gelu(z, approximate="tanh"),
            "gelu with approximate its default where tanh is expected",
        ),
        (
            lambda z, _: F.elu(z, alpha=2.0),
            lambda z, _: F.elu(z),
            "elu with alpha 2.0 where 1.0 is expected",
        ),
        (
            lambda z, _: F.hardtanh(z, -1.0, 0.3),
            lambda z, _: F.hardtanh(z, -0.2, 0.1),
            "hardtanh with min_val -1.0 where -0.2 is expected and max_val 0.3 where 0.1 is expected",
        ),
    ],
)
def test_another_setting_is_told_with_both_values(mine, right, text):
    faults, foot = said(mine, right)
    assert faults[0] == "another setting"
    assert text in foot, foot


@pytest.mark.parametrize(("mine", "right"), [(0, 1), (1, 0), (-1, -2)])
def test_the_axis_of_a_layer_is_a_setting_of_it(mine, right):
    faults, foot = said(layered(mine), layered(right))
    assert faults == ("another setting",)
    assert f"dim is {mine} where {right} is expected" in foot


def joined(*order):
    def rule(z, _):
        parts = z[:, :1], z[:, 1:2] * 2 - 1, z[:, 2:4].tanh(), z[:, 4:].sigmoid()
        return torch.cat([parts[i] for i in order], 1)

    return rule


@pytest.mark.parametrize(
    ("mine", "right", "fault", "text"),
    [
        (joined(2, 3, 0, 1), joined(0, 3, 2, 1), "swapped operands", "tanh and index have to change places in cat"),
        (
            lambda z, _: z.tanh() - z.sigmoid(),
            lambda z, _: z.sigmoid() - z.tanh(),
            "swapped operands",
            "have to change places in sub",
        ),
        (lambda z, _: z.tanh() + 1, lambda z, _: z.tanh() + 1 + z, "missing step", "Linear takes add"),
        (lambda z, _: z.tanh() + 2 * z, lambda z, _: torch.add(z.tanh(), z), "scale", "fc is taken times 2, 2 being"),
        (joined(3, 2, 1, 0), joined(0, 1, 2, 3), "swapped operands", "the tensors are concatenated in the other order"),
        (lambda z, _: 7 * z, lambda z, _: z, "scale", "fc is taken times 7 where the reference takes it as it is"),
        (
            lambda z, _: 3 * z,
            lambda z, _: z,
            "scale",
            "fc is taken times 3, 3 being the length of an axis,",
        ),
        (lambda z, _: -z, lambda z, _: z, "sign", "fc is taken times -1 where the reference takes it as it is"),
        (lambda z, _: z.tanh(), lambda z, _: (z * 0.3).tanh(), "scale", "the reference takes fc times 0.3 (mul)"),
        (lambda z, _: z * z.tanh(), lambda z, _: z * z.tanh().sigmoid(), "missing step", "where the reference takes"),
    ],
)
def test_terms_factors_and_operands(mine, right, fault, text):
    faults, foot = said(mine, right)
    assert (faults[0], text in foot) == (fault, True), foot


def test_the_place_is_told_by_what_both_have_and_what_the_reference_has_there():
    _, foot = said(lambda z, _: z.tanh(), lambda z, _: z.sigmoid())
    assert "between fc, the same in both, and tanh, which is not; the reference has sigmoid of fc there" in foot
