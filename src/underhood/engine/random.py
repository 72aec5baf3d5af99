"""The engine's own stream of random numbers: initial weights, `randn` and dropout's masks are drawn from it.

It is a `Generator`, so `underhood.manual_seed(0)` gives the numbers that `torch.manual_seed(0)` gives there. The
laboratory draws with NumPy's generators by purpose and hands the numbers in, or puts one in the stream's stead.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from underhood.engine import tape
from underhood.engine.dtypes import DType
from underhood.engine.forms import Array
from underhood.engine.generator import Generator
from underhood.engine.tensor import Tensor

_stream: np.random.Generator = Generator()
_stream.seed()  # type: ignore[attr-defined]


def manual_seed(seed: int) -> Generator:
    """Start the stream anew from `seed`."""
    generator = Generator().manual_seed(seed)
    use(generator)
    return generator


def use(generator: np.random.Generator) -> None:
    """Draw from `generator` from now on: the laboratory has one for every purpose, seed and epoch."""
    global _stream
    _stream = generator


def stream(generator: np.random.Generator | None = None) -> np.random.Generator:
    """`generator` if there is one, else the engine's own."""
    if (who := tape.listener()) is not None:
        who.draws(own=generator is None)
    return _stream if generator is None else generator


def uniform(shape: tuple[int, ...], dtype: DType, low: float = 0.0, high: float = 1.0, generator: Any = None) -> Array:
    """U(low, high) of `dtype`: PyTorch's numbers from a `Generator`, NumPy's from one of its own."""
    rng = stream(generator)
    if isinstance(rng, Generator):
        return np.asarray(rng.uniform(low, high, shape, dtype))
    return np.asarray(rng.uniform(low, high, shape), dtype)


def normal(shape: tuple[int, ...], dtype: DType, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Array:
    """N(mean, std²) of `dtype`, likewise."""
    rng = stream(generator)
    if isinstance(rng, Generator):
        return np.asarray(rng.normal(mean, std, shape, dtype))
    return np.asarray(rng.normal(mean, std, shape), dtype)


# -- the stream's state, as torch.random has it --


def own() -> Generator:
    """The stream, where torch's functions ask for its seed or state."""
    if not isinstance(_stream, Generator):
        raise RuntimeError("the stream is a generator of NumPy's; its state is .bit_generator.state")
    return _stream


def seed() -> int:
    """Start the stream anew from a seed that nobody knows; returns it."""
    return manual_seed(0).seed()


def initial_seed() -> int:
    return own().initial_seed()


def get_rng_state() -> Tensor:
    return own().get_state()


def set_rng_state(new_state: Tensor) -> None:
    own().set_state(new_state)


@contextmanager
def fork_rng(devices: Any = (), enabled: bool = True) -> Iterator[None]:
    """The stream goes on after the block as if nothing had been drawn inside."""
    state = get_rng_state() if enabled else None
    try:
        yield
    finally:
        if state is not None:
            set_rng_state(state)
