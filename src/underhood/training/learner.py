"""What the training loop trains: something that can take a step, be evaluated, and be written down.

NetworkLearner is a page of `networks` with an optimiser of `optim`, on either back end.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from underhood.data.streams import stream
from underhood.training.averaging import Average
from underhood.training.backends import Backend, backend_of
from underhood.training.backends.settings import BackendSettings
from underhood.training.gradients import Gradients
from underhood.training.inference import answer, arguments_of, build, examine
from underhood.training.initial import initialise
from underhood.training.network_file import file_of
from underhood.training.own_network import check
from underhood.training.parallel.process_group import process_group_of
from underhood.training.pipeline import Parts, read
from underhood.training.settings import TrainingSettings

Array = np.ndarray


class Learner(ABC):
    """x: (B, C, H, W) images, normalised   t: (B,) classes. Losses are means over the batch, errors are counts."""

    parameters: int  # how many elements are learnt
    file: str  # what the weights are saved as

    @abstractmethod
    def step(self, x: Array, t: Array) -> tuple[float, int]:
        """One step of training; the loss and errors before it."""

    @abstractmethod
    def evaluate(self, x: Array, t: Array) -> tuple[float, int]:
        """Loss and errors in evaluation mode."""

    def examine(self, x: Array, t: Array) -> tuple[float, int, Array | None]:
        """The same and the logits (B, C) behind it, where there are any to be looked at."""
        return (*self.evaluate(x, t), None)

    @abstractmethod
    def state(self) -> dict[str, Array]:
        """Everything that the next step depends on."""

    @abstractmethod
    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a `state`."""

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write the weights that `evaluate` is of."""

    def files(self) -> dict[str, Callable[[Path], None]]:
        """What writes each of the files that the trained network is kept as, by their names."""
        return {self.file: self.save}

    def prepare(self, step: int, factor: float, measuring: bool) -> None:  # noqa: B027 (not all have a use for it)
        """Called before a step: its number, counted from 0, what the learning rate is multiplied by, and whether
        `measured` will be asked after it.
        """

    def measured(self) -> dict[str, float]:
        """Numbers about the last step, by the names of their metrics."""
        return {}

    def penalty(self) -> float | None:
        """What is minimised beside the loss, at the weights as they are; None where nothing is."""
        return None

    def weights(self) -> dict[str, Array]:
        """A copy of what `evaluate` and `save` are of."""
        return {name: np.array(values) for name, values in self.state().items()}

    def put(self, weights: dict[str, Array]) -> None:
        """Evaluate and save these `weights` from now on; no step is taken any more."""
        self.restore(weights)


class NetworkLearner(Learner):
    """The network, optimiser and back end that the settings name, started from the seed.

    A step has five parts, each on its own: `loss` and logits of some images, backward, what happens to the gradients
    (gradients.py), the optimiser's update, and the average of the weights (averaging/). Where nothing happens to the
    gradients, the back end may do the first, the second and the fourth at once.
    """

    file = "model.safetensors"

    def __init__(
        self, settings: TrainingSettings, seed: int, parts: Parts, network: Callable[..., Any] | None = None
    ) -> None:
        self.settings, self.seed, self.parts = settings, seed, parts
        self.group = process_group_of(settings)
        self.made_by = network
        self.back = backend_of(settings)
        self.back.draw_from(stream("init", seed, name="network"))  # what a constructor draws, and initialise leaves
        self.net = self.back.prepare(build(settings, self.back, parts, network))
        initialise(self.net, seed, settings.initialisation, self.back)
        chosen = settings.optimizer
        self.optimizer = self.back.optimizer(chosen.name, self.net, lr=settings.rate, **chosen.arguments)
        # over the network itself: a plan watches what the function holds, and a learner changes at every step
        self.loss = partial(_loss, self.net, self.back, settings.label_smoothing)
        self.whole = self.back.step(self.loss, self.optimizer)
        self.passed = self.back.step(self.loss)
        self.answered = self.back.step(partial(answer, self.net, self.back, settings.test_flips))
        self.gradients = Gradients(self.net, self.back, settings.penalty, settings.clip)
        rule = settings.averaging.make()
        self.average = Average(rule, self.net, self.back) if rule else None
        self.parameters = sum(int(np.prod(p.shape)) for p in self.net.parameters())
        self.number, self.measuring = 0, False
        self.draws: bool | None = None  # the first step shows it
        self.numbers: dict[str, float] = {}

    def prepare(self, step: int, factor: float, measuring: bool) -> None:
        self.number, self.measuring = step, measuring
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate * factor

    def step(self, x: Array, t: Array) -> tuple[float, int]:
        if self.average:
            self.average.hide()
        if not self.net.training:  # walks every module, so only after an evaluation
            self.net.train()
        at_once = self.gradients.plain and not self.measuring and self.settings.accumulate == self.group.size == 1
        with self._drawing():
            loss, errors = self._passes(x, t, self.whole if at_once else self.passed)
        if not at_once:
            norm = self.gradients.finish(self.measuring)
            if norm is not None:
                self.numbers = {"learning_rate": self.optimizer.param_groups[0]["lr"], "gradient_norm": norm}
            self.optimizer.step()
        if self.average:
            self.average.update()
        return loss, errors

    def _passes(self, x: Array, t: Array, step: Callable[..., Any]) -> tuple[float, int]:
        """Gradients of the batch's mean loss, in as many passes as the settings ask for; that loss, and the errors.

        E = Σ (nᵢ/n) Eᵢ        the gradients of the passes add up; BatchNorm's statistics are each pass's own
        """
        self.optimizer.zero_grad()
        if self.group.size > 1:
            return self._passes_of_worker(x, t)
        passes = self.settings.accumulate
        if passes == 1:
            loss, logits = step(self.back.tensor(x), self.back.tensor(t))
            return loss.item(), self._errors(logits, t)
        total, errors = 0.0, 0
        for some in np.array_split(np.arange(len(t)), min(passes, len(t))):
            first, last = some[0], some[-1] + 1
            loss, logits = self.loss(self.back.tensor(x[first:last]), self.back.tensor(t[first:last]))
            part = loss * (len(some) / len(t))
            part.backward()
            total += part.item()
            errors += self._errors(logits, t[first:last])
        return total, errors

    def _passes_of_worker(self, x: Array, t: Array) -> tuple[float, int]:
        """The same of one worker's images: gradients meaned over all, the loss and errors of all together.

        A worker without images in a pass takes part with a loss of 0: the others wait for its gradients.
        """
        group, repeats = self.group, self.settings.data.repeats
        if len(t) != repeats * sum(group.passes):
            raise ValueError(
                f"{len(t)} images are not this worker's of a batch of {group.images}: ProcessGroup.share says which"
            )
        total, errors, first = 0.0, 0, 0
        with group.together():
            for number, images in enumerate(group.passes, 1):
                some = slice(first, first + images * repeats)
                first = some.stop
                with nullcontext() if number == len(group.passes) else self.back.apart():
                    loss, logits = self.loss(self.back.tensor(x[some]), self.back.tensor(t[some]))
                    part = loss * group.weight(images) if images else logits.sum()
                    part.backward()
                total += part.item() / group.size
                errors += self._errors(logits, t[some])
            total, count = group.total(total, errors)
        return total, int(count)

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """The step has random numbers of its own, so that a resumed trial draws what it would have drawn.

        Most networks draw nothing, and are spared this from the second step on.
        """
        if self.draws is not False:
            worker = f" worker {self.group.rank}" * bool(self.group.rank)  # else all would drop the same units
            self.back.draw_from(stream("dropout", self.seed, name=f"step {self.number}{worker}"))
        before = self.back.drawn() if self.draws is None else None
        yield
        if self.draws is None:
            self.draws = before != self.back.drawn()

    def evaluate(self, x: Array, t: Array) -> tuple[float, int]:
        loss, errors, _ = self.examine(x, t)
        return loss, errors

    def examine(self, x: Array, t: Array) -> tuple[float, int, Array]:
        if self.average:
            self.average.show()
        self.net.eval()
        with self.back.no_grad():
            self.group.copy_first(list(self.net.buffers()))  # local statistics: those that the checkpoint has
            return examine(self.back, self.group.whole(self.answered, self.back.tensor(x)), t)

    def _errors(self, logits: Any, t: Array) -> int:
        return int((self.back.array(logits).argmax(1) != t).sum())

    def measured(self) -> dict[str, float]:
        return self.numbers

    def penalty(self) -> float | None:
        return self.gradients.penalty() if self.gradients.l1 or self.gradients.l2 else None

    def state(self) -> dict[str, Array]:
        if self.average is None:
            return self.back.state(self.net, self.optimizer)
        self.average.hide()
        return self.back.state(self.net, self.optimizer) | self.average.state()

    def restore(self, state: dict[str, Array]) -> None:
        self.back.restore(self.net, self.optimizer, state)
        if self.average:
            self.average.restore(state)

    def weights(self) -> dict[str, Array]:
        averaged = self.average.copies if self.average else {}
        named = {**self.net.state_dict(), **averaged}
        return {name: np.array(self.back.array(value)) for name, value in named.items()}

    def put(self, weights: dict[str, Array]) -> None:
        self.average = None
        self.net.load_state_dict({name: self.back.exactly(values) for name, values in weights.items()})

    def save(self, path: Path) -> None:
        """The state_dict as safetensors, which either back end loads, with all that it takes to use it in the header.

        Of a network that is no entry of `networks` it is the state_dict alone, for a file can't say how to build it.
        """
        if self.made_by is not None:
            from safetensors.numpy import save_file

            save_file({name: np.asarray(values, order="C") for name, values in self.weights().items()}, path)
            return
        arguments = arguments_of(self.settings, self.parts)
        file_of(self.settings, self.seed, self.parts, self.weights(), self.settings.network.name, arguments).write(path)


def _loss(net: Any, back: Backend, smoothing: float, x: Any, t: Any) -> tuple[Any, Any]:
    """Mean loss of some images, and their logits, tensors of tensors."""
    logits = back.forward(net, x)
    return back.nn.functional.cross_entropy(logits, t, label_smoothing=smoothing), logits


def try_out(settings: TrainingSettings, root: Path | None) -> str:
    """Build the user's own network once and ask it as a training will; BadInput says why it cannot be trained.

    What hardly is what was meant is said in a line; "" where there is nothing to say.

    It is tried on the processor in single or double precision, whatever it will be trained in.
    """
    parts = read(settings.data, root, 0, settings.dtype)
    back = backend_of(BackendSettings(backend=settings.backend, precision=settings.dtype))
    images, size = len(parts.train), settings.batch_size
    last = images % size or min(size, images)
    least = min(last, size) * settings.data.repeats
    how = f"{images:,} images in batches of {size}"
    if settings.accumulate > 1:
        least = max(1, least // settings.accumulate)
        how += f", {settings.accumulate} passes each"
    arguments = arguments_of(settings, parts)
    about = {"shape": parts.preprocessing.shape, "classes": len(parts.classes), "least": least, "how": how}
    return check(settings.network.maker(), arguments, back, about)
