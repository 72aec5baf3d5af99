"""VGG: 3×3 convolutions of stride 1 and 2×2 pools from the first layer to the last, then three linear layers.

    A  VGG11   64      | 128      | 256 256         | 512 512         | 512 512          | 4096 4096 1000
    B  VGG13   64 64   | 128 128  | 256 256         | 512 512         | 512 512
    D  VGG16   64 64   | 128 128  | 256 256 256     | 512 512 512     | 512 512 512
    E  VGG19   64 64   | 128 128  | 256 256 256 256 | 512 512 512 512 | 512 512 512 512

A bar is a pool. Two 3×3 convolutions see 5×5 pixels, three see 7×7, for fewer weights and with more ReLUs
between. With BatchNorm a norm follows each convolution (the biases stay, though the norm subtracts them).

               VGG11        VGG13        VGG16        VGG19
    plain  132,863,336  133,047,848  138,357,544  143,667,240  parameters
    norm   132,868,840  133,053,736  138,365,992  143,678,248

Source: Simonyan & Zisserman 2015, "Very deep convolutional networks for large-scale image recognition", table 1.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from underhood.errors import BadInput
from underhood.networks.registry import Network

# convolutions in each of the five stages, whose widths are 64, 128, 256, 512, 512
STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def vgg(
    nn: Any,
    depth: int = 16,
    classes: int = 1000,
    batch_norm: bool = False,
    image: int = 224,
    hidden: int = 4096,
    dropout: float = 0.5,
    stages: Sequence[int] | None = None,
) -> Any:
    """`depth` layers with weights; `image` is the side in pixels, a multiple of 32.

    `stages` says how many convolutions stand before each of the five pools, in place of `depth`'s.
    """
    if depth not in STAGES:
        raise BadInput(f"depth: VGG has {', '.join(map(str, STAGES))} layers, not {depth}")
    layers: list[Any] = []
    inputs = 3
    for repeats, outputs in zip(stages or STAGES[depth], (64, 128, 256, 512, 512), strict=True):
        for _ in range(repeats):
            layers.append(nn.Conv2d(inputs, outputs, 3, padding=1))
            layers += [nn.BatchNorm2d(outputs)] if batch_norm else []
            layers.append(nn.ReLU(inplace=True))
            inputs = outputs
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(
        *layers,
        nn.Flatten(),
        nn.Linear(512 * (image // 32) ** 2, hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Linear(hidden, hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Linear(hidden, classes),
    )


networks = tuple(
    Network(
        name=f"vgg{depth}" + ("-bn" if batch_norm else ""),
        build=partial(vgg, depth=depth, batch_norm=batch_norm),
        input=(3, 224, 224),
        summary=f"VGG of {depth} layers" + (" with BatchNorm" if batch_norm else ""),
        source="Simonyan & Zisserman 2015, table 1",
    )
    for depth in STAGES
    for batch_norm in (False, True)
)
