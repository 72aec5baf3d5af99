"""The Inception module: filters of several sizes side by side on one input, joined by their channels.

    naive     z = [ conv1(x); conv3(x); conv5(x); maxpool3(x) ]
    reduced   z = [ conv1(x); conv3(conv1(x)); conv5(conv1(x)); conv1(maxpool3(x)) ]

All strides are 1 and all paddings keep the size, so that the outputs fit together. In the naive form the pool
hands on all its channels: every module is wider than the one before, and 3×3 and 5×5 filters run over all of
it. The reduced form puts 1×1 convolutions before them and after the pool.

Source: Szegedy et al. 2015, "Going deeper with convolutions", figure 2.
"""

from functools import partial
from typing import Any

from underhood.networks.blocks import blocks
from underhood.networks.registry import Network


def inception(
    nn: Any,
    inputs: int = 256,
    one: int = 128,
    three: int = 192,
    five: int = 96,
    reduce_three: int = 64,
    reduce_five: int = 64,
    projection: int = 64,
    reduced: bool = True,
) -> Any:
    """`one`, `three`, `five`: numbers of 1×1, 3×3 and 5×5 filters; the rest are 1×1 filters of the reduced form.

    Out come one + three + five + projection channels, or + inputs in the naive form.
    """

    def conv(inputs: int, outputs: int, size: int) -> list[Any]:
        return [nn.Conv2d(inputs, outputs, size, padding=size // 2), nn.ReLU(inplace=True)]

    pool = nn.MaxPool2d(3, stride=1, padding=1)
    if not reduced:
        return blocks(nn).Concat(
            one=nn.Sequential(*conv(inputs, one, 1)),
            three=nn.Sequential(*conv(inputs, three, 3)),
            five=nn.Sequential(*conv(inputs, five, 5)),
            pool=pool,
        )
    return blocks(nn).Concat(
        one=nn.Sequential(*conv(inputs, one, 1)),
        three=nn.Sequential(*conv(inputs, reduce_three, 1), *conv(reduce_three, three, 3)),
        five=nn.Sequential(*conv(inputs, reduce_five, 1), *conv(reduce_five, five, 5)),
        pool=nn.Sequential(pool, *conv(inputs, projection, 1)),
    )


networks = tuple(
    Network(
        name=f"inception-{form}",
        build=partial(inception, reduced=form == "reduced"),
        input=(256, 32, 32),
        summary=f"one Inception module, {form} form, 128/192/96 filters",
        source="Szegedy et al. 2015, figure 2",
    )
    for form in ("naive", "reduced")
)
