"""MobileNet: depthwise-separable convolutions from the second layer to the last.

    3×224×224 → conv3/2 32 → 64 → 128/2 128 → 256/2 256 → 512/2 5×512 → 1024/2 1024 → mean → classes

    separable:  ReLU(BN(conv1( ReLU(BN(depthwise3(x))) )))

A 3×3 convolution of C into O channels costs 9·C·O multiply–adds a pixel. Split into a depthwise one (a filter
for each channel) and a 1×1 one across the channels it costs 9·C + C·O: fewer by 1/(1/O + 1/9), almost nine
times when O is large. 4,231,976 parameters, 568,740,352 multiply–adds, of which the 1×1 convolutions do 95 %.

Source: Howard et al. 2017, "MobileNets", table 1.
"""

from typing import Any

from underhood.networks.registry import Network

# channels out and stride of the thirteen separable convolutions
SEPARABLE = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
)


def mobilenet(nn: Any, width: float = 1.0, classes: int = 1000) -> Any:
    """`width` multiplies every number of channels (the paper: 1, 0.75, 0.5, 0.25)."""
    channels = round(32 * width)
    layers = [
        nn.Conv2d(3, channels, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    ]
    for wide, stride in SEPARABLE:
        layers.append(separable(nn, channels, round(wide * width), stride))
        channels = round(wide * width)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def separable(nn: Any, inputs: int, outputs: int, stride: int = 1) -> Any:
    """Depthwise 3×3 and pointwise 1×1, each with BatchNorm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, padding=1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


ENTRY = Network(
    name="mobilenet",
    build=mobilenet,
    input=(3, 224, 224),
    summary="depthwise-separable convolutions, width 1",
    source="Howard et al. 2017, table 1",
)
