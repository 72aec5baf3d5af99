r"""Dropout's two ways to keep a layer's mean, held against each other on a trained network, layer by layer.

    while training    z = W (a ∘ m)/q + b        when used    z = W a + b          PyTorch's: scaled while training
    while training    z = W′ (a ∘ m) + b         when used    z = q W′ a + b       the first paper's: scaled when used

    m: each 1 with probability q = 1 − p, else 0      a: what goes into the dropout, W what follows it

With W′ = W/q the two are the same network: mask by mask while training, and when used. And as E m = q, the mean of z
over the masks is what is used, for one layer with a given input: the next layer's input has passed a ReLU, whose mean
is not the ReLU of the mean. To scale both times gives q (W a) + b, too small by q.

Sources: Srivastava et al. 2014, "Dropout", section 4 and figure 2; a course homework, NYU 2022.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from underhood.data.streams import stream
from underhood.training.inference import evaluate
from underhood.training.learner import NetworkLearner

Array = np.ndarray
IMAGES, MASKS, AT_ONCE = 4, 500, 100


def measure(learner: NetworkLearner, seed: int) -> dict[str, Any] | None:
    """What the scalings do to a trained network; None for one without dropout before linear layers.

    Of each such layer: p; the largest difference of the two ways, mask by mask and when used, as a fraction of the
    layer's root mean square; the distance of the mean over `masks` masks from what is used, in its standard errors and
    as that fraction; and `both`, the factor that is left where one scales twice. `right` and `both`: loss and error of
    the whole network on the validation images, scaled once and twice.
    """
    parts, size = learner.parts, learner.settings.evaluation_batch
    x, _ = parts.validation.batch(np.arange(min(IMAGES, len(parts.validation))))
    layers = [_layer(learner, *found, seed) for found in _dropped(learner, x)]
    if not layers:
        return None
    right = evaluate(learner, parts.validation, at_once=size)
    own = learner.weights()
    learner.put({name: w * _kept(layers, name) for name, w in own.items()})
    both = evaluate(learner, parts.validation, at_once=size)
    learner.put(own)
    whole = {key: {"loss": loss, "error": error} for key, (loss, error) in (("right", right), ("both", both))}
    return {"layers": layers, "masks": MASKS, "images": len(x), **whole}


def _kept(layers: list[dict[str, Any]], name: str) -> np.floating[Any]:
    """What a weight is multiplied by where one scales when the network is used."""
    q = next((1 - layer["p"] for layer in layers if name == f"{layer['layer']}.weight"), 1.0)
    return np.float32(q)


def _dropped(learner: NetworkLearner, x: Any) -> Iterator[tuple[str, Any, Any, Array]]:
    """Each linear layer behind a dropout: its name, the dropout, itself, and what goes into them when it is used."""
    nn, back = learner.back.nn, learner.back
    a, dropout = back.tensor(x), None
    learner.net.eval()
    with back.no_grad():
        for name, module in learner.net.named_children():
            if isinstance(module, nn.Linear) and dropout is not None:
                yield name, dropout, module, np.array(back.array(a), dtype=np.float64)
            dropout = module if isinstance(module, nn.Dropout) and module.p else None
            a = module(a)


def _layer(learner: NetworkLearner, name: str, dropout: Any, linear: Any, a: Array, seed: int) -> dict[str, Any]:
    """a: (n, inputs), W: (outputs, inputs)."""
    back, q = learner.back, 1 - dropout.p
    w, b = (np.array(back.array(each), dtype=np.float64) for each in (linear.weight, linear.bias))
    used = a @ w.T + b
    scaled = w / q  # W′
    total, apart = np.zeros_like(used), 0.0
    back.draw_from(stream("dropout", seed, name=f"scaling {name}"))
    dropout.train()
    with back.no_grad():
        for _ in range(MASKS // AT_ONCE):
            many = np.repeat(a[None], AT_ONCE, axis=0)  # (masks, n, inputs)
            dropped = np.array(back.array(dropout(back.tensor(many.astype(learner.settings.dtype)))), np.float64)
            z = dropped @ w.T + b
            mask = dropped != 0
            papers = (many * mask) @ scaled.T + b
            apart = max(apart, float(np.abs(papers - z).max()))
            total += z.sum(0)
    dropout.eval()
    mean = total / MASKS
    error = np.sqrt((a**2) @ (w.T**2) * (1 - q) / q / MASKS)  # the standard error of that mean
    size = _rms(used - b)
    known = error > 0
    return {
        "layer": name,
        "p": float(dropout.p),
        "by_mask": apart / size if size else 0.0,
        "when_used": float(np.abs(q * a @ scaled.T + b - used).max()) / size if size else 0.0,
        "errors": _rms((mean - used)[known] / error[known]) if known.any() else 0.0,
        "apart": _rms(mean - used) / size if size else 0.0,
        "both": _rms(q * a @ w.T) / size if size else q,
    }


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2))) if values.size else 0.0
