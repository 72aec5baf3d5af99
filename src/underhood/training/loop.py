"""The training loop, written once for every network, data set, optimiser and back end.

    for each epoch:  for each batch (x, t):  E = cross-entropy(net(x), t);  w ← optimiser(w, ∂E/∂w)

It is a trial: it yields what it measures, stops at the next step when asked to, and goes on from a checkpoint as
if it had never stopped. What it trains is a Learner (learner.py); what is chosen by validation, selection.py; what
stays of it beside its numbers, the network's file (network_file.py), the answers to every test image (answers.py) and
histograms of the weights (histograms.py).
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

import underhood.python_files as python_files
from underhood.errors import BadInput
from underhood.training import histograms, own_network
from underhood.training.answers import FILE as TEST
from underhood.training.answers import Tally
from underhood.training.inference import evaluate
from underhood.training.learner import Learner, NetworkLearner
from underhood.training.parallel.process_group import ProcessGroup, process_group_of
from underhood.training.pipeline import Parts, read, shuffled
from underhood.training.resident import resident
from underhood.training.selection import Found, best, enough, reached, watched
from underhood.training.settings import TrainingSettings
from underhood.trials import Artefact, Checkpoint, Context, Event, Metric, Result

Array = np.ndarray
CLOCKED = ("seconds", "images_per_second")  # the metrics that are not the same when a trial is repeated


@dataclass
class Progress:
    """Where the trial stands: with the learner's state, all that the next step depends on."""

    epoch: int = 0
    batch: int = 0  # within the epoch
    step: int = 0
    seconds: float = 0.0
    images: int = 0
    initial_loss: float | None = None
    losses: list[float] = field(default_factory=list)  # since the last Metric
    epoch_loss: float = 0.0  # sums over the images of the epoch so far
    epoch_errors: int = 0
    epoch_started: float = 0.0  # the seconds when it began
    train_loss: float | None = None  # of the last whole epoch
    train_error: float | None = None
    found: list[list[Any]] = field(default_factory=list)  # an epoch, validation loss and error for each evaluation
    good_step: int | None = None  # how many steps the last good weights have had
    diverged: bool = False


@dataclass
class _Trial:
    """One trial while it runs. `best`: the weights of the best evaluation so far, where they are asked for.

    `good`: the last weights whose loss was measured and finite, for a trial that diverges to leave.
    """

    settings: TrainingSettings
    seed: int
    context: Context
    parts: Parts
    subject: Learner
    progress: Progress
    group: ProcessGroup
    best: dict[str, Array] = field(default_factory=dict)
    good: dict[str, Array] = field(default_factory=dict)

    @property
    def watched(self) -> list[float]:
        """What choices are made by."""
        return watched(self.found, self.settings.watch)

    @property
    def found(self) -> list[Found]:
        """The evaluations so far."""
        return [Found(*each) for each in self.progress.found]

    @property
    def over(self) -> bool:
        """Whether there is nothing left to train."""
        progress, settings = self.progress, self.settings
        stops = settings.at_goal == "stop" and reached(self.found, settings.goal)
        too_long = enough(self.watched, settings.patience)
        return progress.epoch >= settings.epochs or progress.diverged or too_long or stops

    def checkpoint(self) -> Checkpoint:
        """All of it, to go on from."""
        kept = {f"best.{name}": values for name, values in self.best.items()}
        kept |= {f"good.{name}": values for name, values in self.good.items()}
        return Checkpoint(self.subject.state() | kept, asdict(self.progress))

    def restore(self, saved: Checkpoint) -> None:
        """Undo `checkpoint`."""
        self.progress = Progress(**saved.state)
        self.best, self.good = (_under(prefix, saved.tensors) for prefix in ("best.", "good."))
        own = {name: v for name, v in saved.tensors.items() if not name.startswith(("best.", "good."))}
        self.subject.restore(own)


def _under(prefix: str, tensors: dict[str, Array]) -> dict[str, Array]:
    return {name.removeprefix(prefix): v for name, v in tensors.items() if name.startswith(prefix)}


