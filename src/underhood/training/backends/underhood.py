"""The engine of this package as a back end."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from underhood import engine
from underhood.engine.optim import OPTIMIZERS
from underhood.training.backends import Array, flat_state, nested_state
from underhood.training.backends.settings import BackendSettings


class Underhood:
    """NumPy and Numba, on the CPU."""

    name = "underhood"
    nn = engine.nn

    def __init__(self, settings: BackendSettings) -> None:
        self.dtype = np.dtype(settings.precision)

    def tensor(self, array: Array) -> engine.Tensor:
        return engine.from_numpy(array.astype(self.dtype, copy=False) if array.dtype.kind == "f" else array)

    def array(self, tensor: Any) -> Array:
        return tensor.detach().numpy() if isinstance(tensor, engine.Tensor) else np.asarray(tensor)

    def exactly(self, array: Array) -> engine.Tensor:
        return engine.from_numpy(array)

    def draw_from(self, rng: np.random.Generator) -> None:
        engine.random.use(rng)

    def drawn(self) -> str:
        return str(engine.random.stream().bit_generator.state)

    def prepare(self, net: Any) -> Any:
        return net.to(self.dtype)

    def forward(self, net: Any, x: engine.Tensor) -> engine.Tensor:
        return net(x)

    def optimizer(self, name: str, net: Any, **arguments: Any) -> Any:
        return OPTIMIZERS[name].optimizer(net.parameters(), **arguments)

    def step(self, function: Callable[..., Any], optimizer: Any = None) -> Callable[..., Any]:
        return engine.plan(function, optimizer)

    def no_grad(self) -> AbstractContextManager[Any]:
        return engine.no_grad()

    def state(self, net: Any, optimizer: Any) -> dict[str, Array]:
        return flat_state(net.state_dict(), optimizer.state_dict()["state"], self.array)

    def restore(self, net: Any, optimizer: Any, state: dict[str, Array]) -> None:
        weights, buffers = nested_state(state)
        net.load_state_dict(weights)
        optimizer.load_state_dict({**optimizer.state_dict(), "state": buffers})
