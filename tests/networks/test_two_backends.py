"""Networks trained on the engine and on PyTorch from the same weights and batches stay together.

In float64, with SGD and momentum: outputs, gradients, weights and BatchNorm's buffers after one step and after 20.
The distance of two arrays is |a − b| relative to |b|; for a gradient b is at least a thousandth of the whole
gradient, because a bias before a BatchNorm has no gradient but for rounding.
"""

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

import underhood.nn
import underhood.optim
from underhood import engine
from underhood.networks import NETWORKS
from underhood.networks.inception import inception

STEPS = 20


@pytest.fixture(autouse=True)
def one_thread():
    """The threads of two libraries get in each other's way on such small work."""
    with threadpool_limits(1):
        yield


def small_inception_net(nn):
    """A convolution, both forms of the module, a mean and a Linear: 8 to 16 channels."""
    small = {"one": 4, "three": 6, "five": 2, "reduce_three": 3, "reduce_five": 2, "projection": 4}
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        inception(nn, 8, **small),
        inception(nn, 16, **small, reduced=False),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(28, 10),
    )


# name: how to build it, the shape of an image, the batch
CASES = {
    "simple-conv-net": (NETWORKS["simple-conv-net"].build, (1, 28, 28), 8),
    "simple-nn": (NETWORKS["simple-nn"].build, (3, 32, 32), 8),
    "simple-nn-batch-norm": (lambda nn: NETWORKS["simple-nn"].build(nn, batch_norm=True), (3, 32, 32), 8),
    "listing1": (NETWORKS["listing1"].build, (1, 28, 28), 8),
    "mlp": (lambda nn: NETWORKS["mlp"].build(nn, inputs=3072, hidden=(1000, 1000)), (3, 32, 32), 8),
    "resnet20": (NETWORKS["resnet20"].build, (3, 16, 16), 4),
    "resnet20-B": (lambda nn: NETWORKS["resnet20"].build(nn, shortcut="B"), (3, 16, 16), 4),
    "speed-net": (lambda nn: NETWORKS["speed-net"].build(nn, widths=(8, 12, 16)), (3, 32, 32), 4),
    "small-inception-net": (small_inception_net, (3, 12, 12), 4),
}


def pair(name):
    """The network on PyTorch, and on the engine with its weights."""
    torch.manual_seed(0)
    reference = CASES[name][0](torch.nn).double()
    ours = CASES[name][0](underhood.nn).double()
    ours.load_state_dict(reference.state_dict())
    return ours, reference


def batches(name, count):
    rng = np.random.default_rng(0)
    _, shape, batch = CASES[name]
    for _ in range(count):
        yield rng.normal(size=(batch, *shape)), rng.integers(0, 10, batch)


def backward(network, x, t, library, functional):
    """Loss of one batch and the gradients of all weights; returns the logits."""
    for parameter in network.parameters():
        parameter.grad = None
    z = network(library.from_numpy(x))
    functional.cross_entropy(z, library.from_numpy(t)).backward()
    return z.detach()


def distances(ours, reference, z, expected):
    """How far outputs, gradients, weights and buffers are apart, by name."""
    found = {"outputs": distance(z, expected)}
    theirs = {name: q.grad for name, q in reference.named_parameters()}
    assert list(theirs) == [name for name, _ in ours.named_parameters()]
    whole = np.sqrt(sum(float((g * g).sum()) for g in theirs.values()))
    for name, p in ours.named_parameters():
        assert p.grad.shape == theirs[name].shape
        found[f"∂ {name}"] = distance(p.grad, theirs[name], least=1e-3 * whole)
    state = reference.state_dict()
    found |= {name: distance(value, state[name]) for name, value in ours.state_dict().items()}
    return found


def distance(a, b, least=1e-12):
    a, b = a.detach().numpy(), b.detach().numpy()
    return float(np.linalg.norm(a - b) / max(np.linalg.norm(b), least))


@pytest.mark.parametrize("name", CASES)
def test_training_goes_the_same_way(name):
    ours, reference = pair(name)
    settings = {"lr": 0.05, "momentum": 0.9, "weight_decay": 1e-4}
    optimizer = underhood.optim.SGD(ours.parameters(), **settings)
    theirs = torch.optim.SGD(reference.parameters(), **settings)
    for step, (x, t) in enumerate(batches(name, STEPS), start=1):
        z = backward(ours, x, t, engine, underhood.nn.functional)
        expected = backward(reference, x, t, torch, torch.nn.functional)
        if step in (1, STEPS):
            apart = distances(ours, reference, z, expected)
            assert max(apart.values()) < 1e-9, sorted(apart.items(), key=lambda item: -item[1])[:5]
        optimizer.step()
        theirs.step()
    x, _ = next(batches(name, 1))
    ours.eval(), reference.eval()
    z, expected = ours(engine.from_numpy(x)), reference(torch.from_numpy(x))
    assert max(distances(ours, reference, z, expected).values()) < 1e-9


@pytest.mark.parametrize("form", ["definition", "vector"])
@pytest.mark.parametrize("name", ["simple-conv-net", "small-inception-net", "resnet20"])
def test_the_plainer_forms_compute_the_same_gradients(name, form):
    ours, reference = pair(name)
    x, t = next(batches(name, 1))
    x, t = x[:2], t[:2]
    with engine.form(form):
        z = backward(ours, x, t, engine, underhood.nn.functional)
    expected = backward(reference, x, t, torch, torch.nn.functional)
    assert max(distances(ours, reference, z, expected).values()) < 1e-9


def test_the_test_sees_a_gradient_that_is_slightly_off():
    ours, reference = pair("simple-nn")
    x, t = next(batches("simple-nn", 1))
    z = backward(ours, x, t, engine, underhood.nn.functional)
    expected = backward(reference, x, t, torch, torch.nn.functional)
    ours.conv1.weight.grad.numpy()[0] *= 1.0005
    assert distances(ours, reference, z, expected)["∂ conv1.weight"] > 1e-6
