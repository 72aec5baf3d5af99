"""The multi-layer perceptron: Linear and activation in turn, a Linear at the end.

    a₀ = flatten(x),   aₖ = φ(Wₖ aₖ₋₁ + bₖ),   z = W_L a_{L−1} + b_L

    x: (N, …)   z: (N, classes), the logits

With dropout each a is multiplied, while it trains, by a mask that is 0 with probability p, else 1/(1 − p), so that
its mean stays. To scale the weights by the probability of keeping, 1 − p, when the network is used, as the first paper
does, is the other way to the same mean: never both.

Sources: Rumelhart, Hinton & Williams 1986, "Learning representations by back-propagating errors"; Srivastava et al.
2014, "Dropout".
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from underhood.networks.registry import Network


def mlp(
    nn: Any,
    inputs: int = 784,
    hidden: Sequence[int] = (256,),
    classes: int = 10,
    activation: str = "ReLU",
    dropout: float = 0.0,
    input_dropout: float = 0.0,
) -> Any:
    """An MLP of widths `inputs`, `hidden…`, `classes`; `activation` is the name of a class of `nn`.

    `input_dropout` and `dropout` are the probabilities of dropping a pixel and a hidden unit.
    """
    layers: OrderedDict[str, Any] = OrderedDict()

    def add(layer: Any) -> None:
        """Linear layers have the same names, so the same initial weights, with dropout and without."""
        layers[str(len(layers) - sum(name.startswith("dropout") for name in layers))] = layer

    def drop(p: float) -> None:
        if p:
            layers[f"dropout{len(layers)}"] = nn.Dropout(p)

    add(nn.Flatten())
    drop(input_dropout)
    for width in hidden:
        add(nn.Linear(inputs, width))
        add(getattr(nn, activation)())
        drop(dropout)
        inputs = width
    add(nn.Linear(inputs, classes))
    return nn.Sequential(layers)


ENTRY = Network(
    name="mlp",
    build=mlp,
    input=(1, 28, 28),
    summary="multi-layer perceptron, 784-256-10 by default",
    source="Rumelhart, Hinton & Williams 1986",
)
