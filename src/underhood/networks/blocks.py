"""What networks are joined with, made once for either `nn`: sums around a branch, branches side by side, Swish.

    Residual   z = φ(f(x) + s(x))          f the body, s the shortcut (the identity unless given otherwise)
    Concat     z = [f₁(x); f₂(x); …]       along the channels
    Swish      z = x · σ(x)                written out; `nn.SiLU` is the same function as one operation

Sources: He et al. 2016 (residual sums); Szegedy et al. 2015 (branches joined by their channels); Ramachandran, Zoph &
Le 2017, "Searching for activation functions" (Swish).
"""

from functools import cache
from importlib import import_module
from typing import Any, NamedTuple


class Blocks(NamedTuple):
    """The classes of one `nn`: `Residual, Concat, Swish = blocks(nn)`."""

    Residual: Any
    Concat: Any
    Swish: Any


def library(nn: Any) -> Any:
    """What `nn` is of, with `tensor` and `cat`: torch, or this package."""
    return import_module("torch" if nn.__name__.startswith("torch") else "underhood")


@cache
def blocks(nn: Any) -> Blocks:
    """Residual, Concat and Swish as subclasses of `nn.Module`."""
    cat = library(nn).cat

    class Residual(nn.Module):  # type: ignore[misc]
        """φ(body(x) + shortcut(x)).   shortcut and last (φ) are identities when left out."""

        def __init__(self, body: Any, shortcut: Any = None, last: Any = None) -> None:
            super().__init__()
            self.body = body
            self.shortcut = shortcut
            self.last = last

        def forward(self, x: Any) -> Any:
            z = self.body(x) + (x if self.shortcut is None else self.shortcut(x))
            return z if self.last is None else self.last(z)

    class Concat(nn.Module):  # type: ignore[misc]
        """[f₁(x); f₂(x); …]: every branch sees the same x; their outputs (N, Cᵢ, H, W) become (N, ΣCᵢ, H, W)."""

        def __init__(self, **branches: Any) -> None:
            super().__init__()
            for name, branch in branches.items():
                setattr(self, name, branch)
            self.names = tuple(branches)

        def forward(self, x: Any) -> Any:
            return cat([getattr(self, name)(x) for name in self.names], 1)

    class Swish(nn.Module):  # type: ignore[misc]
        """x · σ(x), element by element."""

        def forward(self, x: Any) -> Any:
            return x * x.sigmoid()

    return Blocks(Residual, Concat, Swish)
