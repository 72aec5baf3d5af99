"""What a claim's measurement is given beside its options: a seed, images, and trainings that follow the seed.

    settings = experiment.settings("cifar10", train=2000, test=1000, network={"name": "simple-nn"}, epochs=8)
    training = experiment.training(settings).finish()
    training.error()                                        of the test images

The training is the one of `training/loop.py`. Shuffling, initial weights, augmentation and dropout come from streams
of the seed, whatever else differs between two trainings: so their differences are paired, and the seed's luck cancels.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from underhood import data
from underhood.data import Arrays
from underhood.errors import BadInput
from underhood.training.inference import evaluate
from underhood.training.learner import Learner, NetworkLearner
from underhood.training.loop import train
from underhood.training.pipeline import Part, Parts, read
from underhood.training.settings import DataSettings, TrainingSettings
from underhood.trials import Context, Metric, Result

Array = np.ndarray
Network = Callable[..., Any]  # a function of `nn`, as in `networks`
STAND_IN = "digits"  # ships with scikit-learn
BATCH, LR, MOMENTUM = 64, 0.05, 0.9


class Stopped(Exception):
    """The run was asked to stop; an experiment that is broken off leaves no number."""


@dataclass(frozen=True)
class Experiment:
    """One seed's. `data` "auto" leaves the choice of images to the claim.

    `backend` "auto" is PyTorch where it is installed: trainings of a second or two are quicker there, for the engine
    has a plan to record for each.
    """

    seed: int
    root: Path | None = None
    data: str = "auto"
    backend: str = "auto"
    threads: int = 1
    stopping: Callable[[], bool] = field(default=lambda: False, repr=False)

    def images(self, name: str) -> Arrays:
        """The set that the claim asks for, the one that the user chose instead, or the digits where it is absent."""
        wanted = name if self.data == "auto" else self.data
        try:
            return data.load(wanted, self.root)
        except BadInput:
            if wanted not in ("cifar10", "mnist"):
                raise
            return data.load(STAND_IN, self.root)

    def settings(self, name: str, train: int, test: int, **chosen: Any) -> TrainingSettings:
        """Settings of a training on `train` images of the set; `chosen` replaces or adds fields.

        Where nothing else is chosen: SGD with momentum 0.9 at rate 0.05, batches of 64, He's initial weights.
        """
        own = {"name": self.images(name).name, "train": train, "test": test, **chosen.pop("data", {})}
        optimizer = {"name": "sgd", "lr": LR, "momentum": MOMENTUM, **chosen.pop("optimizer", {})}
        return TrainingSettings.model_validate(
            {
                "backend": resolved(self.backend),
                "threads": self.threads,
                "initialisation": "he",
                "batch_size": BATCH,
                "data": own,
                "optimizer": optimizer,
                **chosen,
            }
        )

    def training(self, settings: TrainingSettings, network: Network | None = None) -> "Training":
        """A training of the network that the settings name, or of `network`."""
        return Training(settings, self, network)

    def parts(self, name: str, train: int, test: int, dtype: str = "float32") -> Parts:
        """Images alone, to learn from and to test on."""
        settings = DataSettings(name=self.images(name).name, train=train, test=test)
        return read(settings, self.root, self.seed, np.dtype(dtype))

    def check(self) -> None:
        """Raise Stopped when the run was asked to stop."""
        if self.stopping():
            raise Stopped


def resolved(backend: str) -> str:
    """The back end that "auto" means here."""
    if backend != "auto":
        return backend
    return "torch" if find_spec("torch") else "underhood"


class Training:
    """A training under way. Between two of its `metrics` it stands still and can be asked."""

    learner: NetworkLearner
    parts: Parts

    def __init__(self, settings: TrainingSettings, experiment: Experiment, network: Network | None) -> None:
        self.settings, self.experiment, self.network = settings, experiment, network
        self.result: dict[str, Any] = {}

    def metrics(self) -> Iterator[Metric]:
        """Train to the end. Raises Stopped at the next step once the run is asked to stop."""
        context = Context(self.experiment.root, stopping=self.experiment.stopping)
        for event in train(self.settings, self.experiment.seed, context, self._learner):
            if isinstance(event, Metric):
                yield event
            elif isinstance(event, Result):
                self.result = event.values
        if not self.result:
            raise Stopped

    def _learner(self, settings: TrainingSettings, seed: int, parts: Parts) -> Learner:
        made: Any = NetworkLearner if self.network is None else partial(NetworkLearner, network=self.network)
        self.learner, self.parts = made(settings, seed, parts), parts
        return self.learner

    def finish(self) -> "Training":
        """Train to the end, and be asked then."""
        for _ in self.metrics():
            pass
        return self

    @property
    def diverged(self) -> bool:
        return bool(self.result["diverged"])

    def asked(self, part: Part | None = None, first: int | None = None) -> tuple[float, float]:
        """Mean loss and fraction of wrong answers in evaluation mode, of the `first` images of a part (training's)."""
        self.experiment.check()
        part = self.parts.train if part is None else part
        return evaluate(self.learner, part if first is None else replace(part, rows=part.rows[:first]))

    def error(self) -> float:
        """Fraction of wrong answers on the test images."""
        return float(self.result["test_error"])

    def matrices(self) -> dict[str, Array]:
        """The weights that penalties are meant for, by name: matrices and kernels, no biases, no normalisation."""
        named = {name: self.learner.back.array(p) for name, p in self.learner.net.named_parameters()}
        return {name: np.array(values, np.float64) for name, values in named.items() if values.ndim > 1}
