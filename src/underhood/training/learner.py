"""What the training loop trains: something that can take a step, be evaluated, and be written down.

NetworkLearner is a page of `networks` with an optimiser of `optim`, on either back end.
"""

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from underhood.networks import NETWORKS
from underhood.training.backends import Backend, backend_of
from underhood.training.initial import initialise
from underhood.training.pipeline import Parts
from underhood.training.settings import TrainingSettings

Array = np.ndarray


class Learner(Protocol):
    """x: (B, C, H, W) images, normalised   t: (B,) classes. Losses are means over the batch, errors are counts."""

    parameters: int  # how many numbers are learnt
    file: str  # what the weights are saved as

    def step(self, x: Array, t: Array) -> tuple[float, int]:
        """One step of training; the loss and errors before it."""

    def evaluate(self, x: Array, t: Array) -> tuple[float, int]:
        """Loss and errors in evaluation mode."""

    def state(self) -> dict[str, Array]:
        """Everything that the next step depends on."""

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a `state`."""

    def save(self, path: Path) -> None:
        """Write the weights."""


class NetworkLearner:
    """The network, optimiser and back end that the settings name, started from the seed."""

    file = "model.safetensors"

    def __init__(self, settings: TrainingSettings, seed: int, parts: Parts) -> None:
        self.back = backend_of(settings)
        self.net = self.back.place(build(settings, self.back, parts))
        initialise(self.net, seed, settings.initialisation, self.back)
        chosen = settings.optimizer
        self.optimizer = self.back.optimizer(chosen.name, self.net, lr=chosen.lr, **chosen.arguments)
        self.parameters = sum(int(np.prod(p.shape)) for p in self.net.parameters())

    def step(self, x: Array, t: Array) -> tuple[float, int]:
        if not self.net.training:  # walks every module, so only after an evaluation
            self.net.train()
        logits = self.back.forward(self.net, self.back.tensor(x))
        loss = self.back.nn.functional.cross_entropy(logits, self.back.tensor(t))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item(), self._errors(logits, t)

    def evaluate(self, x: Array, t: Array) -> tuple[float, int]:
        self.net.eval()
        with self.back.no_grad():
            logits = self.back.forward(self.net, self.back.tensor(x))
            loss = self.back.nn.functional.cross_entropy(logits, self.back.tensor(t))
        return loss.item(), self._errors(logits, t)

    def _errors(self, logits: Any, t: Array) -> int:
        return int((self.back.array(logits).argmax(1) != t).sum())

    def state(self) -> dict[str, Array]:
        return self.back.state(self.net, self.optimizer)

    def restore(self, state: dict[str, Array]) -> None:
        self.back.restore(self.net, self.optimizer, state)

    def save(self, path: Path) -> None:
        """The state_dict as safetensors, which either back end loads."""
        from safetensors.numpy import save_file

        weights = self.net.state_dict().items()
        save_file({name: np.ascontiguousarray(self.back.array(value)) for name, value in weights}, path)


def build(settings: TrainingSettings, back: Backend, parts: Parts) -> Any:
    """The network, with its inputs, channels and classes taken from the data where its page asks for them."""
    row = NETWORKS[settings.network.name]
    shape = parts.train.images.images.shape[1:]
    fits = {"inputs": int(np.prod(shape)), "channels": shape[0], "classes": len(parts.classes)}
    asked = {name: value for name, value in fits.items() if name in row.build.__annotations__}
    return row.build(back.nn, **asked | settings.network.arguments)
