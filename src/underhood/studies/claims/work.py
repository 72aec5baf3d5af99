"""The multiply–adds of a network's layers, counted on this package's engine and, where PyTorch is, by `cost`.

convolution    MACs = outputs · (k · k · channels / groups)        linear    MACs = outputs · inputs
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from underhood import engine


def layers(page: Callable[[Any], Any], shape: tuple[int, ...]) -> list[tuple[str, int]]:
    """Name and multiply–adds of every convolution and linear layer, in the order in which one image (C, H, W) runs."""
    net = page(engine.nn)
    net.eval()
    found: list[tuple[str, int]] = []

    def counting(name: str) -> Callable[..., None]:
        def after(module: Any, _: Any, output: Any) -> None:
            found.append((name, int(np.prod(output.shape)) * int(np.prod(module.weight.shape[1:]))))

        return after

    for name, module in net.named_modules():
        if isinstance(module, engine.nn.Conv2d | engine.nn.Linear):
            module.register_forward_hook(counting(name))
    with engine.no_grad():
        net(engine.from_numpy(np.zeros((1, *shape), np.float32)))
    return found


def by_cost(page: Callable[[Any], Any], shape: tuple[int, ...]) -> int | None:
    """All of them by `underhood cost`; None where PyTorch, which it needs, is not installed."""
    if find_spec("torch") is None:
        return None
    from underhood.instruments.cost import cost
    from underhood.instruments.pytorch import load_torch

    torch = load_torch()
    with torch.device("meta"):
        net = page(torch.nn)
    return int(cost(net, (1, *shape)).macs)
