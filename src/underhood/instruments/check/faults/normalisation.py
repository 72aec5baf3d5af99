"""Faults of normalisations: which elements are averaged, how the variance is counted, where ε stands, which mode.

A guess is the normalisation written out with the mistake in it,

    x̂ = (x − μ) / √(σ² + ε)        z = w x̂ + b

and its gradients are taken numerically, so that a fault made in forward is known in backward too.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from underhood.instruments.check.faults.case import Case, Fault, Guess
from underhood.instruments.check.gap import Array

Forward = Callable[..., Array]


def axes_of(case: Case) -> tuple[int, ...] | None:
    """The axes that a normalisation averages over; None for other operations."""
    if not case.question.inputs:
        return None
    x, settings = case.question.inputs[0], case.settings
    if case.kind == "batch_norm":
        return (0, *range(2, x.ndim))
    if case.kind in ("layer_norm", "rms_norm"):
        return tuple(range(x.ndim - len(settings["normalized_shape"]), x.ndim))
    return tuple(range(2, x.ndim)) if case.kind == "instance_norm" else None


def written_out(
    case: Case, axes: tuple[int, ...], correction: int = 0, root: Callable[..., Any] | None = None, given: Any = None
) -> Forward:
    """The normalisation over `axes`; `root(variance, ε)` in the denominator, `given` statistics instead of x's."""
    eps = case.settings.get("eps", 1e-5)
    root = root or (lambda variance, eps: (variance + eps) ** 0.5)

    def forward(x: Array, w: Array | None = None, b: Array | None = None, *_: Any) -> Array:
        along = [1] * x.ndim
        along[1 if case.kind != "layer_norm" else -1] = -1

        def spread(v: Any) -> Any:
            return v if v is None or v.ndim != 1 else v.reshape(along)

        if given is None:
            mean = x.mean(axes, keepdims=True)
            count = x.size / mean.size
            variance = ((x - mean) ** 2).sum(axes, keepdims=True) / (count - correction)
        else:
            mean, variance = map(spread, given)
        z = (x - mean) / root(variance, eps)
        z = z if w is None else z * spread(w)
        return z if b is None else z + spread(b)

    return forward


def is_training(case: Case) -> bool:
    return bool(case.settings.get("training", True))


def _unbiased(case: Case) -> Iterator[Guess]:
    """Divided by n − 1 where n is expected."""
    axes = axes_of(case)
    if axes and is_training(case):
        yield "the variance is divided by n − 1, where n is expected", case.by(written_out(case, axes, correction=1))
    if case.settings.get("correction") == 0:
        yield "the variance is divided by n − 1, where n is expected", case.with_settings(correction=1)


def _biased(case: Case) -> Iterator[Guess]:
    """Divided by n where n − 1 is expected; also in the running variance, new = (1 − m) old + m n/(n − 1) σ²."""
    if case.settings.get("correction"):
        yield "the variance is divided by n, where n − 1 is expected", case.with_settings(correction=0)
    if case.part == "running_var":
        x, momentum = case.question.inputs[0], case.settings["momentum"]
        biased, count = x.var((0, *range(2, x.ndim))), x.size // x.shape[1]
        old = case.expected - momentum * biased * count / (count - 1)
        yield "the running variance takes in σ² divided by n, where n − 1 is expected", old + momentum * biased


def _epsilon(case: Case) -> Iterator[Guess]:
    axes = axes_of(case)
    if not axes:
        return
    given = None if is_training(case) else case.question.inputs[3:5]
    wrong: dict[str, Callable[..., Any]] = {
        "ε stands outside the root, where it belongs inside": lambda v, eps: v**0.5 + eps,
        "ε is squared before it joins the variance": lambda v, eps: (v + eps * eps) ** 0.5,
        "ε is missing": lambda v, eps: v**0.5,
    }
    for explanation, root in wrong.items():
        yield explanation, case.by(written_out(case, axes, root=root, given=given))


def _root(case: Case) -> Iterator[Guess]:
    axes = axes_of(case)
    if axes:
        given = None if is_training(case) else case.question.inputs[3:5]
        explanation = "divided by the variance, where its square root is expected"
        yield explanation, case.by(written_out(case, axes, root=lambda v, eps: v + eps, given=given))


def _mode(case: Case) -> Iterator[Guess]:
    if case.kind != "batch_norm":
        return
    axes = axes_of(case)
    assert axes
    if not is_training(case):
        explanation = "the batch's statistics where the running ones are expected (train for eval)"
        yield explanation, case.by(written_out(case, axes))
        return
    channels = case.question.inputs[0].shape[1]
    fresh = (np.zeros(channels), np.ones(channels))
    kept = [case.question.extras[k] for k in ("running_mean", "running_var") if k in case.question.extras]
    explanation = "the running statistics where the batch's are expected (eval for train)"
    for given in (fresh, tuple(kept) if len(kept) == 2 else fresh):
        yield explanation, case.by(written_out(case, axes, given=given))


def _features(case: Case) -> Iterator[Guess]:
    axes = axes_of(case)
    if axes and is_training(case):
        ndim = case.question.inputs[0].ndim
        for explanation, other in (
            ("normalised over the features of each example where the batch is expected", tuple(range(1, ndim))),
            ("normalised over the batch where the features of each example are expected", (0,)),
            ("normalised over all elements at once", tuple(range(ndim))),
            ("normalised over the batch alone, position by position", (0,)),
            ("normalised over the positions of each example alone", tuple(range(2, ndim))),
        ):
            if other and other != axes:
                yield explanation, case.by(written_out(case, other))


FAULTS = (
    Fault("stale BatchNorm mode", _mode),
    Fault("batch for feature axis", _features),
    Fault("unbiased for biased variance", _unbiased),
    Fault("biased for unbiased variance", _biased),
    Fault("epsilon misplaced", _epsilon),
    Fault("square root missing", _root),
)
