"""The two studies of SimpleConvNet's passes, against fractions worked by hand and against PyTorch's own network."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import underhood
from underhood.errors import BadInput
from underhood.settings import Mistakes
from underhood.studies import find


@pytest.fixture(scope="module", params=["simple-conv-net-forward", "simple-conv-net-backward"])
def run(request, tmp_path_factory):
    return underhood.run(request.param, "smoke", runs=tmp_path_factory.mktemp("runs"))


def test_the_worked_example_is_what_a_pencil_gives(run):
    result = run.trials[0].result
    z = result["example" if run.study.endswith("forward") else "values"]
    assert z["conv"] == [[[[6, 4, 2, 1], [2, 5, 0, 5], [2, 1, 8, 4], [4, 2, 4, 4]]]]
    assert z["reshape"] == [[6, 5, 4, 8]]
    assert (z["fc1"], z["relu"], z["fc2"]) == ([[2, -2, 1]], [[2, 0, 1]], [[1, 0]])
    e = np.e
    np.testing.assert_allclose(z["softmax"], [[e / (e + 1), 1 / (e + 1)]], rtol=1e-14)
    if run.study.endswith("backward"):
        q = 1 / (e + 1)  # how far the right class is from certain
        d = result["example"]
        np.testing.assert_allclose(d["fc2"], [[-q, q]], rtol=1e-12)
        np.testing.assert_allclose(d["relu"], [[-q, q, 2 * q]], rtol=1e-12)
        np.testing.assert_allclose(d["fc1"], [[-q, 0, 2 * q]], rtol=1e-12)
        np.testing.assert_allclose(d["reshape"], [[q, 0, 3 * q, -2 * q]], rtol=1e-12, atol=1e-16)
        np.testing.assert_allclose(d["conv.weight"], [[[[4 * q, 4 * q], [2 * q, 0]]]], rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(d["conv.bias"], [2 * q], rtol=1e-12)


def test_all_ways_agree_with_pytorch_on_the_whole_network(run):
    result = run.trials[0].result
    assert result["by"] == "PyTorch"
    assert result["largest"] < 1e-25
    assert f"{result['largest']:.1e}" in find(run.study).report(run.results).answer


def test_the_gradients_are_those_of_torch_s_own_modules(tmp_path):
    from underhood.networks.simple_conv_net import simple_conv_net as build
    from underhood.studies.by_hand.convnet import forward, simple_conv_net
    from underhood.studies.simple_conv_net_backward import gradients

    weights = simple_conv_net(4)
    net = build(torch.nn).double()
    net.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
    x, t = np.random.default_rng(0).random((2, 1, 28, 28)), np.array([3, 8])
    torch.nn.functional.cross_entropy(net(torch.tensor(x)), torch.tensor(t)).backward()
    found = gradients(forward("vector C·K·K", x, weights), t)
    for name, parameter in net.named_parameters():
        np.testing.assert_allclose(found[name], parameter.grad.numpy(), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("example.fc1=[[1, 2]]", "example.fc1: has 2 columns; the pool gives 4 numbers"),
        ("example.target=7", "example.target: 7 is none of the 2 classes 0 to 1"),
        ("example.image=[[1, 2], [3]]", "example.image: wants rows of one length"),
        ("example.filter=[[1, 2, 3, 4, 5]]", "example.filter"),
        ("example.fc2_bias=[1]", "example.fc2_bias: has 1 numbers for 2 outputs"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(word, said, tmp_path):
    with pytest.raises(Mistakes) as error:
        underhood.run("simple-conv-net-forward", "smoke", set=[word], runs=tmp_path)
    assert said in str(error.value)


class White:
    """Seven images without a line."""

    labels = np.arange(7)

    def __len__(self):
        return 7

    def take(self, rows):
        return np.full((len(rows), 1, 28, 28), 255.0)


@pytest.mark.parametrize("is_here", [True, False])
def test_mnist_is_taken_where_it_is_and_digits_stand_in_by_name(is_here, monkeypatch):
    from underhood.studies.by_hand import convnet

    asked, real = [], convnet.load

    def load(name, root):
        asked.append(name)
        if name != "mnist":
            return real(name, root)
        if not is_here:
            raise BadInput("mnist is not here")
        return SimpleNamespace(train=White(), white=255)

    monkeypatch.setattr(convnet, "load", load)
    settings = convnet.ByHandSettings(source="auto", images=2)
    images, _, called = convnet.digits(settings, 0, None)
    assert images.shape == (2, 1, 28, 28)
    assert asked == (["mnist"] if is_here else ["mnist", "digits"])
    assert called == ("MNIST" if is_here else "scikit-learn, enlarged from 8×8")
    assert (images == 1).all() == is_here
    if not is_here:
        with pytest.raises(BadInput, match="not here"):
            convnet.digits(convnet.ByHandSettings(source="mnist", images=2), 0, None)


def test_the_user_s_own_numbers_are_worked(tmp_path):
    run = underhood.run(
        "simple-conv-net-forward",
        "smoke",
        set={"example.filter": [[0, 0], [0, 1]], "example.filter_bias": 0},
        runs=tmp_path,
    )
    assert run.trials[0].result["example"]["conv"] == [[[[3, 1, 2, 0], [1, 1, 0, 1], [1, 0, 3, 2], [1, 0, 3, 1]]]]
