"""The speed net: 94 % of CIFAR-10's test images with as little arithmetic as possible, on a processor.

    3×32×32 → whiten 12×31×31 → stage 64×15×15 → stage 128×7×7 → stage 256×3×3 → max 256 → classes, times 1/9

    stage:  y = φ(BN(pool(conv3(x)))),    z = y + φ(BN(conv3(y)))        φ = GELU

*Whitening.* What a first layer finds out slowly is known beforehand: neighbouring pixels are alike, and so are the
colours. The sum and the three differences of a 2×2 patch (Haar's basis) of each of three mixtures of the colours
(light, red against blue, green against both) are 12 channels that have next to nothing to do with each other: on
CIFAR-10 no two correlate by more than 0.18. Each is divided by its deviation, with ε against blowing up noise:

    z[3k+u] = Σ_c Σ_ij U[u, c] h_k[i, j] x[c, y+i, x+j] / √(σ[u, k]² + ε)

U and σ are those of CIFAR-10's training images, normalised; `kernel` is a buffer, for it is not learnt.

The pool stands directly behind the first convolution of a stage, where there is most to be saved, so that
normalising, activation and all that follows see a quarter of the map; the deeper ones, cheap on small maps, carry
the residual sum. 1,154,048 parameters, 58,651,024 multiply-adds: half of airbench94's.

Source: our own design, after Page 2018, "How to train your ResNet" (whitening, the 1/9), and Jordan 2024, "94% on
CIFAR-10 in 3.29 seconds on a single GPU" (the order in a stage, 2×2 patches at full resolution).
"""

from collections import OrderedDict
from collections.abc import Sequence
from math import sqrt
from typing import Any

from underhood.networks.blocks import blocks, library
from underhood.networks.registry import Network

COLOURS = ((0.5693, 0.5952, 0.5671), (0.7027, 0.0056, -0.7114), (0.4266, -0.8035, 0.4151))  # U: light first
DEVIATIONS = (  # σ of each mixture: sum, rows' difference, columns' difference, diagonals' difference
    (3.1670, 0.6260, 0.5747, 0.2345),
    (0.9130, 0.1293, 0.1193, 0.0405),
    (0.4326, 0.0691, 0.0654, 0.0243),
)
HAAR = (((1, 1), (1, 1)), ((1, 1), (-1, -1)), ((1, -1), (1, -1)), ((1, -1), (-1, 1)))  # 2h: (4, 2, 2)
EPSILON = 5e-4


def speed_net(nn: Any, classes: int = 10, widths: Sequence[int] = (64, 128, 256)) -> Any:
    """`widths` are the stages' channels. Images are 3×32×32, normalised by CIFAR-10's means and deviations."""
    layers: OrderedDict[str, Any] = OrderedDict(whiten=whitening(nn))
    inputs = 12
    for i, outputs in enumerate(widths, start=1):
        layers[f"stage{i}"] = stage(nn, inputs, outputs)
        inputs = outputs
    layers |= OrderedDict(
        pool=nn.MaxPool2d(3),
        flatten=nn.Flatten(),
        head=nn.Linear(inputs, classes, bias=False),
        scale=scaled(nn, 1 / 9),  # logits that start small: the first steps may be long
    )
    return nn.Sequential(layers)


def stage(nn: Any, inputs: int, outputs: int) -> Any:
    """(inputs, H, W) → (outputs, ⌊H/2⌋, ⌊W/2⌋)."""
    first = nn.Sequential(conv3(nn, inputs, outputs), nn.MaxPool2d(2), nn.BatchNorm2d(outputs), nn.GELU())
    second = nn.Sequential(conv3(nn, outputs, outputs), nn.BatchNorm2d(outputs), nn.GELU())
    return nn.Sequential(OrderedDict(first=first, second=blocks(nn).Residual(second)))


def conv3(nn: Any, inputs: int, outputs: int) -> Any:
    # no bias: the BatchNorm that follows would subtract it again
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)


def whitening(nn: Any) -> Any:
    """The fixed convolution with `patch_filters`."""

    class Whitening(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("kernel", library(nn).tensor(patch_filters()))

        def forward(self, x: Any) -> Any:
            return nn.functional.conv2d(x, self.kernel)

    return Whitening()


def scaled(nn: Any, factor: float) -> Any:
    """x · factor."""

    class Scaled(nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x * factor

    return Scaled()


def patch_filters() -> list[list[list[list[float]]]]:
    """(12, 3, 2, 2): Haar's four patterns, each in the three mixtures of colours, over their deviations."""
    return [
        [[[u * h / 2 / sqrt(deviations[k] ** 2 + EPSILON) for h in row] for row in haar] for u in mixture]
        for k, haar in enumerate(HAAR)
        for mixture, deviations in zip(COLOURS, DEVIATIONS, strict=True)
    ]


ENTRY = Network(
    name="speed-net",
    build=speed_net,
    input=(3, 32, 32),
    summary="whitening and three stages of two convolutions, for CIFAR-10 in little time",
    source="our own, after Page 2018 and Jordan 2024",
)
