"""The training loop, written once for every network, data set, optimiser and back end.

    for each epoch:  for each batch (x, t):  E = cross-entropy(net(x), t);  w ← optimiser(w, ∂E/∂w)

It is a trial: it yields what it measures, stops at the next step when asked to, and goes on from a checkpoint as
if it had never stopped. What it trains is a Learner (learner.py).
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

from underhood.training.events import Artefact, Checkpoint, Context, Event, Metric, Result
from underhood.training.learner import Learner, NetworkLearner
from underhood.training.pipeline import Part, Parts, read, shuffled
from underhood.training.settings import TrainingSettings


@dataclass
class Progress:
    """Where the trial stands: with the learner's state, all that the next step depends on."""

    epoch: int = 0
    batch: int = 0  # within the epoch
    step: int = 0
    seconds: float = 0.0
    initial_loss: float | None = None
    losses: list[float] = field(default_factory=list)  # since the last Metric
    epoch_loss: float = 0.0  # sums over the images of the epoch so far
    epoch_errors: int = 0
    train_loss: float | None = None  # of the last whole epoch
    train_error: float | None = None
    best_validation_error: float | None = None
    diverged: bool = False


def train(
    settings: TrainingSettings,
    seed: int,
    context: Context,
    learner: Callable[[TrainingSettings, int, Parts], Learner] = NetworkLearner,
) -> Iterator[Event]:
    """Train one network from one seed.

    Metrics: train_loss every few steps; at the end of an epoch epoch_loss and train_error (of the batches as they
    came), validation_loss and validation_error, test_error if its curve is asked for. The result has test_loss and
    test_error, measured once, of the last weights.
    """
    parts = read(settings.data, context.data, seed, settings.dtype)
    subject = learner(settings, seed, parts)
    progress = Progress()
    if context.resume is not None:
        progress = Progress(**context.resume.state)
        subject.restore(context.resume.tensors)
    with np.errstate(all="ignore"):  # a trial that diverges says so in its result
        while progress.epoch < settings.epochs and not progress.diverged:
            yield from _epoch(settings, seed, context, parts, subject, progress)
            if context.stopping():
                yield Checkpoint(subject.state(), asdict(progress))
                return
        yield Artefact(subject.file, subject.save)
        yield Result(_result(parts, subject, progress))


def _epoch(
    settings: TrainingSettings, seed: int, context: Context, parts: Parts, subject: Learner, progress: Progress
) -> Iterator[Event]:
    """The rest of an epoch; ends early, between two steps, when asked to stop."""
    n, size = len(parts.train), settings.batch_size
    steps = -(-n // size)
    log_every = settings.log_every or max(1, steps // 20)
    order = shuffled(n, seed, progress.epoch)
    train = parts.train.in_epoch(seed, progress.epoch)
    while progress.batch < steps:
        if context.stopping():
            return
        if context.checkpoint_due():
            yield Checkpoint(subject.state(), asdict(progress))
        started = perf_counter()
        x, t = train.batch(order[progress.batch * size : (progress.batch + 1) * size])
        loss, errors = subject.step(x, t)
        progress.seconds += perf_counter() - started
        _count(progress, loss, errors, len(t))
        if progress.step % log_every == 0 or progress.diverged:
            yield Metric(progress.step, {"train_loss": float(np.mean(progress.losses)), "epoch": progress.step / steps})
            progress.losses = []
        if progress.diverged:
            return
    yield Metric(progress.step, _end_of_epoch(settings, parts, subject, progress))


def _count(progress: Progress, loss: float, errors: int, images: int) -> None:
    if progress.initial_loss is None:
        progress.initial_loss = loss
    progress.losses.append(loss)
    progress.epoch_loss += loss * images
    progress.epoch_errors += errors
    progress.batch += 1
    progress.step += 1
    progress.diverged = not np.isfinite(loss)


def _end_of_epoch(settings: TrainingSettings, parts: Parts, subject: Learner, progress: Progress) -> dict[str, float]:
    n = parts.train.shown
    progress.epoch += 1
    progress.train_loss, progress.train_error = progress.epoch_loss / n, progress.epoch_errors / n
    values = {
        "epoch": float(progress.epoch),
        "epoch_loss": progress.train_loss,
        "train_error": progress.train_error,
    }
    progress.batch, progress.epoch_loss, progress.epoch_errors = 0, 0.0, 0
    if len(parts.validation):
        values["validation_loss"], error = evaluate(subject, parts.validation)
        values["validation_error"] = error
        best = progress.best_validation_error
        progress.best_validation_error = error if best is None else min(best, error)
    if settings.test_curve:
        values["test_loss"], values["test_error"] = evaluate(subject, parts.test)
    return values


def evaluate(subject: Learner, part: Part) -> tuple[float, float]:
    """Mean cross-entropy and share of wrong answers."""
    loss, errors = 0.0, 0
    for x, t in part.in_order():
        batch_loss, batch_errors = subject.evaluate(x, t)
        loss += batch_loss * len(t)
        errors += batch_errors
    return loss / len(part), errors / len(part)


def _result(parts: Parts, subject: Learner, progress: Progress) -> dict[str, Any]:
    values: dict[str, Any] = {
        "diverged": progress.diverged,
        "initial_loss": progress.initial_loss,
        "train_loss": progress.train_loss,
        "train_error": progress.train_error,
        "epochs": progress.epoch,
        "steps": progress.step,
        "seconds": progress.seconds,
        "parameters": subject.parameters,
    }
    if progress.best_validation_error is not None:
        values["best_validation_error"] = progress.best_validation_error
    if not progress.diverged:
        values["test_loss"], values["test_error"] = evaluate(subject, parts.test)
    return values
