"""What a training trial takes at its peak, beside the runtime: predicted from its settings and the shape of its data.

    peak = max(a step, an evaluation, a checkpoint)

    PyTorch      the books of the trial's own network, optimiser and batch on the meta device (instruments/memory).
                 What lives at once is known; how much more the C library's heap keeps for its holes is estimated, and
                 is nothing where large blocks are mapped apart
    the engine   a learner's plans lay their buffers out, one plan for each kind of step and each size of batch, and
                 keep them. The first two replays of each are held against the step as it stands
                 (engine/fast/comparison.py), so the peak is that of a step beside all plans

A checkpoint is written from a copy, and once more as bytes. Batches are made on the processor: three of them at once.
"""

from dataclasses import dataclass
from functools import partial
from math import prod
from types import SimpleNamespace
from typing import Any

import numpy as np

from underhood.errors import BadInput
from underhood.training.backends import backend_of
from underhood.training.inference import answer, build
from underhood.training.learner import NetworkLearner
from underhood.training.pipeline import Part, Parts
from underhood.training.settings import TrainingSettings

MAKING = 3  # copies of a batch while it is made: its bytes as floats, scaled, and the one before


@dataclass(frozen=True)
class Footprint:
    """Bytes beside the runtime: `least` is what lives at once, `heap` what the C library's heap makes of it."""

    least: int
    heap: int


def footprint(settings: TrainingSettings, seed: int, parts: Parts) -> Footprint:
    """The trial's peak. BadInput where it can't be predicted, with the reason."""
    if settings.device != "cpu":
        raise BadInput(f"device {settings.device}: the memory of a GPU is not predicted")
    if settings.devices > 1:
        raise BadInput(f"devices {settings.devices}: the memory of several workers is not predicted")
    if settings.compile or settings.precision == "bfloat16-autocast":
        raise BadInput("compile and bfloat16-autocast are not predicted")
    if settings.form != "plan":
        raise BadInput(f'form "{settings.form}" is not predicted, only a plan is')
    shape = parts.train.images.images.shape[1:]
    shown = settings.batch_size * settings.data.repeats
    batch = MAKING * max(shown, _evaluated(settings, parts)) * prod(shape) * np.dtype(settings.dtype).itemsize
    answers = 12 * len(parts.classes) * len(parts.test)
    of = _on_torch if settings.backend == "torch" else _on_engine
    try:
        found = of(settings, seed, parts, shown, shape)
    except RuntimeError as error:  # a step that no plan can be laid out for
        raise BadInput(f"{settings.network.name} on {settings.backend}: {error}") from error
    return Footprint(found.least + batch + answers, found.heap + batch + answers)


def _evaluated(settings: TrainingSettings, parts: Parts) -> int:
    """How many images are evaluated at once."""
    return min(settings.evaluation_batch, max(len(part) for part in _looked_at(settings, parts)))


def _looked_at(settings: TrainingSettings, parts: Parts) -> list[Part]:
    """What is evaluated at some time."""
    return [parts.validation, parts.test, *([parts.train] if settings.train_curve else [])]


def _copies(settings: TrainingSettings) -> int:
    """How many copies of the weights the loop keeps: the last good ones, the best, the average and what it hides."""
    return 1 + (settings.weights == "best") + 2 * (settings.averaging.name != "none")


def _on_torch(settings: TrainingSettings, seed: int, parts: Parts, shown: int, shape: tuple[int, ...]) -> Footprint:
    from underhood.instruments.inputs import Inputs, Spec
    from underhood.instruments.memory.step import evaluation_ledger, on_meta, step_ledger
    from underhood.instruments.target import Target

    back: Any = backend_of(settings)
    target = Target(settings.network.name, lambda nn: build(settings, back, parts).to(back.dtype))
    chosen = settings.optimizer

    def rule(parameters: Any) -> Any:
        net = SimpleNamespace(parameters=lambda: parameters)
        return back.optimizer(chosen.name, net, lr=chosen.lr, **chosen.arguments)

    def net() -> Any:
        return back.lean(on_meta(target))

    def given(images: int) -> Inputs:
        return Inputs((Spec((images, *shape)),))

    micro = -(-shown // min(settings.accumulate, shown))
    passes = min(settings.accumulate, 2)
    step = step_ledger(target, net(), given(micro), rule, passes=passes)
    flips = 1 if settings.test_flips == "none" else 2
    answered = evaluation_ledger(target, net(), given(_evaluated(settings, parts)))
    weights, state = step.highest("weights"), step.highest("state")
    kept = _copies(settings) * weights
    saved = 2 * weights + state + 2 * (weights + state + kept)
    evaluation = weights * 2 + state + flips * (answered.peak.bytes - weights)
    least = kept + max(step.peak.bytes, evaluation, saved)
    gaps = max(step.gaps, answered.gaps)
    return Footprint(least, least + gaps)


def _on_engine(settings: TrainingSettings, seed: int, parts: Parts, shown: int, shape: tuple[int, ...]) -> Footprint:
    from underhood.instruments.memory.on_engine import compared_bytes, eager_bytes, plan_bytes

    learner = NetworkLearner(settings, seed, parts)
    back, net, rule = learner.back, learner.net, learner.optimizer
    weights = sum(tensor.array.nbytes for tensor in (*net.parameters(), *net.buffers()))
    plain = learner.gradients.plain
    steps: tuple[Any, ...] = (
        () if settings.accumulate > 1 else (learner.whole, learner.passed) if plain else (learner.passed,)
    )
    buffers = 0
    eager: list[int] = []
    for images in _sizes(len(parts.train) * settings.data.repeats, shown):
        x, t = _batch(back, -(-images // min(settings.accumulate, images)), shape, settings)
        buffers += sum(plan_bytes(step, x, t) for step in steps)
        once = eager_bytes(learner.loss, x, t)
        if not steps:  # a later pass runs beside the gradients, and no plan has made the optimiser's state
            rule.step()
            once = weights + eager_bytes(learner.loss, x, t)
        eager.append(max(once, compared_bytes(net) if steps else 0))
        rule.zero_grad()
    state = sum(
        value.array.nbytes for each in rule.state.values() for value in each.values() if hasattr(value, "array")
    )
    net.eval()
    answered: list[int] = []
    with back.no_grad():
        parted = (_sizes(len(part), settings.evaluation_batch) for part in _looked_at(settings, parts))
        for images in {size for sizes in parted for size in sizes}:
            x, _ = _batch(back, images, shape, settings)
            buffers += plan_bytes(learner.answered, x)
            answered.append(eager_bytes(partial(answer, net, back, settings.test_flips), x))
    checked = max(eager) + (3 * weights + 2 * state if steps else 0)  # passes are not replayed, so not compared
    evaluated = max(answered, default=0) + 2 * weights
    kept = weights + state + _copies(settings) * weights + buffers
    saved = 2 * (weights + state + _copies(settings) * weights)
    peak = kept + max(checked, evaluated, saved)
    return Footprint(peak, peak)


def _sizes(images: int, at_once: int) -> list[int]:
    """The sizes of batches that so many images come in: whole ones, and what is left over."""
    whole, rest = divmod(images, at_once)
    return [size for size, there in ((at_once, whole), (rest, rest)) if there]


def _batch(back: Any, images: int, shape: tuple[int, ...], settings: TrainingSettings) -> tuple[Any, Any]:
    return (
        back.tensor(np.zeros((images, *shape), settings.dtype)),
        back.tensor(np.zeros(images, np.int64)),
    )
