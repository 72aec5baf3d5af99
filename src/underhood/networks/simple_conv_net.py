"""SimpleConvNet: one convolution, one pool, two fully connected layers, for MNIST.

    1×28×28 → conv5 20×24×24 → pool 20×12×12 → 2880 → 500 → ReLU → 10 → softmax

The only ReLU stands after the first fully connected layer. The logits are what comes out: cross-entropy takes
the softmax itself; `softmax=True` appends it for whoever wants the probabilities. 1,446,030 parameters.

Source: A. Chernodub's "Homework for the deep learning class" (2019), after PyTorch's MNIST example.
"""

from collections import OrderedDict
from typing import Any

from underhood.networks.registry import Network


def simple_conv_net(nn: Any, classes: int = 10, softmax: bool = False) -> Any:
    """The homework's layers under its names."""
    layers = OrderedDict(
        conv=nn.Conv2d(1, 20, kernel_size=5),
        max_pool_2d=nn.MaxPool2d(2),
        reshape=nn.Flatten(),
        fc1=nn.Linear(20 * 12 * 12, 500),
        relu=nn.ReLU(),
        fc2=nn.Linear(500, classes),
    )
    if softmax:
        layers["softmax"] = nn.Softmax(1)
    return nn.Sequential(layers)


ENTRY = Network(
    name="simple-conv-net",
    build=simple_conv_net,
    input=(1, 28, 28),
    summary="one convolution, one pool, 2880-500-10, for MNIST",
    source="Chernodub 2019",
)
