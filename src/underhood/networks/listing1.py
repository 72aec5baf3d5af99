"""The edge-training network: two convolutions, two fully connected layers, for 28×28 grey images.

    1×28×28 → conv5 10×24×24 → pool 10×12×12 → conv5 20×8×8 → pool 20×4×4 → 320 → 50 → 10

ReLU follows the convolutions only: there is none between the last two layers, so that they compose to one
linear map of rank 50. 21,840 parameters.

Source: "Homework 1" of a course on on-edge training, Listing 1.
"""

from typing import Any

from underhood.networks.registry import Network


def listing1(nn: Any, channels: int = 1, classes: int = 10) -> Any:
    """The listing's layers in its order: layer i of its table is module i here."""
    return nn.Sequential(
        nn.Conv2d(channels, 10, kernel_size=5),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=2),
        nn.Conv2d(10, 20, kernel_size=5),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=2),
        nn.Flatten(),
        nn.Linear(320, 50),
        nn.Linear(50, classes),
    )


ENTRY = Network(
    name="listing1",
    build=listing1,
    input=(1, 28, 28),
    summary="two convolutions and two linear layers, for on-edge training",
    source="on-edge training, homework 1, Listing 1",
)
