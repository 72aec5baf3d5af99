"""A network in use: built of settings or of what a file holds, asked for its logits, and evaluated.

`test_flips` means what the network says of an image and of its mirror image, wherever it is evaluated.
"""

from collections.abc import Callable
from inspect import signature
from math import log
from typing import Any, Protocol

import numpy as np

from underhood.training.answers import Tally
from underhood.training.backends import Backend
from underhood.training.own_network import built
from underhood.training.pipeline import EVALUATION_BATCH, Part, Parts
from underhood.training.settings import TrainingSettings

Array = np.ndarray


def arguments_of(settings: TrainingSettings, parts: Parts, network: Callable[..., Any] | None = None) -> dict[str, Any]:
    """What the network that the settings name, or `network`, is built with beside an `nn`.

    Its inputs, channels and classes are taken from the data where it asks for them.
    """
    takes = list(signature(network).parameters) if network else [p.name for p in settings.network.maker().parameters]
    shape = parts.preprocessing.shape
    fits = {"inputs": int(np.prod(shape)), "channels": shape[0], "classes": len(parts.classes)}
    from_data = {name: value for name, value in fits.items() if name in takes}
    return from_data | ({} if network else settings.network.arguments)


def build(settings: TrainingSettings, back: Backend, parts: Parts, network: Callable[..., Any] | None = None) -> Any:
    """The network that the settings name, or that `network` makes of an `nn` without them."""
    arguments = arguments_of(settings, parts, network)
    if network or not settings.network.own:
        return (network or settings.network.maker())(back.nn, **arguments)
    return built(settings.network.maker(), arguments, back, parts.preprocessing.shape)


def answer(net: Any, back: Backend, flips: str, x: Any) -> Any:
    """Logits of images; with test-time flips the mean over image and mirror image, of the logits, or

        log((p + q)/2) = log p + softplus(log q − log p) − log 2

    where probabilities are to be meant: these are logits of that mean, for their softmax is the mean again.
    """
    logits = back.forward(net, x)
    if flips == "none":
        return logits
    mirrored = back.forward(net, x[..., list(range(x.shape[-1]))[::-1]])
    if flips == "logits":
        return (logits + mirrored) / 2
    p, q = logits.log_softmax(1), mirrored.log_softmax(1)
    return p + back.nn.functional.softplus(q - p) - log(2)


class Examined(Protocol):
    """What can be evaluated: a learner under way (learner.py), or a trained network."""

    def examine(self, x: Any, t: Array) -> tuple[float, int, Array | None]:
        """Mean loss of some images, how many were misread, and the logits (B, C) where there are any to be looked at.

        x: (B, C, H, W) images, normalised   t: (B,) classes
        """


def examine(back: Backend, logits: Any, t: Array) -> tuple[float, int, Array]:
    """The same of a back end's logits."""
    loss = back.nn.functional.cross_entropy(logits, back.tensor(t))
    found = back.array(logits)
    return loss.item(), int((found.argmax(1) != t).sum()), found


def evaluate(
    subject: Examined, part: Part, tally: Tally | None = None, at_once: int = EVALUATION_BATCH
) -> tuple[float, float]:
    """Mean cross-entropy and fraction of wrong answers; the answers themselves are counted in `tally`."""
    loss, errors = 0.0, 0
    for x, t in part.in_order(at_once):
        batch_loss, batch_errors, logits = subject.examine(x, t)
        loss += batch_loss * len(t)
        errors += batch_errors
        if tally is not None and logits is not None:
            tally.add(logits, t)
    return loss / len(part), errors / len(part)
