"""The course template's MLP: what it begins with, gradients that add up, models of the same sizes."""

import re

import numpy as np
import pytest

from underhood.networks import template

RNG = np.random.default_rng(1)


def mlp(*hiddens, **settings):
    return template.MLP(3, 2, hiddens, [template.Tanh() for _ in hiddens], **settings)


def test_sizes_and_what_it_begins_with():
    net = mlp(5, 4)
    assert [w.shape for w in net.W] == [(3, 5), (5, 4), (4, 2)]
    assert [b.shape for b in net.b] == [(5,), (4,), (2,)]
    assert (net.lr, net.momentum) == (0.01, 0.0)
    assert all(not values.any() for values in (*net.b, *net.vW, *net.vb, *net.dW, *net.db))
    assert all(w.any() for w in net.W)
    made = mlp(weight_init_fn=lambda a, b: np.full((a, b), 2.0), bias_init_fn=lambda d: np.full(d, 3.0))
    np.testing.assert_array_equal(made.W[0], np.full((3, 2), 2.0))
    np.testing.assert_array_equal(made(np.ones((1, 3))), [[9.0, 9.0]])


def test_weights_from_a_generator_are_its_next_numbers():
    found = template.random_normal_weight_init(3, 2, np.random.default_rng(5))
    np.testing.assert_array_equal(found, np.random.default_rng(5).standard_normal((3, 2)))


def test_gradients_add_up_until_they_are_cleared():
    net, x, labels = mlp(4), RNG.normal(size=(6, 3)), RNG.integers(0, 2, 6)
    net(x)
    net.backward(labels)
    once = [g.copy() for g in (*net.dW, *net.db)]
    net.backward(labels)
    for twice, one in zip((*net.dW, *net.db), once, strict=True):
        assert one.any()
        np.testing.assert_allclose(twice, 2 * one, rtol=1e-12)
    net.zero_grads()
    assert all(not g.any() for g in (*net.dW, *net.db))


def test_a_step_by_hand():
    net = mlp(lr=0.5, momentum=0.25)
    w, b = net.W[0].copy(), net.b[0].copy()
    for _ in range(2):
        net.dW, net.db = [np.ones((3, 2))], [np.full(2, 2.0)]
        net.step()
    np.testing.assert_allclose(net.W[0], w - 0.5 - 0.625)
    np.testing.assert_allclose(net.b[0], b - 1 - 1.25)


def test_a_criterion_of_ones_own_is_asked():
    class Asked(template.SoftmaxCrossEntropy):
        pass

    criterion = Asked()
    net = mlp(criterion=criterion)
    net(np.zeros((2, 3)))
    assert net.criterion is criterion
    assert net.get_loss(np.array([0, 1])) == pytest.approx(np.log(2))
    np.testing.assert_allclose(criterion.derivative(), [[-0.5, 0.5], [0.5, -0.5]])


def test_a_model_is_loaded_into_a_network_of_its_sizes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one, other = mlp(4), mlp(4)
    one.b[0] += 1
    one.save_model()
    assert (tmp_path / "p1_model.npz").exists()
    arrays = [*other.W, *other.b]
    other.load_model()
    x = RNG.normal(size=(5, 3))
    np.testing.assert_array_equal(other(x), one(x))
    assert all(a is b for a, b in zip(arrays, (*other.W, *other.b), strict=True))
    path = tmp_path / "p1_model.npz"
    with pytest.raises(ValueError, match=re.escape(f"{path}: W0 is (3, 4), this network's is (3, 5)")):
        mlp(5).load_model(path)


def test_an_activation_is_to_be_written():
    for ask in (lambda a: a(np.zeros(2)), lambda a: a.derivative(), lambda a: a.backward(np.ones(2))):
        with pytest.raises(NotImplementedError):
            ask(template.Activation())


@pytest.mark.parametrize("activation", [template.Sigmoid, template.Tanh, template.ReLU])
def test_backward_multiplies_by_the_slope_at_the_last_input(activation):
    phi, x, dz = activation(), RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))
    z = phi(x)
    np.testing.assert_array_equal(phi.state, z)
    slope = {
        template.Sigmoid: lambda: z * (1 - z),
        template.Tanh: lambda: 1 - z * z,
        template.ReLU: lambda: (x > 0).astype(float),
    }[activation]()
    np.testing.assert_allclose(phi.backward(dz), dz * slope, rtol=1e-12)
