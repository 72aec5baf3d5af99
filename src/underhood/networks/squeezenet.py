"""SqueezeNet: AlexNet's accuracy with fifty times fewer parameters, from eight fire modules.

    fire:  s = ReLU(conv1(x)),   z = [ ReLU(conv1(s)); ReLU(conv3(s)) ]

A fire module squeezes its input to few channels by 1×1 filters and expands it by 1×1 and 3×3 filters side by
side. Pools stand late, so that convolutions see large maps. There is no fully connected layer: the last
convolution has one map a class, and its mean is the logit.

    version   first convolution   pools after            parameters   multiply–adds at 227 px
    1.0       96 7×7/2            conv1, fire4, fire8     1,248,424               832,667,936
    1.1       64 3×3/2            conv1, fire3, fire5     1,235,496               387,747,520

Sources: Iandola et al. 2016, table 1 (1.0); the authors' repository (1.1).
"""

from collections import OrderedDict
from functools import partial
from typing import Any

from underhood.errors import BadInput
from underhood.networks.blocks import blocks
from underhood.networks.registry import Network

# squeeze, expand (of each size) of fire2 … fire9
FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
POOL_AFTER = {"1.0": ("fire4", "fire8"), "1.1": ("fire3", "fire5")}


def squeezenet(nn: Any, classes: int = 1000, version: str = "1.0", dropout: float = 0.5) -> Any:
    """`version` "1.0" is the paper's, "1.1" computes half as much for the same accuracy."""
    if version not in POOL_AFTER:
        raise BadInput(f'version: there is "1.0" and "1.1", not "{version}"')
    pool = partial(nn.MaxPool2d, 3, stride=2, ceil_mode=True)
    channels, size = (96, 7) if version == "1.0" else (64, 3)
    layers: OrderedDict[str, Any] = OrderedDict(
        conv1=nn.Conv2d(3, channels, size, stride=2), relu1=nn.ReLU(inplace=True), pool1=pool()
    )
    for i, (squeeze, expand) in enumerate(FIRES, start=2):
        layers[f"fire{i}"] = fire(nn, channels, squeeze, expand)
        channels = 2 * expand
        if f"fire{i}" in POOL_AFTER[version]:
            layers[f"pool{i}"] = pool()
    layers |= OrderedDict(
        dropout=nn.Dropout(dropout),
        conv10=nn.Conv2d(channels, classes, 1),
        relu10=nn.ReLU(inplace=True),
        mean=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
    )
    return nn.Sequential(layers)


def fire(nn: Any, inputs: int, squeeze: int, expand: int) -> Any:
    """(N, inputs, H, W) → (N, 2·expand, H, W) through `squeeze` channels."""
    return nn.Sequential(
        OrderedDict(
            squeeze=nn.Conv2d(inputs, squeeze, 1),
            relu=nn.ReLU(inplace=True),
            expand=blocks(nn).Concat(
                one=nn.Sequential(nn.Conv2d(squeeze, expand, 1), nn.ReLU(inplace=True)),
                three=nn.Sequential(nn.Conv2d(squeeze, expand, 3, padding=1), nn.ReLU(inplace=True)),
            ),
        )
    )


networks = tuple(
    Network(
        name=name,
        build=partial(squeezenet, version=version),
        input=(3, 227, 227),
        summary=f"eight fire modules, version {version}",
        source="Iandola et al. 2016",
    )
    for name, version in (("squeezenet", "1.0"), ("squeezenet-1.1", "1.1"))
)
