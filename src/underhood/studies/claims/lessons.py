"""The small lessons that the claims are put to: some images, a small network, a plain training loop.

    lesson = read("cifar10", None, seed=0, train=2000, test=1000)        the digits where CIFAR-10 is not
    net = learner.build(lambda nn: small_cnn(nn, lesson))
    for step, loss in learner.steps(net, lesson, epochs=8): …

Shuffling, first weights and flips come from streams of the seed, whatever else differs between two runs of one
seed: so differences between them are paired, and the seed's luck cancels.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from underhood import data
from underhood.errors import BadInput
from underhood.training.backends import Backend, backend
from underhood.training.initial import initialise

Array = np.ndarray
Augment = Callable[[Array, np.random.Generator], Array]
STAND_IN = "digits"  # ships with scikit-learn


@dataclass(frozen=True)
class Lesson:
    """Normalised images (N, C, H, W) with their classes (N,): to learn from, and fresh ones to be asked."""

    name: str
    x: Array
    t: Array
    fresh_x: Array
    fresh_t: Array
    classes: int

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.x.shape[1], self.x.shape[2], self.x.shape[3])

    @property
    def inputs(self) -> int:
        return int(np.prod(self.shape))


def read(name: str, root: Path | None, seed: int, train: int, test: int, dtype: str = "float32") -> Lesson:
    """`train` and `test` images of the set, drawn by the seed; of the digits where the set is not at hand."""
    try:
        found = data.load(name, root)
    except BadInput:
        if name not in ("cifar10", "mnist"):
            raise
        found = data.load(name := STAND_IN, root)
    mean, std = (np.asarray(values, np.float64)[:, None, None] for values in (found.mean, found.std))

    def some(images: Any, count: int, part: str) -> tuple[Array, Array]:
        rows = np.sort(data.stream("split", seed, name=part).permutation(len(images))[:count])
        x = (images.take(rows) / found.white - mean) / std
        return x.astype(dtype), np.asarray(images.labels[rows])

    parts = (*some(found.train, train, "claims train"), *some(found.test, test, "claims test"))
    return Lesson(name, *parts, len(found.classes))


class Stopped(Exception):
    """The run was asked to stop; an experiment that is broken off leaves no number."""


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Learner:
    """Trains networks on a back end, all from one seed. Raises Stopped at the next step once `stopping` says so."""

    back: Backend
    seed: int
    stopping: Callable[[], bool] = field(default=_never, repr=False)

    @classmethod
    def on(cls, name: str, seed: int, stopping: Callable[[], bool] = _never, precision: str = "float32") -> "Learner":
        """`name` "auto": PyTorch where it is installed, this package's engine where it is not."""
        return cls(backend(resolved(name), precision), seed, stopping)

    def build(self, page: Callable[[Any], Any], rule: str = "he") -> Any:
        """The network that `page` makes of an `nn`, its first weights drawn by name and seed."""
        self._reseed(0)
        net = self.back.prepare(page(self.back.nn))
        initialise(net, self.seed, rule, self.back)
        return net

    def steps(
        self,
        net: Any,
        lesson: Lesson,
        *,
        epochs: int,
        batch: int = 64,
        lr: float = 0.05,
        momentum: float = 0.9,
        l2: float = 0.0,
        l1: float = 0.0,
        augment: Augment | None = None,
    ) -> Iterator[tuple[int, float]]:
        """SGD with momentum; after every step its number, from 1, and the batch's loss before it.

        l2 adds l2·w to every gradient (torch's weight_decay), l1 adds l1·sign(w): the penalties l2/2·Σw² and l1·Σ|w|.
        """
        back, functional = self.back, self.back.nn.functional
        optimizer = back.optimizer("sgd", net, lr=lr, momentum=momentum, weight_decay=l2)
        net.train()
        step = 0
        for epoch in range(epochs):
            self._reseed(epoch + 1)
            rng = data.stream("augmentation", self.seed, epoch, "claims")
            order = data.stream("shuffling", self.seed, epoch).permutation(len(lesson.x))
            for start in range(0, len(order), batch):
                if self.stopping():
                    raise Stopped
                rows = order[start : start + batch]
                x = lesson.x[rows] if augment is None else augment(lesson.x[rows], rng)
                loss = functional.cross_entropy(net(back.tensor(x)), back.tensor(lesson.t[rows]))
                optimizer.zero_grad()
                total = loss
                if l1:
                    total = loss + l1 * sum(p.abs().sum() for p in weights(net))
                total.backward()
                optimizer.step()
                step += 1
                yield step, loss.item()

    def trained(self, net: Any, lesson: Lesson, **how: Any) -> Any:
        """The network after all its steps."""
        for _ in self.steps(net, lesson, **how):
            pass
        return net

    def asked(self, net: Any, x: Array, t: Array) -> tuple[float, float]:
        """Mean loss and share of wrong answers in evaluation mode."""
        if self.stopping():
            raise Stopped
        was_training = net.training
        net.eval()
        with self.back.no_grad():
            logits = net(self.back.tensor(x))
            loss = self.back.nn.functional.cross_entropy(logits, self.back.tensor(t)).item()
        net.train(was_training)
        return loss, float((self.back.array(logits).argmax(1) != t).mean())

    def error(self, net: Any, lesson: Lesson) -> float:
        """Share of wrong answers on the fresh images."""
        return self.asked(net, lesson.fresh_x, lesson.fresh_t)[1]

    def _reseed(self, epoch: int) -> None:
        """What the library draws by itself (dropout's masks) follows the seed too."""
        seed = int(data.stream("dropout", self.seed, epoch, "claims").integers(2**31))
        if self.back.name == "torch":
            import torch

            torch.manual_seed(seed)
        else:
            from underhood import engine

            engine.manual_seed(seed)


