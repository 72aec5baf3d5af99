r"""SimpleConvNet backward by the delta rule: every local gradient, number by number, as matrices, and by PyTorch.

A local gradient δ = ∂E/∂z says how the loss moves with one number of a layer. The output's is what the network said
less what was true; each layer hands it down, and every weight's gradient is a sum of δ times what the weight saw.

    E = 1/N Σ_n −log y[n,t_n]      δ(fc2) = (y − t)/N      ∂E/∂w = Σ δ · a      ∂E/∂b = Σ δ

Source: A. Chernodub, "Homework for the deep learning class", 2019, equation (6) and task 3.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from underhood.figures import bars
from underhood.lab import Results, Scale, Study
from underhood.report.document import Document, Section
from underhood.studies.by_hand.convnet import (
    WAYS,
    ByHandSettings,
    Pass,
    by_pytorch,
    differences,
    digits,
    equations,
    figure,
    forward,
    matrix,
    simple_conv_net,
    size,
)
from underhood.studies.by_hand.delta_rule import rules
from underhood.trials import Context, Event, Result

Array = np.ndarray

DELTAS = ("fc2", "relu", "fc1", "reshape", "pool", "conv", "input")  # from the loss down
WEIGHTS = ("fc2.weight", "fc2.bias", "fc1.weight", "fc1.bias", "conv.weight", "conv.bias")


def trial(settings: ByHandSettings, seed: int, context: Context) -> Iterator[Event]:
    """The worked example's gradients in scalar form, and the whole network's three ways beside PyTorch."""
    example = settings.example
    small = forward("scalar", example.image_array(), example.weights())
    small_gradients = gradients(small, np.array([example.target]))
    x, t, source = digits(settings, seed, context.data)
    weights = simple_conv_net(seed)
    found = {way: gradients(forward(way, x, weights), t) for way in WAYS}
    reference = by_pytorch(x, weights, t)
    expected = {n: reference[f"∂{n}"] for n in (*DELTAS, *WEIGHTS)} if reference else found["scalar"]
    differ = {
        name: {way: float(np.mean((found[way][name] - expected[name]) ** 2)) for way in WAYS}
        for name in (*DELTAS, *WEIGHTS)
    }
    yield Result(
        {
            "source": source,
            "values": {name: z.tolist() for name, z in small.layers.items()},
            "example": {name: g.tolist() for name, g in small_gradients.items()},
            "sizes": {name: size(g.shape) for name, g in found["scalar"].items()},
            "norms": {name: float(np.linalg.norm(found["scalar"][name])) for name in DELTAS},
            "differences": differ,
            "largest": max(max(row.values()) for row in differ.values()),
            "by": "PyTorch" if reference else "the scalar form, for PyTorch is not installed",
        }
    )


def gradients(net: Pass, t: Array) -> dict[str, Array]:
    """δ at every layer and the gradient of every weight, by the backward pages of the form that ran forward.

    The loss is the batch's mean, so the output's δ is (y − t)/N.
    """
    from underhood import engine

    kept = [net.layers[name] for name in DELTAS]
    for z in kept[:-1]:
        z.retain_grad()
    y = net.layers["softmax"].detach().numpy()
    onehot = np.eye(y.shape[1])[t]
    net.layers["fc2"].backward(engine.from_numpy((y - onehot) / len(t)))
    found = {name: z.grad.numpy() for name, z in zip(DELTAS, kept, strict=True)}
    return found | {name: p.grad.numpy() for name, p in net.parameters.items()}


def report(results: Results) -> Document:
    """The rules, the worked example with its numbers, the differences."""
    group = results.groups[0]
    values = group.counted[0].result
    every = [trial.result for trial in group.counted]
    largest = max(result["largest"] for result in every)
    images = group.settings["images"]
    seeds = f", {len(group.counted)} seeds" if len(group.counted) > 1 else ""
    return Document(
        title=ENTRY.title,
        question=ENTRY.question,
        answer=(
            f"The loss is the mean over the batch, so the output's δ is (y − t)/N with N = {images}: what the network "
            "said less what was true, divided by N. Each layer hands it down, and a weight's gradient is the sum of δ "
            f"times what the weight saw. All {len(DELTAS)} local gradients and {len(WEIGHTS)} weight gradients of "
            "SimpleConvNet, in scalar form and both vector forms, are within a mean squared difference of "
            f"**{largest:.1e}** of {values['by']}, over {images} digit{'s' * (images != 1)} of {values['source']}"
            f"{seeds}."
        ),
        sections=[
            Section("The delta rule, from the loss down", list(rules(images))),
            Section("The same with numbers", _example(values, group.settings["example"])),
            Section(
                "How far apart the ways are",
                [
                    _table("Local gradients δ, from the loss down", every, DELTAS, "δ of"),
                    _table("Gradients of the weights", every, WEIGHTS, "∂E/∂"),
                    "Sizes are those of the whole network. A gradient has the size of what it belongs to.",
                ],
            ),
            Section(
                "How the gradient fares on its way",
                [
                    bars(
                        "Length of δ at each layer",
                        [{"layer": name, "norm": values["norms"][name]} for name in DELTAS],
                        x="layer",
                        y="norm",
                        y_title="Euclidean norm of δ",
                        name="norms",
                        caption="Of the whole network, before training: from the loss (top) down to the pixels.",
                    ),
                ],
            ),
        ],
        headline={"largest difference": largest},
    )


def _table(title: str, every: list[dict[str, Any]], names: tuple[str, ...], first: str) -> Any:
    seeds = [
        [{"name": name, "size": values["sizes"][name], **values["differences"][name]} for name in names]
        for values in every
    ]
    return differences(title, seeds, first, every[0]["by"])


def _example(values: dict[str, Any], numbers: dict[str, Any]) -> list[Any]:
    z, d = values["values"], values["example"]
    target = [float(k == numbers["target"]) for k in range(len(z["fc2"][0]))]
    delta, image = np.array(d["conv"][0][0]), np.array(z["input"][0][0])
    terms = " + ".join(
        rf"({figure(delta[m, l])}) \cdot {figure(image[m, l])}" for m, l in zip(*np.nonzero(delta), strict=True)
    )
    pairs = [
        (
            rf"\delta^{{(\mathrm{{fc2}})}} = \frac{{1}}{{1}} \left({matrix(z['softmax'])} - {matrix([target])}\right) "
            rf"= {matrix(d['fc2'])}",
            "One image, so $N = 1$: what the network said less what was true, on the example of "
            "`simple-conv-net-forward`.",
        ),
        (
            rf"\frac{{\partial E}}{{\partial \mathbf{{W}}^{{(\mathrm{{fc2}})}}}} = \delta^{{\top}} \mathbf{{a}} = "
            rf"{matrix(d['fc2.weight'])}",
            rf"with $\mathbf{{a}} = {matrix(z['relu'])}$, what ReLU let through",
        ),
        (rf"\delta^{{(\mathrm{{relu}})}} = \delta^{{(\mathrm{{fc2}})}} \mathbf{{W}} = {matrix(d['relu'])}", ""),
        (
            rf"\delta^{{(\mathrm{{fc1}})}} = {matrix(d['fc1'])}",
            rf"0 where $\mathbf{{z}}^{{(\mathrm{{fc1}})}} = {matrix(z['fc1'])}$ is not positive",
        ),
        (rf"\frac{{\partial E}}{{\partial \mathbf{{W}}^{{(\mathrm{{fc1}})}}}} = {matrix(d['fc1.weight'])}", ""),
        (rf"\delta^{{(\mathrm{{pool}})}} = {matrix(d['pool'][0][0])}", "The row, folded back."),
        (rf"\delta^{{(\mathrm{{conv}})}} = {matrix(delta)}", "Each goes to the position of its maximum."),
        (
            rf"\frac{{\partial E}}{{\partial w_{{1,1}}}} = {terms} = {figure(d['conv.weight'][0][0][0][0])}",
            "Each δ times the pixel that the filter's first weight saw there.",
        ),
        (
            rf"\frac{{\partial E}}{{\partial \mathbf{{w}}}} = {matrix(d['conv.weight'][0][0])}, \qquad "
            rf"\frac{{\partial E}}{{\partial b}} = {figure(d['conv.bias'][0])}",
            "The whole filter, and its bias.",
        ),
    ]
    return equations(pairs)


ENTRY = Study(
    name="simple-conv-net-backward",
    title="SimpleConvNet backward, every gradient shown",
    question="How does the loss find its way back to every weight of a small convolutional network?",
    theme="By hand",
    source="Chernodub, homework for the deep learning class, 2019",
    settings=ByHandSettings,
    trial=trial,
    compares=(),
    scales={
        "smoke": Scale("1 digit", seeds=1, set={"images": 1}, time="5 s", complete=True),
        "quick": Scale("2 digits, of MNIST where it is", seeds=1, set={"source": "auto"}, time="5 s"),
        "full": Scale("64 digits of MNIST", seeds=1, set={"images": 64, "source": "mnist"}, time="30 s"),
    },
    report=report,
    data=lambda settings: None if settings.source == "auto" else settings.source,
)
