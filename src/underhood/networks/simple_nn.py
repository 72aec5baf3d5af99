"""SimpleNN: two convolutions and three fully connected layers, for CIFAR-10.

    3×32×32 → conv5 8×28×28 → pool 8×14×14 → conv3 16×12×12 → pool 16×6×6 → 576 → 120 → 84 → 10

An activation follows every layer but the last. LeNet-5's shape on colour images. 82,030 parameters, 81,792 of
them weights.

Source: the CIFAR-10 laboratory whose SimpleNN this is; LeCun et al. 1998 for the shape.
"""

from collections import OrderedDict
from typing import Any

from underhood.networks.blocks import blocks
from underhood.networks.registry import Network


def simple_nn(nn: Any, classes: int = 10, activation: str = "ReLU", batch_norm: bool = False) -> Any:
    """SimpleNN with an activation, a class of `nn` or "Swish", and BatchNorm after each convolution if asked."""
    phi = blocks(nn).Swish if activation == "Swish" else getattr(nn, activation)
    layers: OrderedDict[str, Any] = OrderedDict()

    def convolution(i: int, inputs: int, outputs: int, kernel: int) -> None:
        layers[f"conv{i}"] = nn.Conv2d(inputs, outputs, kernel)
        if batch_norm:
            layers[f"norm{i}"] = nn.BatchNorm2d(outputs)
        layers[f"act{i}"] = phi()
        layers[f"pool{i}"] = nn.MaxPool2d(2)

    convolution(1, 3, 8, kernel=5)
    convolution(2, 8, 16, kernel=3)
    layers |= OrderedDict(
        flatten=nn.Flatten(),
        fc1=nn.Linear(16 * 6 * 6, 120),
        act3=phi(),
        fc2=nn.Linear(120, 84),
        act4=phi(),
        fc3=nn.Linear(84, classes),
    )
    return nn.Sequential(layers)


ENTRY = Network(
    name="simple-nn",
    build=simple_nn,
    input=(3, 32, 32),
    summary="two convolutions and three linear layers, for CIFAR-10",
    source="LeCun et al. 1998, on colour images",
)
