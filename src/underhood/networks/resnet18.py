"""ResNet-18: four stages of two residual blocks, for ImageNet, and in the form that CIFAR users made of it.

    ImageNet  3×224×224 → conv7/2 64×112×112 → pool3/2 64×56×56 → 64×56×56 → 128×28×28 → 256×14×14 → 512×7×7
    CIFAR     3×32×32   → conv3   64×32×32                      → 64×32×32 → 128×16×16 → 256×8×8   → 512×4×4

then the mean over the map and one linear layer. A block is two 3×3 convolutions; where the map is halved the
shortcut is a 1×1 convolution of stride 2 with BatchNorm. 11,689,512 parameters with 1000 classes; the CIFAR
form, 10 classes, has 11,173,962, which is 44.7 MB of gradients in fp32. It is not one of the paper's CIFAR
networks (`resnet20` …), which are forty times smaller. All widths follow the first stage's, `width`: with 8 the
CIFAR form has 176,402 parameters.

Sources: He et al. 2016, table 1; the CIFAR form: github.com/kuangliu/pytorch-cifar.
"""

from functools import partial
from typing import Any

from underhood.networks.blocks import blocks
from underhood.networks.registry import Network


def resnet18(nn: Any, classes: int = 1000, small: bool = False, width: int = 64) -> Any:
    """`small` is the CIFAR form: a 3×3 stem of stride 1 and no pool. `width` is the channels of the first stage."""
    if small:
        layers = [nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    else:
        layers = [
            nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        ]
    inputs = width
    for outputs, stride in ((width, 1), (2 * width, 2), (4 * width, 2), (8 * width, 2)):
        layers += [block(nn, inputs, outputs, stride), block(nn, outputs, outputs, 1)]
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8 * width, classes))


def block(nn: Any, inputs: int, outputs: int, stride: int) -> Any:
    """ReLU(BN(conv3(ReLU(BN(conv3/stride(x))))) + s(x)), s a 1×1 convolution where shapes change."""
    body = nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
    )
    shortcut = None
    if stride != 1 or inputs != outputs:
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
    return blocks(nn).Residual(body, shortcut, nn.ReLU(inplace=True))


networks = (
    Network(
        name="resnet18",
        build=resnet18,
        input=(3, 224, 224),
        summary="residual network of 18 layers for ImageNet",
        source="He et al. 2016, table 1",
    ),
    Network(
        name="resnet18-cifar",
        build=partial(resnet18, classes=10, small=True),
        input=(3, 32, 32),
        summary="ResNet-18 with a small stem, as CIFAR users run it",
        source="github.com/kuangliu/pytorch-cifar",
    ),
)
