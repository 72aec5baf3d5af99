"""The residual networks for CIFAR: 6n + 2 layers in three stages of n blocks.

    3×32×32 → conv3 16 → n blocks 16×32×32 → n blocks 32×16×16 → n blocks 64×8×8 → mean → classes

    block:  z = ReLU( BN(conv3(ReLU(BN(conv3(x))))) + s(x) )

Where a stage halves the map and doubles the channels, the shortcut s(x) has to follow. Shortcut "A" takes
every other pixel and fills the new channels with zeros, so that it has nothing to learn; "B" is a 1×1
convolution of stride 2 with BatchNorm. The paper's figures are A's.

    layers      20        32        44        56        110
    A      269,722   464,154   658,586   853,018   1,727,962  parameters
    B      272,474   466,906   661,338   855,770   1,730,714

Source: He, Zhang, Ren & Sun 2016, "Deep residual learning for image recognition", section 4.2.
"""

from functools import partial
from typing import Any

from underhood.errors import BadInput
from underhood.networks.blocks import blocks
from underhood.networks.registry import Network


def cifar_resnet(nn: Any, depth: int = 20, shortcut: str = "A", width: int = 16, classes: int = 10) -> Any:
    """`depth` is 6n + 2; the stages are `width`, 2·`width` and 4·`width` channels wide."""
    if depth < 8 or (depth - 2) % 6:
        raise BadInput(f"depth: a CIFAR ResNet has 6n + 2 layers (20, 32, 44, 56, 110 …), not {depth}")
    if shortcut not in ("A", "B"):
        raise BadInput(f'shortcut: there is "A" (zeros) and "B" (1×1 convolution), not "{shortcut}"')
    layers = [conv3(nn, 3, width), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    inputs = width
    for outputs in (width, 2 * width, 4 * width):
        for _ in range((depth - 2) // 6):
            layers.append(block(nn, inputs, outputs, shortcut))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


def block(nn: Any, inputs: int, outputs: int, shortcut: str) -> Any:
    """Two 3×3 convolutions and the sum around them; the first has stride 2 where the channels grow."""
    stride = 1 if inputs == outputs else 2
    body = nn.Sequential(
        conv3(nn, inputs, outputs, stride),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        conv3(nn, outputs, outputs),
        nn.BatchNorm2d(outputs),
    )
    around = None
    if stride == 2 and shortcut == "A":
        around = zero_padded(nn, outputs - inputs)
    elif stride == 2:
        around = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
    return blocks(nn).Residual(body, around, nn.ReLU(inplace=True))


def conv3(nn: Any, inputs: int, outputs: int, stride: int = 1) -> Any:
    # no bias: the BatchNorm that follows would subtract it again
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)


def zero_padded(nn: Any, channels: int) -> Any:
    """Shortcut A: every other pixel, and `channels` channels of zeros, half before and half after."""

    class ZeroPadded(nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            before = channels // 2
            return nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, before, channels - before))

    return ZeroPadded()


networks = tuple(
    Network(
        name=f"resnet{depth}",
        build=partial(cifar_resnet, depth=depth),
        input=(3, 32, 32),
        summary=f"residual network of {depth} layers for CIFAR, shortcuts A or B",
        source="He et al. 2016, section 4.2",
    )
    for depth in (20, 32, 44, 56, 110)
)