def train(
    settings: TrainingSettings,
    seed: int,
    context: Context,
    learner: Callable[[TrainingSettings, int, Parts], Learner] = NetworkLearner,
) -> Iterator[Event]:
    """Train one network from one seed.

    Metrics: initial_loss before the first step; every few steps train_loss, the mean since the last, learning_rate
    and gradient_norm (before clipping), and under a penalty also penalty and objective; at the end of an epoch
    epoch_loss and train_error (of the batches as they came), seconds and images_per_second of training alone, and
    where it is evaluated validation_loss and validation_error, fitted_loss and fitted_error on the training images
    (train_curve) and with a penalty fitted_objective, test_loss and test_error (test_curve). The result has test_loss
    and test_error, measured once.
    """
    parts = resident(read(settings.data, context.data, seed, settings.dtype), settings)
    subject = learner(settings, seed, parts)
    run = _Trial(settings, seed, context, parts, subject, Progress(), process_group_of(settings))
    if run.group.size > 1 and not isinstance(subject, NetworkLearner):
        raise BadInput(f"devices: {settings.devices}; {settings.network.name} has a way to learn of its own, on one")
    if context.resume is not None:
        run.restore(context.resume)
    with np.errstate(all="ignore"):  # a trial that diverges says so in its result
        if run.progress.step == 0:
            yield from _source(run)
            yield from _histograms(run)
        while not run.over:
            yield from _epoch(run)
            if context.stopping():
                yield run.checkpoint()
                return
        yield from _end(run)


def _source(run: _Trial) -> Iterator[Event]:
    """The file of a network of the user's own, and what it imports from beside it, kept with the trial."""
    if run.settings.network.own:
        path = own_network.where(run.settings.network.model_dump())
        for name, text in python_files.texts(path).items():
            yield Artefact(f"{own_network.COPY}/{name}", partial(_write, text))


def _write(text: bytes, path: Path) -> None:
    path.write_bytes(text)


def metrics_of(settings: TrainingSettings) -> set[str]:
    """The names of all that `train` measures by these settings, on the way and in its result."""
    names = {"initial_loss", "train_loss", "train_error", "epoch", "epoch_loss", "learning_rate", "gradient_norm"}
    names |= {"seconds", "images_per_second", "test_loss", "test_error", "test_accuracy"}
    names |= {"diverged", "epochs", "steps", "parameters"}
    if settings.penalty.l1 or settings.penalty.l2:
        names |= {"penalty", "objective"}
        names |= {"fitted_objective"} if settings.train_curve else set()
    if settings.train_curve:
        names |= {"fitted_loss", "fitted_error"}
    if settings.data.validation:
        names |= {"validation_loss", "validation_error"}
        names |= {"best_validation_error", "best_validation_accuracy", "best_epoch"}
    return names


