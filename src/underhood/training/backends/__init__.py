"""A back end is what the training loop asks of a deep-learning library: one class of a dozen methods.

underhood   the engine of this package
torch       PyTorch
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np

from underhood.errors import missing_extra
from underhood.training.backends.settings import BackendSettings

Array = np.ndarray


class Backend(Protocol):
    """What `training/loop.py` needs."""

    @property
    def name(self) -> str:
        """What settings call it."""

    @property
    def nn(self) -> Any:
        """torch.nn or underhood.nn, handed to a network's page."""

    def tensor(self, array: Array) -> Any:
        """An array as a tensor of the trial's device; floats in the trial's precision, the rest as they are."""

    def array(self, tensor: Any) -> Array:
        """A tensor's values, off the tape."""

    def exactly(self, array: Array) -> Any:
        """An array as a tensor of the trial's device, in the array's own precision."""

    def draw_from(self, rng: np.random.Generator) -> None:
        """Let the library draw what it draws from now on (dropout's masks) by this generator."""

    def drawn(self) -> Any:
        """Where the library's own random numbers stand: equal as long as none is drawn."""

    def prepare(self, net: Any) -> Any:
        """The network in the trial's precision and memory format, where it will be trained."""

    def forward(self, net: Any, x: Any) -> Any:
        """net(x), in float32 or float64 whatever it was computed in: what a loss can be taken of."""

    def optimizer(self, name: str, net: Any, **arguments: Any) -> Any:
        """The optimiser of that name over the network's parameters."""

    def step(self, function: Callable[..., Any], optimizer: Any = None) -> Callable[..., Any]:
        """`function` of tensors, which returns a loss and perhaps more, with backward, and with the update if there is
        an optimiser; without gradients (`no_grad`) the function alone. It may be called only if it does the same
        operations each time.
        """

    def apart(self) -> AbstractContextManager[Any]:
        """Of several workers each keeps the gradients of what it computes inside to itself, until the next pass."""

    def no_grad(self) -> AbstractContextManager[Any]:
        """Nothing inside is recorded for backward."""

    def state(self, net: Any, optimizer: Any) -> dict[str, Array]:
        """Everything that the next step depends on, as arrays by name."""

    def restore(self, net: Any, optimizer: Any, state: dict[str, Array]) -> None:
        """Undo `state`: the next step will be the one that would have followed."""


def backend(name: str, precision: str = "float32") -> Backend:
    """The back end of that name, plain and on the processor."""
    return backend_of(BackendSettings.model_validate({"backend": name, "precision": precision}))


def backend_of(settings: BackendSettings) -> Backend:
    """The back end that the settings name; MissingPiece when its library or its device is not there."""
    if settings.backend == "underhood":
        from underhood.training.backends.underhood import Underhood

        return Underhood(settings)
    try:
        from underhood.training.backends.torch import Torch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise missing_extra("torch", "The torch back end") from None
    return Torch(settings)


def flat_state(net_state: dict[str, Any], optimizer_state: dict[int, dict[str, Any]], array: Any) -> dict[str, Array]:
    """Weights as `net.NAME`, the optimiser's buffers as `optimizer.PARAMETER.NAME`: one flat dictionary."""
    flat = {f"net.{name}": np.array(array(value)) for name, value in net_state.items()}
    for i, buffers in optimizer_state.items():
        flat |= {
            f"optimizer.{i}.{name}": np.array(array(value)) for name, value in buffers.items() if value is not None
        }
    return flat


def nested_state(flat: dict[str, Array]) -> tuple[dict[str, Array], dict[int, dict[str, Array]]]:
    """Undo `flat_state`."""
    net = {name.removeprefix("net."): value for name, value in flat.items() if name.startswith("net.")}
    optimizer: dict[int, dict[str, Array]] = {}
    for name, value in flat.items():
        if name.startswith("optimizer."):
            _, i, key = name.split(".", 2)
            optimizer.setdefault(int(i), {})[key] = value
    return net, optimizer
