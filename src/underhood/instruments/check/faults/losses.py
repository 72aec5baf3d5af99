"""Faults of losses: the softmax taken twice, or not at all."""

from collections.abc import Iterator

import numpy as np

from underhood.instruments.check.faults.case import Case, Fault, Guess
from underhood.instruments.check.gap import Array

TWICE = "cross-entropy takes the softmax itself, so it is applied twice"


def softmax(x: Array) -> Array:
    """Along axis 1, for real and complex numbers."""
    e = np.exp(x - np.max(x.real, axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _softmax_twice(case: Case) -> Iterator[Guess]:
    if case.kind != "cross_entropy":
        return
    x, *rest = case.question.inputs
    guess = case.ask(inputs=(softmax(x), *rest))
    if guess is not None and case.is_gradient:
        yield TWICE + ", forward only", guess
        p = softmax(x)
        guess = p * (guess - (guess * p).sum(1, keepdims=True))  # back through the softmax
    yield TWICE, guess


def _no_softmax(case: Case) -> Iterator[Guess]:
    """A negative log-likelihood fed with logits as if they were probabilities or their logarithms."""
    if case.kind != "cross_entropy" or case.question.inputs[1].ndim != 1:
        return
    t = case.question.inputs[1]
    reduction = case.settings.get("reduction", "mean")

    def likelihood(x: Array, *_: Array) -> Array:
        losses = -x[np.arange(len(t)), t]
        return losses if reduction == "none" else np.asarray(losses.mean() if reduction == "mean" else losses.sum())

    yield "no softmax: the logits are taken for logarithms of probabilities", case.by(likelihood)


FAULTS = (Fault("softmax before cross-entropy", _softmax_twice), Fault("softmax missing", _no_softmax))