def _epoch(run: _Trial) -> Iterator[Event]:
    """The rest of an epoch; ends early, between two steps, when asked to stop."""
    settings, progress, parts = run.settings, run.progress, run.parts
    size = settings.step_images
    steps = -(-len(parts.train) // size)
    log_every = settings.log_every or max(1, steps // 20)
    order = shuffled(len(parts.train), run.seed, progress.epoch)
    train = parts.train.in_epoch(run.seed, progress.epoch)
    factor = settings.schedule.over(steps, settings.epochs, run.watched)
    while progress.batch < steps:
        if run.context.stopping():
            return
        if run.context.checkpoint_due():
            yield run.checkpoint()
        measuring = (progress.step + 1) % log_every == 0
        before = run.subject.weights() if measuring or progress.step == 0 else None
        started = perf_counter()
        run.subject.prepare(progress.step, factor(progress.step), measuring)
        whole = order[progress.batch * size : (progress.batch + 1) * size]
        x, t = train.batch(run.group.share(whole, settings.accumulate))
        loss, errors = run.subject.step(x, t)
        progress.seconds += perf_counter() - started
        if progress.initial_loss is None:
            progress.initial_loss = loss
            yield Metric(0, {"initial_loss": loss})
        if before is not None and np.isfinite(loss):
            run.good, progress.good_step = before, progress.step
        _count(progress, loss, errors, len(whole) * settings.data.repeats)
        if measuring or progress.diverged:
            yield Metric(progress.step, _since_the_last(run, steps, measuring))
        if progress.diverged:
            return
    yield Metric(progress.step, _end_of_epoch(run))
    yield from _histograms(run)


def _histograms(run: _Trial) -> Iterator[Event]:
    """Those that are asked for at this epoch."""
    epoch, asked = run.progress.epoch, run.settings.histograms
    if epoch in asked.epochs:
        found = histograms.histograms(run.subject.weights(), asked.bins)
        yield Artefact(histograms.file_of(epoch), lambda path: histograms.write(path, epoch, found))


def _count(progress: Progress, loss: float, errors: int, images: int) -> None:
    progress.losses.append(loss)
    progress.epoch_loss += loss * images
    progress.epoch_errors += errors
    progress.images += images
    progress.batch += 1
    progress.step += 1
    progress.diverged = not np.isfinite(loss)


def _since_the_last(run: _Trial, steps: int, measuring: bool) -> dict[str, float]:
    """The metrics of the steps since the last one that measured."""
    progress = run.progress
    values = {"train_loss": float(np.mean(progress.losses)), "epoch": progress.step / steps}
    progress.losses = []
    if measuring:
        values |= run.subject.measured()
        penalty = run.subject.penalty()
        if penalty is not None:
            values |= {"penalty": penalty, "objective": values["train_loss"] + penalty}
    return values


def _end_of_epoch(run: _Trial) -> dict[str, float]:
    progress, settings = run.progress, run.settings
    images = run.parts.train.shown
    progress.epoch += 1
    progress.train_loss, progress.train_error = progress.epoch_loss / images, progress.epoch_errors / images
    values = {
        "epoch": float(progress.epoch),
        "epoch_loss": progress.train_loss,
        "train_error": progress.train_error,
        "seconds": progress.seconds,
        "images_per_second": images / (progress.seconds - progress.epoch_started),
    }
    progress.batch, progress.epoch_loss, progress.epoch_errors = 0, 0.0, 0
    progress.epoch_started = progress.seconds
    if progress.epoch % settings.evaluate_every == 0 or progress.epoch == settings.epochs:
        values |= _evaluated(run)
    return values


def _evaluated(run: _Trial) -> dict[str, float]:
    """What the evaluation at the end of an epoch finds; the best weights so far are kept, if they are asked for."""
    parts, settings, size = run.parts, run.settings, run.settings.evaluation_batch
    values: dict[str, float] = {}
    if settings.train_curve:
        values["fitted_loss"], values["fitted_error"] = evaluate(run.subject, parts.train, at_once=size)
        if (penalty := run.subject.penalty()) is not None:
            values["fitted_objective"] = values["fitted_loss"] + penalty
    if len(parts.validation):
        loss, error = evaluate(run.subject, parts.validation, at_once=size)
        values["validation_loss"], values["validation_error"] = loss, error
        run.progress.found.append([run.progress.epoch, loss, error])
        if settings.weights == "best" and best(run.watched) == len(run.progress.found) - 1:
            run.best = run.subject.weights()
    if settings.test_curve:
        values["test_loss"], values["test_error"] = evaluate(run.subject, parts.test, at_once=size)
    return values


def _end(run: _Trial) -> Iterator[Event]:
    """What the trial leaves. Of one that diverged these are the last weights before it did."""
    values = _result(run)
    if run.progress.diverged:
        if run.good:
            for name, write in run.subject.files().items():
                yield Artefact(f"last-good-{name}", partial(_write_with, run.subject, run.good, write))
            values["last_good_step"] = run.progress.good_step
    else:
        if run.best:
            run.subject.put(run.best)
        tally, test = Tally(), run.parts.test
        values["test_loss"], values["test_error"] = evaluate(
            run.subject, test, tally, at_once=run.settings.evaluation_batch
        )
        values["test_accuracy"] = 1 - values["test_error"]
        yield from (Artefact(name, write) for name, write in run.subject.files().items())
        if tally.truth:
            answers = tally.answers(test, run.parts.classes, run.parts.preprocessing.white)
            yield Artefact(TEST, answers.save)
    yield Result(values)


def _write_with(subject: Learner, weights: dict[str, Array], write: Callable[[Path], None], path: Path) -> None:
    """Write a file of other weights than the learner has, and leave it these: they show what became of it."""
    own = subject.weights()
    subject.put(weights)
    write(path)
    subject.put(own)


def _result(run: _Trial) -> dict[str, Any]:
    progress = run.progress
    return {
        "diverged": progress.diverged,
        "initial_loss": progress.initial_loss,
        "train_loss": progress.train_loss,
        "train_error": progress.train_error,
        "epochs": progress.epoch,
        "steps": progress.step,
        "seconds": progress.seconds,
        "images_per_second": progress.images / progress.seconds,
        "parameters": run.subject.parameters,
        **_by_validation(run),
    }


def _by_validation(run: _Trial) -> dict[str, Any]:
    """The lowest validation error, and of the best evaluation by what is watched its epoch."""
    found = run.found
    chosen = best(run.watched)
    if chosen is None:
        return {}
    lowest = min(each.validation_error for each in found)
    of_result = found[chosen if run.best else -1]
    return {
        "best_validation_error": lowest,
        "best_validation_accuracy": 1 - lowest,
        "best_epoch": found[chosen].epoch,
        "validation_loss": of_result.validation_loss,
        "validation_error": of_result.validation_error,
    }
