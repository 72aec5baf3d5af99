"""What is measured: six networks, each with its batch, and the speed that the engine is to reach on it.

`target` is how many times as many images a second as with PyTorch's best variant.
"""

from dataclasses import dataclass, field
from typing import Any

from underhood.networks import NETWORKS


@dataclass(frozen=True)
class Case:
    """One network at one batch size. `image` is (C, H, W); `pixels` says that it is more than a row of numbers to it.

    Where `peers` is set, it is measured on the libraries other than PyTorch too.
    """

    name: str
    title: str
    network: str
    image: tuple[int, int, int]
    batch: int
    target: float
    arguments: dict[str, Any] = field(default_factory=dict)
    pixels: bool = True
    peers: bool = True

    def build(self, nn: Any) -> Any:
        """The network from `underhood.nn` or `torch.nn`."""
        return NETWORKS[self.network].build(nn, **self.arguments)


GREY, COLOUR = (1, 28, 28), (3, 32, 32)
WIDE: dict[str, Any] = {"inputs": 3072, "hidden": (1000, 1000)}

CASES = {
    case.name: case
    for case in (
        Case("mlp", "MLP 784-256-10", "mlp", GREY, 64, 1.5, pixels=False),
        Case("listing1", "Listing 1", "listing1", GREY, 32, 2.5),
        Case("simple-conv-net", "SimpleConvNet", "simple-conv-net", GREY, 64, 1.5),
        Case("simple-nn", "SimpleNN", "simple-nn", COLOUR, 128, 2.0),
        Case("wide-mlp", "MLP 3072-1000-1000-10", "mlp", COLOUR, 128, 1.1, WIDE, pixels=False, peers=False),
        Case("resnet20", "ResNet-20", "resnet20", COLOUR, 128, 1.0, peers=False),
    )
}
