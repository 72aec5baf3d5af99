"""What reports say of a network and its recipe, against PyTorch's own shapes and counts."""

import pytest
import torch

from tests.studies.made_up import results
from underhood.networks import NETWORKS
from underhood.studies import find
from underhood.studies.learning.recipe import hyperparameters, structure


@pytest.mark.parametrize(
    ("network", "data", "shape", "classes"),
    [
        ({"name": "resnet20"}, "cifar10", (3, 32, 32), 10),
        ({"name": "speed-net", "widths": [8, 12, 16]}, "cifar100", (3, 32, 32), 100),
        ({"name": "mlp", "hidden": [5]}, "mnist", (1, 28, 28), 10),
    ],
)
def test_the_structure_is_what_pytorch_s_network_gives(network, data, shape, classes):
    arguments = {key: value for key, value in network.items() if key != "name"}
    fits = {"classes": classes} | ({"inputs": 784} if network["name"] == "mlp" else {})
    net = NETWORKS[network["name"]].build(torch.nn, **fits, **arguments).eval()
    seen = {}
    for name, module in net.named_children():
        module.register_forward_hook(
            lambda _, __, out, name=name: seen.update({name: "×".join(map(str, out.shape[1:]))})
        )
    net(torch.zeros(1, *shape))
    *parts, whole = structure({"network": network, "data": {"name": data}}, "it").rows
    assert {row["part"]: row["shape"] for row in parts} == seen
    assert whole["parameters"] == sum(p.numel() for p in net.parameters())
    assert [row["parameters"] for row in parts] == [sum(p.numel() for p in m.parameters()) for m in net.children()]


def test_a_residual_sum_is_named():
    rows = structure({"network": {"name": "resnet20"}, "data": {"name": "cifar10"}}, "it").rows
    assert sum("with a shortcut" in row.get("made", "") for row in rows) == 9


def test_a_set_of_one_s_own_is_not_guessed_at():
    assert "mine.npz" in structure({"network": {"name": "mlp"}, "data": {"name": "mine.npz"}}, "it")


def test_every_value_says_where_it_is_from():
    table = hyperparameters(results(find("resnet20"), [{}], [{}]), {"batch_size": "the paper"})
    rows = {row["what"]: row for row in table.rows}
    assert rows["Batch"] == {"what": "Batch", "value0": "128 images", "value1": "128 images", "why": "the paper"}
    assert rows["Label smoothing"]["why"] == "assumed"
    assert rows["Learning rate's schedule"]["value0"] == "decay, period 60.0"
    assert rows["Learning rate's schedule"]["value1"] == "one-cycle, peak 0.2"
    assert rows["Data"]["value0"] == "cifar10, all training images, 5,000 images held out"
    assert rows["Optimiser"]["value0"] == "sgd, lr 0.1, momentum 0.9, weight_decay 0.0001"
