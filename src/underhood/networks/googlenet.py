"""GoogLeNet: nine Inception modules in a row, 22 layers with weights, the winner of ImageNet 2014.

    3×224×224 → conv7/2 64×112×112 → pool → conv1, conv3 192×56×56 → pool → 3a, 3b 480×28×28
              → pool → 4a … 4e 832×14×14 → pool → 5a, 5b 1024×7×7 → mean → classes

As in the paper: real 5×5 branches, biases, response normalisation, no BatchNorm; the two auxiliary heads,
which only serve training, are left out. 6,998,552 parameters, 1,582,671,872 multiply–adds. Today's libraries
differ (3×3 in place of 5×5, BatchNorm): 6,624,904.

Source: Szegedy et al. 2015, "Going deeper with convolutions", table 1.
"""

from collections import OrderedDict
from functools import partial
from typing import Any

from underhood.networks.inception import inception
from underhood.networks.registry import Network

# inputs, 1×1, 3×3, 5×5, reduce 3×3, reduce 5×5, projection; None is a pool of stride 2
TABLE = {
    "3a": (192, 64, 128, 32, 96, 16, 32),
    "3b": (256, 128, 192, 96, 128, 32, 64),
    "pool3": None,
    "4a": (480, 192, 208, 48, 96, 16, 64),
    "4b": (512, 160, 224, 64, 112, 24, 64),
    "4c": (512, 128, 256, 64, 128, 24, 64),
    "4d": (512, 112, 288, 64, 144, 32, 64),
    "4e": (528, 256, 320, 128, 160, 32, 128),
    "pool4": None,
    "5a": (832, 256, 320, 128, 160, 32, 128),
    "5b": (832, 384, 384, 128, 192, 48, 128),
}


def googlenet(nn: Any, classes: int = 1000, dropout: float = 0.4) -> Any:
    """The table of the paper, line by line."""
    # pools round up, as the paper's 112 → 56 → 28 → 14 → 7 asks for without padding
    pool = partial(nn.MaxPool2d, 3, stride=2, ceil_mode=True)
    normalise = partial(nn.LocalResponseNorm, 5, alpha=5e-4, beta=0.75, k=2.0)
    layers: OrderedDict[str, Any] = OrderedDict(
        conv1=nn.Conv2d(3, 64, 7, stride=2, padding=3),
        relu1=nn.ReLU(inplace=True),
        pool1=pool(),
        norm1=normalise(),
        reduce2=nn.Conv2d(64, 64, 1),
        relu2=nn.ReLU(inplace=True),
        conv2=nn.Conv2d(64, 192, 3, padding=1),
        relu3=nn.ReLU(inplace=True),
        norm2=normalise(),
        pool2=pool(),
    )
    for name, filters in TABLE.items():
        layers[name if filters is None else f"inception{name}"] = pool() if filters is None else inception(nn, *filters)
    layers |= OrderedDict(
        mean=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        dropout=nn.Dropout(dropout),
        linear=nn.Linear(1024, classes),
    )
    return nn.Sequential(layers)


ENTRY = Network(
    name="googlenet",
    build=googlenet,
    input=(3, 224, 224),
    summary="nine Inception modules, as published, without auxiliary heads",
    source="Szegedy et al. 2015, table 1",
)
