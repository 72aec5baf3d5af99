"""What a page of this folder leaves at its bottom: the network's name, how to build it, what it takes in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Network:
    """One network. `build(nn, **arguments)` makes it from `underhood.nn` or `torch.nn`.

    `input` is the shape of one image, (C, H, W), without the batch.
    """

    name: str
    build: Callable[..., Any]
    input: tuple[int, ...]
    summary: str
    source: str