def resolved(name: str) -> str:
    """The back end that "auto" means here."""
    if name != "auto":
        return name
    return "torch" if find_spec("torch") else "underhood"


def weights(net: Any) -> list[Any]:
    """The parameters that penalties are meant for: matrices and filters, no biases, no normalisation."""
    return [p for p in net.parameters() if len(p.shape) > 1]


# -- networks --


def small_cnn(nn: Any, lesson: Lesson, width: int = 8, hidden: int = 64) -> Any:
    """conv 3×3 · ReLU · pool, twice, then two linear layers: for any image of at least 4×4 pixels."""
    channels, height, across = lesson.shape
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(2 * width * (height // 4) * (across // 4), hidden),
        nn.ReLU(),
        nn.Linear(hidden, lesson.classes),
    )


def perceptron(nn: Any, lesson: Lesson, hidden: int, dropout: float = 0.0, activation: Any = None) -> Any:
    """Two hidden layers, each with its activation (ReLU) and, if asked, dropout behind it."""
    layers: list[Any] = [nn.Flatten()]
    inputs = lesson.inputs
    for _ in range(2):
        layers += [nn.Linear(inputs, hidden), (activation or nn.ReLU)()]
        layers += [nn.Dropout(dropout)] if dropout else []
        inputs = hidden
    return nn.Sequential(*layers, nn.Linear(inputs, lesson.classes))


# -- augmentation --


def mirrored(x: Array, rng: np.random.Generator) -> Array:
    """Every image left to right by a coin of its own."""
    turn = rng.random(len(x)) < 0.5
    return np.where(turn[:, None, None, None], x[..., ::-1], x)


def shifted(x: Array, rng: np.random.Generator) -> Array:
    """Every image moved by up to a sixteenth of its side in both directions; zeros, the mean, come in."""
    height, width = x.shape[2:]
    down, across = max(1, height // 16), max(1, width // 16)
    padded = np.pad(x, ((0, 0), (0, 0), (down, down), (across, across)))
    rows = rng.integers(0, 2 * down + 1, len(x))[:, None] + np.arange(height)
    columns = rng.integers(0, 2 * across + 1, len(x))[:, None] + np.arange(width)
    images = np.arange(len(x))[:, None, None, None]
    channels = np.arange(x.shape[1])[None, :, None, None]
    moved: Array = padded[images, channels, rows[:, None, :, None], columns[:, None, None, :]]
    return moved


def mirrored_and_shifted(x: Array, rng: np.random.Generator) -> Array:
    """Both."""
    return mirrored(shifted(x, rng), rng)
