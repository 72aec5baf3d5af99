"""Initial weights: the same distributions, gains and refusals as torch.nn.init."""

import math

import numpy as np
import pytest
import torch

import underhood
from underhood.engine.nn import init

LIBRARIES = [pytest.param(underhood, id="underhood"), pytest.param(torch, id="torch")]
SHAPES = [(300, 200), (60, 40, 5, 3), (64, 32, 9)]


def weights(*shape):
    return underhood.empty(*shape, dtype=underhood.float64)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_fans(shape):
    assert init.fans(shape) == torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
    assert init._calculate_fan_in_and_fan_out(weights(*shape)) == init.fans(shape)


@pytest.mark.parametrize(
    "name", ["linear", "sigmoid", "tanh", "relu", "selu", "leaky_relu", "conv2d", "conv_transpose1d"]
)
def test_gains(name):
    assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain("leaky_relu", 0.3)


SPREADS = [
    ("uniform_", {"a": -2.0, "b": 3.0}),
    ("normal_", {"mean": 1.0, "std": 2.0}),
    ("trunc_normal_", {"mean": 0.5, "std": 1.0, "a": -1.0, "b": 1.5}),
    ("trunc_normal_", {}),
    ("xavier_uniform_", {}),
    ("xavier_uniform_", {"gain": 2.0}),
    ("xavier_normal_", {"gain": 0.5}),
    ("kaiming_uniform_", {}),
    ("kaiming_uniform_", {"a": math.sqrt(5)}),
    ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "relu"}),
    ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "relu"}),
    ("kaiming_normal_", {"nonlinearity": "tanh"}),
]


@pytest.mark.parametrize("shape", SHAPES[:2], ids=str)
@pytest.mark.parametrize(("name", "options"), SPREADS, ids=str)
def test_the_same_distribution(name, options, shape):
    """The quantiles of many numbers agree within what chance allows."""
    underhood.manual_seed(0)
    torch.manual_seed(0)
    ours = getattr(init, name)(weights(*shape), **options).numpy()
    theirs = getattr(torch.nn.init, name)(torch.empty(shape, dtype=torch.float64), **options).numpy()
    at = np.linspace(0.02, 0.98, 13)
    np.testing.assert_allclose(np.quantile(ours, at), np.quantile(theirs, at), atol=0.05 * theirs.std())
    if "uniform" in name or "trunc" in name:
        assert ours.min() == pytest.approx(theirs.min(), abs=0.01 * theirs.std())
        assert ours.max() == pytest.approx(theirs.max(), abs=0.01 * theirs.std())


def test_a_tail_can_be_cut_far_out():
    found = init.trunc_normal_(weights(100), a=6.0, b=7.0).numpy()
    assert found.min() >= 6
    assert found.max() <= 7
    assert len(np.unique(found)) > 50


@pytest.mark.parametrize("lib", LIBRARIES)
@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 2, 3), (4, 4)], ids=str)
def test_orthogonal(lib, shape):
    w = lib.nn.init.orthogonal_(lib.empty(*shape, dtype=lib.float64), gain=2.0).numpy().reshape(shape[0], -1)
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-12)


def test_orthogonal_of_nothing():
    assert init.orthogonal_(weights(0, 3)).shape == (0, 3)


@pytest.mark.parametrize(
    ("name", "shape", "options"),
    [
        ("ones_", (2, 3), {}),
        ("zeros_", (2, 3), {}),
        ("constant_", (2, 3), {"val": 0.3}),
        ("eye_", (3, 5), {}),
        ("eye_", (5, 3), {}),
        ("dirac_", (4, 3, 5), {}),
        ("dirac_", (3, 4, 3, 2), {}),
        ("dirac_", (6, 2, 3, 3), {"groups": 3}),
        ("dirac_", (2, 2, 3, 3, 3), {}),
    ],
    ids=str,
)
def test_without_chance(name, shape, options):
    ours = getattr(init, name)(weights(*shape), **options).numpy()
    theirs = getattr(torch.nn.init, name)(torch.empty(shape, dtype=torch.float64), **options).numpy()
    np.testing.assert_array_equal(ours, theirs)


def test_dirac_passes_channels_on():
    x = underhood.randn(1, 3, 5, 5)
    w = init.dirac_(underhood.empty(3, 3, 3, 3))
    assert underhood.equal(underhood.nn.functional.conv2d(x, w, padding=1), x)


@pytest.mark.parametrize("lib", LIBRARIES)
def test_sparse(lib):
    w = lib.nn.init.sparse_(lib.empty(10, 4, dtype=lib.float64), sparsity=0.25, std=0.1).numpy()
    assert ((w == 0).sum(axis=0) == 3).all()
    assert 0 < w.std() < 0.2


@pytest.mark.parametrize("lib", LIBRARIES)
@pytest.mark.parametrize(
    "program",
    [
        lambda lib: lib.nn.init.eye_(lib.ones(3)),
        lambda lib: lib.nn.init.dirac_(lib.ones(3, 3)),
        lambda lib: lib.nn.init.dirac_(lib.ones(3, 3, 3), groups=2),
        lambda lib: lib.nn.init.sparse_(lib.ones(3), 0.5),
        lambda lib: lib.nn.init.orthogonal_(lib.ones(3)),
        lambda lib: lib.nn.init.xavier_normal_(lib.ones(3)),
        lambda lib: lib.nn.init.kaiming_normal_(lib.ones(3, 3), mode="fan"),
        lambda lib: lib.nn.init.kaiming_normal_(lib.ones(3, 3), nonlinearity="gelu"),
        lambda lib: lib.nn.init.calculate_gain("leaky_relu", "0.1"),
    ],
)
def test_mistakes(lib, program):
    with pytest.raises(ValueError):  # noqa: PT011 - the words differ
        program(lib)


@pytest.mark.parametrize("lib", LIBRARIES)
def test_weights_are_changed_in_place_off_the_tape(lib):
    w = lib.nn.Parameter(lib.ones(2, 3))
    assert lib.nn.init.zeros_(w) is w
    assert w.requires_grad
    assert w.is_leaf


def test_a_generator_of_ones_own():
    draw = [init.kaiming_normal_(weights(3, 3), generator=np.random.default_rng(1)) for _ in range(2)]
    assert underhood.equal(*draw)


@pytest.mark.parametrize("shape", [(40, 30), (30, 40)], ids=str)
def test_variance_is_kept_through_a_deep_linear_network(shape):
    """What the gains are for: 30 orthogonal layers neither shrink nor blow up what passes."""
    x = underhood.randn(8, 30, dtype=underhood.float64)
    norm = float(x.norm())
    for _ in range(30):
        x = x @ init.orthogonal_(weights(30, 30))
    assert float(x.norm()) == pytest.approx(norm)
