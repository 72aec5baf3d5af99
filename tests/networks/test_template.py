"""The course template's MLP against PyTorch."""

import numpy as np
import pytest
import torch

from underhood.networks import template

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("activation", ["Sigmoid", "Tanh", "ReLU"])
@pytest.mark.parametrize("one_hot", [False, True])
def test_five_steps_with_momentum_are_pytorch_s(activation, one_hot):
    mlp = template.MLP(6, 4, [5, 3], [getattr(template, activation)() for _ in range(2)], lr=0.1, momentum=0.9)
    layers = [torch.nn.Linear(a, b).double() for a, b in ((6, 5), (5, 3), (3, 4))]
    for layer, w, b in zip(layers, mlp.W, mlp.b, strict=True):
        layer.weight.data, layer.bias.data = torch.tensor(w.T.copy()), torch.tensor(b.copy())
    act = getattr(torch.nn, activation)()
    net = torch.nn.Sequential(layers[0], act, layers[1], act, layers[2])
    sgd = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for _ in range(5):
        x, t = RNG.normal(size=(8, 6)), RNG.integers(0, 4, 8)
        labels = np.eye(4)[t] if one_hot else t
        mlp.zero_grads()
        logits = mlp(x)
        loss = torch.nn.functional.cross_entropy(net(torch.tensor(x)), torch.tensor(t))
        np.testing.assert_allclose(mlp.get_loss(labels), loss.item(), rtol=1e-12)
        assert mlp.get_error(labels) == (logits.argmax(1) != t).sum()
        mlp.backward(labels)
        sgd.zero_grad()
        loss.backward()
        for layer, dw, db in zip(layers, mlp.dW, mlp.db, strict=True):
            np.testing.assert_allclose(dw.T, layer.weight.grad.numpy(), rtol=1e-9, atol=1e-14)
            np.testing.assert_allclose(db, layer.bias.grad.numpy(), rtol=1e-9, atol=1e-14)
        mlp.step()
        sgd.step()
    for layer, w, b in zip(layers, mlp.W, mlp.b, strict=True):
        np.testing.assert_allclose(w.T, layer.weight.detach().numpy(), rtol=1e-9)
        np.testing.assert_allclose(b, layer.bias.detach().numpy(), rtol=1e-9, atol=1e-12)


def test_derivatives_and_initial_weights():
    x = RNG.normal(size=(3, 4))
    for activation in (template.Sigmoid(), template.Tanh(), template.ReLU()):
        z = activation(x)
        h = 1e-6
        slope = (activation(x + h) - activation(x - h)) / (2 * h)
        np.testing.assert_array_equal(activation(x), z)
        np.testing.assert_allclose(activation.derivative(), slope, atol=1e-8)
    w = template.random_normal_weight_init(300, 200)
    assert w.shape == (300, 200)
    assert abs(w.mean()) < 0.02
    assert abs(w.std() - 1) < 0.02
    assert not template.zeros_bias_init(5).any()


def test_training_stats_fall_and_the_model_is_saved(tmp_path):
    x = RNG.normal(size=(200, 2))
    labels = (x[:, 0] > 0).astype(int)
    mlp = template.MLP(2, 2, [8], [template.Tanh()], lr=0.1)
    stats = template.get_training_stats(mlp, ((x[:150], labels[:150]), (x[150:], labels[150:])), 5, 10)
    assert [s.shape for s in stats] == [(5,)] * 4
    assert stats[0][-1] < stats[0][0]
    assert stats[3][-1] <= 0.1
    mlp.save_model(tmp_path / "p1_model.npz")
    with np.load(tmp_path / "p1_model.npz") as saved:
        np.testing.assert_array_equal(saved["W1"], mlp.W[1])
        assert sorted(saved) == ["W0", "W1", "b0", "b1"]


def test_widths_and_activations_must_match():
    with pytest.raises(ValueError, match="2 hidden layers want 2 activations, got 1"):
        template.MLP(2, 2, [3, 3], [template.ReLU()])
