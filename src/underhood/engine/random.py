"""The engine's own stream of random numbers: initial weights, `randn` and dropout's masks are drawn from it.

The laboratory draws with streams by purpose and hands the numbers in; this one serves whoever writes
`underhood.manual_seed(0)` and goes on as in PyTorch. The numbers are not PyTorch's.
"""

import numpy as np

_stream = np.random.default_rng()


def manual_seed(seed: int) -> np.random.Generator:
    """Start the stream anew from `seed`."""
    global _stream
    _stream = np.random.default_rng(seed)
    return _stream


def use(generator: np.random.Generator) -> None:
    """Draw from `generator` from now on: the laboratory has one for every purpose, seed and epoch."""
    global _stream
    _stream = generator


def stream(generator: np.random.Generator | None = None) -> np.random.Generator:
    """`generator` if there is one, else the engine's own."""
    return _stream if generator is None else generator
