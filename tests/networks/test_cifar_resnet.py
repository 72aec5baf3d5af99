"""The CIFAR ResNets by themselves: what no other argument says is ResNet-20's."""

import pytest

from underhood import nn
from underhood.errors import BadInput
from underhood.networks.cifar_resnet import cifar_resnet


def test_without_arguments_it_is_resnet_20():
    net = cifar_resnet(nn)
    layers = [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len(layers) == 20, "weighted layers; its shortcuts have none"
    assert sum(p.numel() for p in net.parameters()) == 269_722  # He et al.: 0.27 M


@pytest.mark.parametrize(
    ("arguments", "said"), [({"depth": 21}, "6n"), ({"depth": 2}, "6n"), ({"shortcut": "C"}, '"C"')]
)
def test_what_is_no_such_network_is_refused(arguments, said):
    with pytest.raises(BadInput, match=said):
        cifar_resnet(nn, **arguments)
