"""ResNet-50: four stages of 3, 4, 6 and 3 bottleneck blocks, for ImageNet.

    3×224×224 → conv7/2 64×112×112 → pool3/2 64×56×56 → 256×56×56 → 512×28×28 → 1024×14×14 → 2048×7×7 → classes

    bottleneck:  z = ReLU( BN(conv1(ReLU(BN(conv3(ReLU(BN(conv1(x)))))))) + s(x) ),  widths w, w, 4w

A stage's first block halves the map. The paper puts that stride in the first 1×1 convolution (v1), which then
reads every fourth pixel only; today's libraries put it in the 3×3 (v1.5). The parameters are the same
25,557,032; the multiply–adds are 3,857,973,248 (v1) and 4,089,184,256 (v1.5); the field of the last block is
483 and 427 pixels.

Sources: He et al. 2016, table 1 (v1); Goyal et al. 2017 (the stride in the 3×3).
"""

from functools import partial
from typing import Any

from underhood.errors import BadInput
from underhood.networks.blocks import blocks
from underhood.networks.registry import Network


def resnet50(nn: Any, classes: int = 1000, version: str = "v1.5") -> Any:
    """`version` says where the stride sits: "v1" in the first 1×1 convolution, "v1.5" in the 3×3."""
    if version not in ("v1", "v1.5"):
        raise BadInput(f'version: there is "v1" and "v1.5", not "{version}"')
    layers = [
        nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2, padding=1),
    ]
    inputs = 64
    for width, repeats, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for i in range(repeats):
            layers.append(bottleneck(nn, inputs, width, stride if i == 0 else 1, version))
            inputs = 4 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


def bottleneck(nn: Any, inputs: int, width: int, stride: int, version: str) -> Any:
    """1×1 down to `width`, 3×3, 1×1 up to 4·`width`, and the sum around them."""
    early, late = (stride, 1) if version == "v1" else (1, stride)
    outputs = 4 * width
    body = nn.Sequential(
        nn.Conv2d(inputs, width, 1, early, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 3, late, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
    )
    shortcut = None
    if inputs != outputs:
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
    return blocks(nn).Residual(body, shortcut, nn.ReLU(inplace=True))


networks = tuple(
    Network(
        name=name,
        build=partial(resnet50, version=version),
        input=(3, 224, 224),
        summary=f"residual network of 50 layers for ImageNet, stride in the {where} ({version})",
        source=source,
    )
    for name, version, where, source in (
        ("resnet50", "v1.5", "3×3", "He et al. 2016, stride as in Goyal et al. 2017"),
        ("resnet50-v1", "v1", "first 1×1", "He et al. 2016, table 1"),
    )
)
