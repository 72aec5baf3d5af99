"""The multi-layer perceptron: Linear and activation in turn, a Linear at the end.

    a₀ = flatten(x),   aₖ = φ(Wₖ aₖ₋₁ + bₖ),   z = W_L a_{L−1} + b_L

    x: (N, …)   z: (N, classes), the logits

Source: Rumelhart, Hinton & Williams 1986, "Learning representations by back-propagating errors".
"""

from collections.abc import Sequence
from typing import Any

from underhood.networks.registry import Network


def mlp(
    nn: Any,
    inputs: int = 784,
    hidden: Sequence[int] = (256,),
    classes: int = 10,
    activation: str = "ReLU",
) -> Any:
    """An MLP of widths `inputs`, `hidden…`, `classes`; `activation` is the name of a class of `nn`."""
    layers = [nn.Flatten()]
    for width in hidden:
        layers += [nn.Linear(inputs, width), getattr(nn, activation)()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, classes))


network = Network(
    name="mlp",
    build=mlp,
    input=(1, 28, 28),
    summary="multi-layer perceptron, 784-256-10 by default",
    source="Rumelhart, Hinton & Williams 1986",
)
