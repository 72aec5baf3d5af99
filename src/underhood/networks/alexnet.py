"""AlexNet: five convolutions and three fully connected layers, the network that won ImageNet 2012.

    3×227×227 → conv11/4 96×55×55 → pool 96×27×27 → conv5 256×27×27 → pool 256×13×13
              → conv3 384×13×13 → conv3 384×13×13 → conv3 256×13×13 → pool 256×6×6 → 4096 → 4096 → 1000

As published it runs on two GPUs that exchange their maps only before the third convolution and the fully
connected layers: the second, fourth and fifth convolutions are in two groups, and 60,965,224 parameters are
learnt. With one group they are 62,378,344. Today's libraries mean the author's second design by the name
(one GPU; 64 and 192 filters first, no response normalisation): 61,100,840.

The paper says 224 px; its own arithmetic, (224 − 11)/4 + 1 = 54.25, needs 227.

Sources: Krizhevsky, Sutskever & Hinton 2012, section 3.5 and figure 2; Krizhevsky 2014, "One weird trick".
"""

from functools import partial
from typing import Any

from underhood.networks.registry import Network


def alexnet(nn: Any, classes: int = 1000, groups: int = 2, dropout: float = 0.5) -> Any:
    """The network of 2012; `groups=1` joins what was apart on two GPUs."""
    # the paper sums over 5 neighbours with alpha 1e-4; torch divides alpha by their number
    normalise = partial(nn.LocalResponseNorm, 5, alpha=5e-4, beta=0.75, k=2.0)
    return nn.Sequential(
        nn.Conv2d(3, 96, 11, stride=4),
        nn.ReLU(inplace=True),
        normalise(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(96, 256, 5, padding=2, groups=groups),
        nn.ReLU(inplace=True),
        normalise(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(256, 384, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(384, 384, 3, padding=1, groups=groups),
        nn.ReLU(inplace=True),
        nn.Conv2d(384, 256, 3, padding=1, groups=groups),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2),
        *head(nn, classes, dropout),
    )


def alexnet_today(nn: Any, classes: int = 1000, dropout: float = 0.5) -> Any:
    """The design of 2014 that today's libraries ship under the name; 224 px."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2),
        *head(nn, classes, dropout),
    )


def head(nn: Any, classes: int, dropout: float) -> list[Any]:
    """256·6·6 → 4096 → 4096 → classes, half of the units dropped before the first two layers."""
    return [
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(256 * 6 * 6, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Linear(4096, 4096),
        nn.ReLU(inplace=True),
        nn.Linear(4096, classes),
    ]


networks = (
    Network(
        name="alexnet",
        build=alexnet,
        input=(3, 227, 227),
        summary="AlexNet as published, convolutions in two groups",
        source="Krizhevsky, Sutskever & Hinton 2012",
    ),
    Network(
        name="alexnet-ungrouped",
        build=partial(alexnet, groups=1),
        input=(3, 227, 227),
        summary="AlexNet with its groups joined",
        source="Krizhevsky, Sutskever & Hinton 2012, on one GPU",
    ),
    Network(
        name="alexnet-today",
        build=alexnet_today,
        input=(3, 224, 224),
        summary="what today's libraries call AlexNet",
        source="Krizhevsky 2014",
    ),
)
