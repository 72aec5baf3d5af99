"""Every page of networks is one text for two back ends: equal names, equal initial weights by seed, equal outputs.

Networks for ImageNet are taken with smaller images, and those whose size follows from the image with narrow layers;
AlexNet's can be neither, so it is among the slow tests, as are the deeper ones of a page.
"""

import numpy as np
import pytest
import torch

from tests.networks.deeper import DEEPER
from underhood.networks import NETWORKS
from underhood.training.backends import backend
from underhood.training.initial import initialise

SMALLER = {
    **{name: ({"image": 32, "hidden": 8, "classes": 7}, (3, 32, 32)) for name in NETWORKS if name.startswith("vgg")},
    **dict.fromkeys(("resnet18", "resnet50", "resnet50-v1", "googlenet", "mobilenet"), ({"classes": 7}, (3, 64, 64))),
    **dict.fromkeys(("squeezenet", "squeezenet-1.1"), ({"classes": 7}, (3, 64, 64))),
    **{
        name: ({}, (3, 16, 16))
        for name in NETWORKS
        if name.startswith("resnet") and int(name[6:8]) in (20, 32, 44, 56, 11)
    },
    "inception-naive": ({}, (256, 4, 4)),
    "inception-reduced": ({}, (256, 4, 4)),
    "resnet18-cifar": ({}, (3, 16, 16)),
}
ROWS = [
    pytest.param(
        name,
        *SMALLER.get(name, ({}, row.input)),
        id=name,
        marks=[pytest.mark.slow] if name.startswith("alexnet") or name in DEEPER else [],
    )
    for name, row in NETWORKS.items()
] + [
    pytest.param("mlp", {"dropout": 0.5, "input_dropout": 0.2, "hidden": (20, 20)}, (1, 28, 28), id="mlp-dropout"),
    pytest.param("resnet20", {"shortcut": "B"}, (3, 16, 16), id="resnet20-B"),
]


@pytest.mark.parametrize(("name", "arguments", "shape"), ROWS)
def test_a_page_is_the_same_network_on_both_back_ends(name, arguments, shape):
    x = np.random.default_rng(0).normal(size=(2, *shape))
    states, outputs = [], []
    for back in (backend("underhood", "float64"), backend("torch", "float64")):
        net = back.prepare(NETWORKS[name].build(back.nn, **arguments))
        initialise(net, 3, "pytorch", back)
        net.eval()
        states.append({key: np.array(back.array(value)) for key, value in net.state_dict().items()})
        with back.no_grad():
            outputs.append(back.array(net(back.tensor(x))))
    ours, theirs = states
    assert list(ours) == list(theirs)
    for key, values in ours.items():
        np.testing.assert_array_equal(values, theirs[key], err_msg=key)
    assert np.abs(outputs[1]).max() > 0
    assert np.linalg.norm(outputs[0] - outputs[1]) <= 1e-9 * np.linalg.norm(outputs[1])


BATCH, STEPS = 3, 3


def trained(name, arguments, shape, back, planned=False):
    """The losses of a few steps of SGD with momentum, and the weights after them."""
    net = back.prepare(NETWORKS[name].build(back.nn, **arguments))
    initialise(net, 3, "pytorch", back)
    for module in net.modules():  # both back ends draw masks of their own
        if type(module).__name__.startswith("Dropout"):
            module.p = 0.0
    optimizer = back.optimizer("sgd", net, lr=0.01, momentum=0.9)

    def loss(x, t):
        logits = net(x)
        if logits.shape[1] > 1:
            return back.nn.functional.cross_entropy(logits.flatten(1), t)
        return ((logits.flatten(1) - 0.5) ** 2).mean()

    step = back.step(loss, optimizer)
    rng, losses = np.random.default_rng(0), []
    for _ in range(STEPS):
        x, t = rng.normal(size=(BATCH, *shape)), rng.integers(0, 2, BATCH)
        if planned or back.name == "torch":
            losses.append(step(back.tensor(x), back.tensor(t)).item())
        else:  # the step as it stands
            optimizer.zero_grad()
            found = loss(back.tensor(x), back.tensor(t))
            found.backward()
            optimizer.step()
            losses.append(found.item())
    return losses, {key: np.array(back.array(value), np.float64) for key, value in net.state_dict().items()}


# Less than a million multiply–adds an image: trained in every run of the tests, the others with the slow ones.
SMALL = {"mlp", "mlp-dropout", "logic-gate", "listing1", "simple-nn"}
TRAINED = [
    pytest.param(*row.values, id=row.id, marks=[] if row.id in SMALL else [pytest.mark.slow])
    for row in ROWS
    if not row.id.startswith("alexnet")
]


@pytest.mark.parametrize(("name", "arguments", "shape"), TRAINED)
def test_both_back_ends_train_a_page_alike_and_the_plan_replays_it(name, arguments, shape):
    arguments = {key: value for key, value in arguments.items() if "dropout" not in key}
    back = backend("underhood", "float64")
    losses, ours = trained(name, arguments, shape, back)
    torch_losses, theirs = trained(name, arguments, shape, backend("torch", "float64"))
    assert losses[0] != losses[-1]
    np.testing.assert_allclose(losses, torch_losses, rtol=1e-8)
    for key, values in theirs.items():
        assert np.linalg.norm(ours[key] - values) <= 1e-6 * np.linalg.norm(values) + 1e-9, key
    replayed, weights = trained(name, arguments, shape, back, planned=True)
    np.testing.assert_allclose(replayed, losses, rtol=1e-8)
    for key, values in ours.items():
        assert np.linalg.norm(weights[key] - values) <= 1e-6 * np.linalg.norm(values) + 1e-9, key


def initial_weights(back, **arguments):
    net = NETWORKS["mlp"].build(back.nn, **arguments)
    initialise(net, 0, "pytorch", back)
    return net, {key: back.array(value) for key, value in net.state_dict().items()}


@pytest.mark.parametrize("name", ["underhood", "torch"])
def test_dropout_leaves_the_initial_weights_and_the_network_in_use_as_they_are(name):
    back = backend(name, "float32")
    plain, without = initial_weights(back)
    dropping, with_dropout = initial_weights(back, dropout=0.5, input_dropout=0.2)
    assert list(with_dropout) == list(without)
    for key, values in without.items():
        np.testing.assert_array_equal(with_dropout[key], values)
    x = back.tensor(np.ones((3, 1, 28, 28), np.float32))
    assert not np.array_equal(back.array(dropping(x)), back.array(plain(x)))
    dropping.eval()
    np.testing.assert_array_equal(back.array(dropping(x)), back.array(plain(x)))
    assert [m.p for m in dropping.modules() if isinstance(m, back.nn.Dropout)] == [0.2, 0.5]


def test_scaling_by_what_is_kept_means_the_same_layer_by_layer():
    """Masks without 1/(1 − p) and weights times 1 − p afterwards: the mean of one layer is the same, 1 − p of it."""
    torch.manual_seed(0)
    a, w, kept = torch.rand(50, dtype=torch.float64), torch.randn(4, 50, dtype=torch.float64), 0.8
    masks = (torch.rand(200_000, 50) < kept).double()
    scaled_in_training = (masks * a / kept) @ w.T
    scaled_in_use = a @ (kept * w).T
    np.testing.assert_allclose(scaled_in_training.mean(0), a @ w.T, atol=0.02)
    np.testing.assert_allclose(((masks * a) @ w.T).mean(0), scaled_in_use, atol=0.02)
