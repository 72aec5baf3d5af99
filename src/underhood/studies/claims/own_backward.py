r"""Claim 2: with PyTorch one must write the backward pass oneself.

A forward pass that PyTorch has no layer for, written in its operations and nothing else:

    a = x Wᵀ,   h = a · σ(s·a),   z = h Vᵀ,   L = mean over images of −log softmax(z)[class]

Its gradients from `loss.backward()` are held against a backward pass that stands here in NumPy, written by hand:

    δz = (softmax(z) − y) / N        ∂L/∂V = δzᵀ h        δh = δz V
    δa = δh · (σ + s·a·σ(1 − σ))     ∂L/∂W = δaᵀ x        ∂L/∂s = Σ δh · a² σ(1 − σ)        with σ = σ(s·a)

Source: Swish with a learned slope s: Ramachandran, Zoph & Le 2017.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np

from underhood.data import stream
from underhood.lab import Group
from underhood.report.document import Block, Equation
from underhood.studies.claims.claim import Claim, Count, computed, images_of
from underhood.studies.claims.experiment import Experiment
from underhood.studies.claims.verdicts import Finding, Word
from underhood.tables import Column, Table
from underhood.training.backends import backend
from underhood.trials import Event, Note, Result

Array = np.ndarray
NAMES = {"W": "∂L/∂W", "V": "∂L/∂V", "s": "∂L/∂s"}
EQUAL = 1e-9  # relative, in float64: rounding leaves about 1e-15, a wrong formula far more


def measure(experiment: Experiment, *, images: Count, hidden: Count) -> Iterator[Event]:
    """Gradients by autograd and by hand, of the same loss at the same weights."""
    parts = experiment.parts("mnist", images, 1, "float64")
    x, t = parts.train.batch(np.arange(len(parts.train)))
    x = x.reshape(len(x), -1)
    rng = stream("init", experiment.seed, name="own backward")
    values = {
        "W": rng.normal(0, np.sqrt(2 / x.shape[1]), (hidden, x.shape[1])),
        "V": rng.normal(0, np.sqrt(1 / hidden), (len(parts.classes), hidden)),
        "s": np.array([1.702]),
    }
    by_hand = backward(x, t, **values)
    found: dict[str, Any] = {
        "data": experiment.images("mnist").name,
        "sizes": {name: int(v.size) for name, v in values.items()},
    }
    for name in ("torch", "underhood"):
        if name == "torch" and find_spec("torch") is None:
            yield Note("PyTorch is not installed: autograd is measured on this package's engine alone")
            continue
        automatic = autograd(backend(name, "float64"), x, t, values)
        found[name] = {each: _gap(automatic[each], by_hand[each]) for each in values}
    yield Result(found)


def autograd(back: Any, x: Array, t: Array, values: dict[str, Array]) -> dict[str, Array]:
    """The gradients that `loss.backward()` finds. No line of this function says how to differentiate."""
    nn = back.nn

    class Layered(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            for name, value in values.items():
                setattr(self, name, nn.Parameter(back.tensor(value)))

        def forward(self, x: Any) -> Any:
            a = x @ self.W.T
            return (a * nn.functional.sigmoid(self.s * a)) @ self.V.T

    net = Layered()
    nn.functional.cross_entropy(net(back.tensor(x)), back.tensor(t)).backward()
    return {name: np.array(back.array(getattr(net, name).grad)) for name in values}


def backward(x: Array, t: Array, W: Array, V: Array, s: Array) -> dict[str, Array]:
    """The same gradients by the formulas above."""
    a = x @ W.T
    sigma = 1 / (1 + np.exp(-s * a))
    h = a * sigma
    z = h @ V.T
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    dz = (p - np.eye(len(V))[t]) / len(x)
    dh = dz @ V
    da = dh * (sigma + s * a * sigma * (1 - sigma))
    return {"W": da.T @ x, "V": dz.T @ h, "s": np.array([(dh * a**2 * sigma * (1 - sigma)).sum()])}


def _gap(ours: Array, theirs: Array) -> float:
    """The largest difference, relative to the largest gradient."""
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def findings(group: Group) -> list[Finding]:
    """The claim needs autograd to lack a gradient or to get one wrong: a gap above rounding."""
    if any("torch" not in trial.result for trial in group.counted):
        return []
    worst = computed(group, lambda result: max(result["torch"].values()))
    return [
        Finding(
            "largest relative gap between autograd and a hand-written backward", worst, "above", EQUAL, format=".1e"
        )
    ]


def because(group: Group, word: Word) -> str:
    there = [trial.result["torch"] for trial in group.counted if "torch" in trial.result]
    if not there:
        return "PyTorch is not installed here, so nothing was measured of it."
    worst = max(max(gaps.values()) for gaps in there)
    return (
        f"`loss.backward()` found gradients that differ from those derived by hand by {worst:.1g} of the largest "
        "at most. Nobody wrote for it how to differentiate."
    )


def shown(group: Group) -> list[Block]:
    found = group.counted[0].result
    libraries = {"torch": "PyTorch", "underhood": "this package's engine"}
    there = [name for name in libraries if name in found]
    rows = [
        {
            "gradient": said,
            "elements": found["sizes"][name],
            **{each: max(trial.result[each][name] for trial in group.counted) for each in there},
        }
        for name, said in NAMES.items()
    ]
    absent = [] if "torch" in found else ["PyTorch is not installed, so the claim about it stays undecided."]
    return [
        Equation(
            r"\begin{aligned} a &= x W^{\mathsf T}, & \ h &= a \cdot \sigma(s\,a) \\ z &= h V^{\mathsf T}, & \ "
            r"L &= -\frac{1}{N}\sum_n \log \mathrm{softmax}(z_n)_{t_n} \end{aligned}",
            "$s$ is learned too. PyTorch has no such layer; its forward pass is two lines, its backward pass none.",
        ),
        Table(
            f"Autograd beside a backward pass by hand, in float64 ({images_of(found['data'])})",
            [
                Column("gradient", "Gradient", align="left"),
                Column("elements", "Elements", format=",d"),
                *(Column(each, libraries[each], format=".1e") for each in there),
            ],
            rows,
            foot=["The largest difference over all seeds, relative to the largest gradient.", *absent],
            name="own-backward",
        ),
    ]


ENTRY = Claim(
    name="own-backward",
    topic="writing backward oneself",
    statement="With PyTorch one must write the backward pass oneself.",
    sheet=False,
    experiment="A network with an activation that PyTorch lacks is written as a forward pass alone. `loss.backward()` "
    "is called, and its gradients are compared with a backward pass derived and written by hand.",
    because=because,
    measure=measure,
    sizes={
        "tiny": {"images": 64, "hidden": 16},
        "small": {"images": 256, "hidden": 64},
        "large": {"images": 2000, "hidden": 256},
    },
    findings=findings,
    shown=shown,
)
