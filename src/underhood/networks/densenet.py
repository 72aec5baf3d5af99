"""DenseNet for CIFAR: every layer sees all maps before it in its block, and adds k of its own.

    3×32×32 → conv3 → block 32×32 → half → block 16×16 → half → block 8×8 → BN, ReLU → mean → classes

    layer:  x ← [x; conv3(ReLU(BN(x)))]                                 k new channels, k the growth
    BC:     x ← [x; conv3(ReLU(BN(conv1(ReLU(BN(x))))))]                conv1 to 4k channels first
    half:   mean of 2×2 of conv1(ReLU(BN(x))), to θ times the channels  θ = 1, in BC ½

A block has (depth − 4)/3 layers, in BC half as many of two convolutions each; the first convolution makes 16
channels, in BC 2k. No convolution has a bias.

    depth, k          40, 12      BC 100, 12      BC 190, 40
                   1,019,722         769,162      25,624,430  parameters

Source: Huang, Liu, van der Maaten & Weinberger 2017, "Densely connected convolutional networks", sections 3 and 4.2.
"""

from functools import partial
from typing import Any

from underhood.errors import BadInput
from underhood.networks.blocks import blocks
from underhood.networks.registry import Network

BLOCKS = 3


def densenet(nn: Any, depth: int = 40, growth: int = 12, bottleneck: bool = False, classes: int = 10) -> Any:
    """`bottleneck` is the form BC: 1×1 convolutions before the 3×3, and half of the channels after a block."""
    convolutions = 2 if bottleneck else 1
    layers, rest = divmod(depth - 4, BLOCKS * convolutions)
    if layers < 1 or rest:
        form = "6n + 4" if bottleneck else "3n + 4"
        raise BadInput(f"depth: a DenseNet{'-BC' * bottleneck} of three blocks has {form} layers, not {depth}")
    channels = 2 * growth if bottleneck else 16
    parts = [nn.Conv2d(3, channels, 3, padding=1, bias=False)]
    for block in range(BLOCKS):
        if block:
            kept = channels // 2 if bottleneck else channels
            parts += [*convolution(nn, channels, kept, 1), nn.AvgPool2d(2)]
            channels = kept
        for _ in range(layers):
            parts.append(dense_layer(nn, channels, growth, bottleneck))
            channels += growth
    parts += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*parts, nn.Linear(channels, classes))


def dense_layer(nn: Any, inputs: int, growth: int, bottleneck: bool) -> Any:
    """(N, C, H, W) → (N, C + growth, H, W): the input as it is, and the new maps behind it."""
    body = convolution(nn, inputs, 4 * growth, 1) if bottleneck else []
    body += convolution(nn, 4 * growth if bottleneck else inputs, growth, 3)
    return blocks(nn).Concat(kept=nn.Identity(), new=nn.Sequential(*body))


def convolution(nn: Any, inputs: int, outputs: int, kernel: int) -> list[Any]:
    """BatchNorm and ReLU come before the convolution, which keeps the map's size."""
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return [nn.BatchNorm2d(inputs), nn.ReLU(inplace=True), conv]


networks = (
    Network(
        name="densenet40",
        build=densenet,
        input=(3, 32, 32),
        summary="densely connected network of 40 layers for CIFAR, growth 12",
        source="Huang et al. 2017, section 4.2",
    ),
    Network(
        name="densenet100-bc",
        build=partial(densenet, depth=100, bottleneck=True),
        input=(3, 32, 32),
        summary="densely connected network of 100 layers for CIFAR, growth 12, bottlenecks and compression",
        source="Huang et al. 2017, section 4.2",
    ),
)
