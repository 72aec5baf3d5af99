"""How the page unfolds a line: the rule of every operation of the registry gives its numbers again, from its arrays."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.instruments.trace.test_parts import called
from underhood.engine.forms import OPERATIONS
from underhood.instruments.trace.exploring import BY_NAME, rule_of
from underhood.instruments.trace.parts import Called


def picked(one, rule):
    """Each output one number of the inputs, counted on from input to input, or a constant."""
    every = np.concatenate([one.inputs[i].reshape(-1) for i in rule["of"]])
    chosen, z = rule["map"], one.z.reshape(-1)
    assert rule["of"] == one.real()
    np.testing.assert_array_equal(every[chosen[chosen >= 0]], z[chosen >= 0])
    assert len(set(z[chosen < 0].tolist())) <= 1


def local(one, rule):
    """A function of each number by itself: its slope, by a small step, but where it has a kink or a jump."""
    x = one.inputs[rule["input"]]
    assert x.shape == one.z.shape == rule["slope"].shape
    h = 1e-6 * np.maximum(1, np.abs(x))
    sides = []
    for step in (-h, h):
        inputs = list(one.inputs)
        inputs[rule["input"]] = x + step
        with np.errstate(all="ignore"):
            sides.append((Called(one.operation, tuple(inputs), one.settings).z - one.z) / step)
    smooth = np.isclose(*sides, rtol=1e-3, atol=1e-3) & (np.abs(sides[0]) < 1e5)
    np.testing.assert_allclose(rule["slope"][smooth], (sides[0] + sides[1])[smooth] / 2, rtol=1e-3, atol=1e-3)


def sums(one, rule):
    """Σ weight·number, output by output."""
    x, starts = one.inputs[rule["input"]].reshape(-1), rule["starts"]
    assert len(starts) == one.z.size + 1
    assert starts[-1] == len(rule["where"]) == len(rule["weights"])
    found = [float((rule["weights"][a:b] * x[rule["where"][a:b]]).sum()) for a, b in pairwise(starts)]
    np.testing.assert_allclose(found, one.z.reshape(-1), rtol=1e-8, atol=1e-9)


BY_KIND = {"pick": picked, "local": local, "sums": sums}


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - set(BY_NAME)))
def test_a_rule_gives_the_operation_s_numbers(name):
    for one in called(OPERATIONS[name]):
        rule = rule_of(one)
        if rule:
            BY_KIND[rule["kind"]](one, rule)


def test_most_operations_have_a_rule():
    kinds = {name: {rule_of(one).get("kind") for one in called(OPERATIONS[name])} for name in OPERATIONS}
    assert {"abs", "sigmoid", "exp"} <= {name for name, found in kinds.items() if found == {"local"}}
    assert {"reshape", "permute"} <= {name for name, found in kinds.items() if found <= {"pick"}}
    assert "sums" in kinds["mean"]
    assert sum(found != {None} for found in kinds.values()) > 60


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_a_rule_of_its_own_has_the_operation_s_settings(name):
    seen = 0
    for sample in called(OPERATIONS[name]):
        one = Called(sample.operation, sample.inputs, LEFT_OUT.get(name, {}) | sample.settings)
        rule = rule_of(one)
        if rule.get("kind") == name and name in OWN:
            OWN[name](one, rule)
            seen += 1
    assert seen or name not in OWN


# what samples leave at its default, and a recorded call has
LEFT_OUT = {
    "conv2d": {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1},
    "max_pool2d": {"padding": (0, 0), "dilation": (1, 1), "ceil_mode": False},
}


def convolved(one, rule):
    a, w, b = (None if x is None else torch.tensor(x) for x in one.inputs)
    z = F.conv2d(a, w, b, rule["stride"], rule["padding"], rule["dilation"], rule["groups"])
    np.testing.assert_allclose(z.numpy(), one.z, rtol=1e-9, atol=1e-12)


def largest(one, rule):
    a = one.inputs[0].reshape(-1)
    np.testing.assert_array_equal(a[rule["chosen"]], one.z)
    padded = torch.tensor(one.inputs[0])
    z = F.max_pool2d(
        padded, rule["kernel"], rule["stride"], rule["padding"], rule["dilation"], one.settings["ceil_mode"]
    )
    np.testing.assert_array_equal(z.numpy(), one.z)


def softened(one, rule):
    np.testing.assert_allclose(torch.tensor(one.inputs[0]).softmax(rule["dim"]).numpy(), one.z, rtol=1e-9)


def surprised(one, rule):
    x, t, _ = one.inputs
    total = F.cross_entropy(torch.tensor(x), torch.tensor(t), reduction="sum").item()
    assert total / rule["divisor"] == pytest.approx(float(one.z))


def by_rows(one, rule):
    a, w, b = (None if x is None else torch.tensor(x) for x in one.inputs)
    z = F.layer_norm(a, a.shape[a.ndim - rule["axes"] :], w, b, rule["eps"])
    np.testing.assert_allclose(z.numpy(), one.z, rtol=1e-9, atol=1e-12)


def normalised(one, rule):
    a, w, b, mean, var = (None if x is None else torch.tensor(x) for x in one.inputs)
    z = F.batch_norm(a, mean, var, w, b, False, 0.0, rule["eps"])
    np.testing.assert_allclose(z.numpy(), one.z, rtol=1e-9, atol=1e-12)


OWN = {
    "conv2d": convolved,
    "max_pool2d": largest,
    "softmax": softened,
    "cross_entropy": surprised,
    "layer_norm": by_rows,
    "batch_norm": normalised,
}


def test_what_the_page_cannot_unfold_by_a_rule_of_its_own():
    """Batch statistics, cross-entropy of chances or with weights, and matrices that are broadcast."""
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(3, 4)), np.array([0, 1, 3])
    plain = {"ignore_index": -100, "label_smoothing": 0.0, "reduction": "mean"}

    def kind(name, *inputs, **settings):
        return rule_of(Called(OPERATIONS[name], inputs, settings)).get("kind")

    assert kind("cross_entropy", x, t, None, **plain) == "cross_entropy"
    for changed in ({"label_smoothing": 0.1}, {"reduction": "none"}, {"ignore_index": 3}):
        assert kind("cross_entropy", x, t, None, **(plain | changed)) != "cross_entropy"
    assert kind("cross_entropy", x, t, np.ones(4), **plain) != "cross_entropy"
    maps = rng.normal(size=(3, 2, 4))
    running = np.zeros(2), np.ones(2)
    assert kind("batch_norm", maps, None, None, *running, training=False, eps=1e-5) == "batch_norm"
    assert kind("batch_norm", maps, None, None, *running, training=True, eps=1e-5) != "batch_norm"
    assert kind("matmul", x, x.T) == "matmul"
    assert kind("matmul", maps, rng.normal(size=(4, 2))) != "matmul"
    assert kind("matmul", maps, rng.normal(size=(3, 4, 2))) == "matmul"
    assert kind("matmul", x[0], x[1]) != "matmul"


def test_equal_numbers_are_not_taken_for_one_of_them():
    mean = Called(OPERATIONS["mean"], (np.full((2, 3), 5.0),), {"dim": (1,), "keepdim": False})
    assert rule_of(mean)["kind"] == "sums"
