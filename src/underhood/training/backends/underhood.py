"""The engine of this package as a back end."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np

from underhood import engine
from underhood.engine.ops.conv2d import conv2d_by_channel
from underhood.engine.optim import OPTIMIZERS
from underhood.training.backends import Array, flat_state, nested_state
from underhood.training.backends.settings import BackendSettings


class ByChannel(engine.nn.Conv2d):
    """A convolution as a product for every channel, whose columns hold K·K numbers."""

    def forward(self, images: engine.Tensor) -> engine.Tensor:
        images, padding = self.padded(images)
        return conv2d_by_channel(images, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Underhood:
    """NumPy and Numba, on the CPU."""

    name = "underhood"

    def __init__(self, settings: BackendSettings) -> None:
        self.dtype = np.dtype(settings.precision)
        self.planned = settings.form == "plan"
        self.form = "vector" if settings.form == "vector-by-channel" else settings.form
        by_channel = {"Conv2d": ByChannel} if settings.form == "vector-by-channel" else {}
        self.nn: Any = SimpleNamespace(**{**vars(engine.nn), **by_channel}) if by_channel else engine.nn

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
        if self.planned:
            return net(x)
        with engine.form(self.form):
            return net(x)

    def optimizer(self, name: str, net: Any, **arguments: Any) -> Any:
        return OPTIMIZERS[name].optimizer(net.parameters(), **arguments)

    def step(self, function: Callable[..., Any], optimizer: Any = None) -> Callable[..., Any]:
        if self.planned:
            return engine.plan(function, optimizer)

        def run(*inputs: engine.Tensor) -> Any:
            with engine.form(self.form):
                results = function(*inputs)
                if engine.is_grad_enabled():
                    results[0].backward()
                    if optimizer is not None:
                        optimizer.step()
                return results

        return run

    def apart(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def no_grad(self) -> AbstractContextManager[Any]:
        return engine.no_grad()

    def state(self, net: Any, optimizer: Any) -> dict[str, Array]:
        return flat_state(net.state_dict(), optimizer.state_dict()["state"], self.array)

    def restore(self, net: Any, optimizer: Any, state: dict[str, Array]) -> None:
        weights, buffers = nested_state(state)
        net.load_state_dict(weights)
        optimizer.load_state_dict({**optimizer.state_dict(), "state": buffers})
