"""One page a network. A page is a function of `nn`, so that one text builds it on either back end."""

from underhood.networks import (
    alexnet,
    cifar_resnet,
    densenet,
    googlenet,
    inception,
    listing1,
    logic_gate,
    mlp,
    mobilenet,
    resnet18,
    resnet50,
    simple_conv_net,
    simple_nn,
    speed_net,
    squeezenet,
    vgg,
)
from underhood.networks.registry import Network

_ENTRIES = (
    mlp.ENTRY,
    logic_gate.ENTRY,
    listing1.ENTRY,
    simple_conv_net.ENTRY,
    simple_nn.ENTRY,
    speed_net.ENTRY,
    *cifar_resnet.networks,
    *densenet.networks,
    *resnet18.networks,
    *resnet50.networks,
    *alexnet.networks,
    *vgg.networks,
    *inception.networks,
    googlenet.ENTRY,
    *squeezenet.networks,
    mobilenet.ENTRY,
)
NETWORKS: dict[str, Network] = {entry.name: entry for entry in _ENTRIES}

__all__ = ["NETWORKS", "Network"]
