"""Initial weights against the published rules: bounds, variances and fans from PyTorch, streams by name and seed."""

import numpy as np
import pytest
import torch

from underhood import engine
from underhood.data import stream
from underhood.training.backends import backend
from underhood.training.initial import initialise

# A layer of 200,000 weights or more: its sample variance is within 1 % of the rule's.
LAYERS = {
    "linear": lambda nn: nn.Linear(500, 400),
    "conv": lambda nn: nn.Conv2d(60, 140, 5),
    "grouped": lambda nn: nn.Conv2d(120, 240, 7, groups=2),
    "transposed": lambda nn: nn.ConvTranspose2d(140, 60, 5),
}


def fans(module):
    """fan_in and fan_out as torch.nn.init has them, of what the layer computes: a transposed one turns them round."""
    fan_in, fan_out = torch.nn.init._calculate_fan_in_and_fan_out(module.weight)
    return (fan_out, fan_in) if isinstance(module, torch.nn.ConvTranspose2d) else (fan_in, fan_out)


def drawn(layer, rule, seed=0):
    net = LAYERS[layer](torch.nn)
    initialise(net, seed, rule, backend("torch"))
    return net, net.weight.detach().double().numpy(), net.bias.detach().double().numpy()


@pytest.mark.parametrize("layer", LAYERS)
def test_he_has_the_gain_of_relu(layer):
    net, w, b = drawn(layer, "he")
    std = torch.nn.init.calculate_gain("relu") / fans(net)[0] ** 0.5
    assert w.std() == pytest.approx(std, rel=0.01)
    assert abs(w.mean()) < 0.01 * std
    assert (w**4).mean() / w.var() ** 2 == pytest.approx(3, rel=0.03)  # a normal distribution's
    assert not b.any()


@pytest.mark.parametrize("layer", LAYERS)
def test_xavier_fills_its_bounds(layer):
    net, w, b = drawn(layer, "xavier")
    bound = (6 / sum(fans(net))) ** 0.5
    assert np.abs(w).max() == pytest.approx(bound, rel=1e-3)
    assert w.var() == pytest.approx(bound**2 / 3, rel=0.01)
    assert not b.any()


@pytest.mark.parametrize("layer", LAYERS)
def test_pytorch_s_own_rule(layer):
    net, w, b = drawn(layer, "pytorch")
    theirs = LAYERS[layer](torch.nn)
    bound = 1 / fans(net)[0] ** 0.5
    assert np.abs(w).max() == pytest.approx(bound, rel=1e-3)
    assert w.var() == pytest.approx(bound**2 / 3, rel=0.01)
    assert np.abs(b).max() == pytest.approx(bound, rel=0.1)
    assert b.any()
    if layer != "transposed":  # PyTorch takes a transposed layer's fan from the side it does not sum over
        assert w.std() == pytest.approx(theirs.weight.std().item(), rel=0.01)


def test_standard_normal():
    _, w, b = drawn("linear", "standard-normal")
    assert w.std() == pytest.approx(1, rel=0.01)
    assert not b.any()


def test_a_weight_follows_its_name_and_the_seed_alone():
    def net(nn, *more):
        return nn.Sequential(nn.Linear(3, 4), *more, nn.Linear(4, 2))

    ours, longer = net(torch.nn), net(torch.nn, torch.nn.Dropout(0.5))
    for each in (ours, longer):
        initialise(each, 7, "he", backend("torch"))
    expected = stream("init", 7, name="0.weight").normal(0, (2 / 3) ** 0.5, (4, 3))
    np.testing.assert_allclose(ours[0].weight.detach().numpy(), expected, rtol=1e-6)
    np.testing.assert_array_equal(ours[0].weight.detach().numpy(), longer[0].weight.detach().numpy())
    assert (ours[1].weight != longer[2].weight).any()
    again = net(torch.nn)
    initialise(again, 8, "he", backend("torch"))
    assert (again[0].weight != ours[0].weight).any()


@pytest.mark.parametrize("rule", ["pytorch", "he", "xavier", "standard-normal"])
def test_both_back_ends_draw_the_same(rule):
    def net(nn):
        return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.PReLU(), nn.Flatten(), nn.Linear(12, 2))

    ours, theirs = net(engine.nn), net(torch.nn)
    initialise(ours, 0, rule, backend("underhood"))
    initialise(theirs, 0, rule, backend("torch"))
    for name, value in theirs.state_dict().items():
        np.testing.assert_array_equal(ours.state_dict()[name].numpy(), value.numpy(), err_msg=name)


def test_what_a_module_sets_to_constants_stays():
    net = torch.nn.Sequential(torch.nn.BatchNorm2d(3), torch.nn.PReLU(3), torch.nn.LayerNorm(4))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    initialise(net, 0, "he", backend("torch"))
    assert all((net.state_dict()[name] == value).all() for name, value in before.items())


def test_an_embedding_is_standard_normal_and_a_layer_may_have_no_bias():
    net = torch.nn.Sequential(torch.nn.Embedding(1000, 200), torch.nn.Linear(200, 3, bias=False))
    initialise(net, 0, "he", backend("torch"))
    assert net[0].weight.std().item() == pytest.approx(1, rel=0.01)
    assert set(net.state_dict()) == {"0.weight", "1.weight"}


def test_a_network_that_is_one_layer_has_names_without_a_dot():
    net = torch.nn.Linear(4, 3)
    initialise(net, 0, "pytorch", backend("torch"))
    expected = stream("init", 0, name="bias").uniform(-0.5, 0.5, 3)
    np.testing.assert_allclose(net.bias.detach().numpy(), expected, rtol=1e-6)
