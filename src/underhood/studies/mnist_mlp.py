"""A multi-layer perceptron reads MNIST, in the package's own engine.

    784 pixels → hidden layers → 10 logits,   softmax cross-entropy,   SGD with momentum

`--set network=template` trains the MLP class of a course's template instead (networks/template.py), from its
standard-normal weights. `--backend torch` runs the same trial, with the same initial weights, on PyTorch.

Settings were chosen on 10,000 validation images held out of the training set; the trials here train on all 60,000.
The course asks for the test error against epochs: it is drawn, marked as such, and nothing is chosen by it.

Source: LeCun, Bottou, Bengio & Haffner 1998; the programming exercise of "24-789 Deep Learning for Engineers",
Carnegie Mellon University, 2021.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from underhood.data import stream
from underhood.lab import Group, Results, Scale, Study, Summary
from underhood.networks import template
from underhood.report.document import Document, Equation, Section
from underhood.settings import SettingError
from underhood.studies.learning.mistakes import misread
from underhood.studies.learning.results import against_epochs, estimate, listed, results_table
from underhood.tables import Column, Table
from underhood.training.learner import Learner, NetworkLearner
from underhood.training.loop import train
from underhood.training.network_file import file_of
from underhood.training.pipeline import Parts
from underhood.training.settings import IN_A_FILE, NetworkSettings, OptimizerSettings, TrainingSettings
from underhood.trials import Context, Event

Array = np.ndarray


def template_mlp(nn: None, hidden: Sequence[int] = (512,), activation: str = "Sigmoid") -> None:
    """The arguments of `network = {name = "template", …}`: it is made of no `nn`, but of arrays."""


class Network(NetworkSettings):
    """An entry of `networks`, or the course template's MLP; an `mlp` has 512 hidden units unless given otherwise."""

    @classmethod
    def entries(cls) -> dict[str, Callable[..., Any]]:
        return {**super().entries(), "template": template_mlp}

    @classmethod
    def own_defaults(cls, name: str) -> Mapping[str, Any]:
        return {"hidden": [512]} if name == "mlp" else {}


class Optimizer(OptimizerSettings):
    """An entry of `optim`; `sgd` has momentum unless given otherwise."""

    @classmethod
    def own_defaults(cls, name: str) -> Mapping[str, Any]:
        return {"momentum": 0.9} if name == "sgd" else {}


# What is not given follows the network. Standard-normal weights saturate the sigmoids less on pixels in [0, 1]; their
# small gradients bear a large rate.
SGD_RATE = {"mlp": 0.02, "template": 0.3}
NOT_THE_TEMPLATE_S = ("schedule", "averaging", "penalty", "clip", "label_smoothing", "accumulate", "test_flips")


class MnistMlpSettings(TrainingSettings):
    """Training settings whose network may be the template's; what is not given follows the network."""

    network: Network = Field(default_factory=lambda: Network(name="mlp"))
    optimizer: Optimizer = Field(default_factory=lambda: Optimizer(name="sgd", lr=SGD_RATE["mlp"]))
    epochs: int = Field(default=12, ge=1)
    test_curve: bool = True

    @model_validator(mode="before")
    @classmethod
    def _follow_the_network(cls, given: dict[str, Any]) -> dict[str, Any]:
        is_template = _table(given, "network").get("name") == "template"
        optimizer, data = _table(given, "optimizer"), _table(given, "data")
        if optimizer.get("name", "sgd") == "sgd":
            optimizer = {"name": "sgd", "lr": SGD_RATE["template" if is_template else "mlp"]} | optimizer
        if is_template:
            data = {"scaling": "unit"} | data
        return {**given, "optimizer": optimizer, "data": data}

    def trainings(self) -> Sequence[TrainingSettings] | None:
        """The template's steps are its own."""
        return None if self.network.name == "template" else super().trainings()

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.network.name != "template":
            return self
        if self.optimizer.name != "sgd" or set(self.optimizer.arguments) - {"momentum"}:
            raise ValueError("the template's MLP learns by sgd with momentum alone")
        if self.backend != "underhood" or self.initialisation != "pytorch":
            raise ValueError("the template's MLP is NumPy alone, with standard-normal weights; leave both as they are")
        for key in NOT_THE_TEMPLATE_S:
            if getattr(self, key) != type(self).model_fields[key].get_default(call_default_factory=True):
                raise SettingError(key, "the template's MLP has none; take network = mlp, or leave it out")
        return self


def _table(given: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The settings at `key`, where a word alone is a name."""
    value = given.get(key, {})
    return {"name": value} if isinstance(value, str) else dict(value)


class TemplateLearner(Learner):
    """The template's MLP as the training loop sees it."""

    file = "model.npz"

    def __init__(self, settings: TrainingSettings, seed: int, parts: Parts) -> None:
        wanted = {"hidden": [512], "activation": "Sigmoid"} | settings.network.arguments
        rng = stream("init", seed, name="template")
        self.mlp = template.MLP(
            int(np.prod(parts.train.images.images.shape[1:])),
            len(parts.classes),
            wanted["hidden"],
            [getattr(template, wanted["activation"])() for _ in wanted["hidden"]],
            weight_init_fn=lambda d0, d1: template.random_normal_weight_init(d0, d1, rng).astype(settings.precision),
            bias_init_fn=lambda d: template.zeros_bias_init(d).astype(settings.precision),
            lr=settings.optimizer.lr,
            momentum=settings.optimizer.arguments.get("momentum", 0.0),
        )
        self.parameters = sum(array.size for array in self.mlp.weights().values())
        self.settings, self.seed, self.parts, self.wanted = settings, seed, parts, wanted

    def step(self, x: Array, t: Array) -> tuple[float, int]:
        loss, errors = self.evaluate(x, t)
        self.mlp.zero_grads()
        self.mlp.backward(t)
        self.mlp.step()
        return loss, errors

    def evaluate(self, x: Array, t: Array) -> tuple[float, int]:
        loss, errors, _ = self.examine(x, t)
        return loss, errors

    def examine(self, x: Array, t: Array) -> tuple[float, int, Array]:
        logits = self.mlp.forward(x.reshape(len(x), -1))
        return self.mlp.get_loss(t), self.mlp.get_error(t), logits

    def state(self) -> dict[str, Array]:
        velocities = {f"vW{k}": v for k, v in enumerate(self.mlp.vW)} | {f"vb{k}": v for k, v in enumerate(self.mlp.vb)}
        return self.mlp.weights() | velocities

    def restore(self, state: dict[str, Array]) -> None:
        for name, array in self.state().items():
            array[...] = state[name]

    def save(self, path: Path) -> None:
        self.mlp.save_model(path)

    def files(self) -> dict[str, Callable[[Path], None]]:
        """The course's file, and the same network as an `mlp`, whose layers hold their weights the other way round."""
        return {**super().files(), NetworkLearner.file: self._save_as_mlp}

    def _save_as_mlp(self, path: Path) -> None:
        weights = {f"{2 * k + 1}.weight": w.T for k, w in enumerate(self.mlp.W)}
        weights |= {f"{2 * k + 1}.bias": b for k, b in enumerate(self.mlp.b)}
        shapes = {"inputs": self.mlp.W[0].shape[0], "classes": self.mlp.W[-1].shape[1]}
        file_of(self.settings, self.seed, self.parts, weights, "mlp", self.wanted | shapes).write(path)


def trial(settings: MnistMlpSettings, seed: int, context: Context) -> Iterator[Event]:
    """Train the network that the settings name."""
    learner: Callable[..., Learner] = TemplateLearner if settings.network.name == "template" else NetworkLearner
    return train(settings, seed, context, learner)


def report(results: Results) -> Document:
    """Structure, hyper-parameters, curves and the final error, as the course asks."""
    return Document(
        title="An MLP reads MNIST",
        question="How many of MNIST's 10,000 test digits does a multi-layer perceptron misread?",
        answer=_answer(results),
        sections=[
            Section(
                "Training",
                [
                    against_epochs(
                        "Loss",
                        results,
                        {"epoch_loss": "training", "test_loss": "test"},
                        y_title="cross-entropy",
                        log_y=True,
                        name="loss",
                        caption="Training: the mean over an epoch's batches as they came. "
                        "Test: drawn because the course asks for it; nothing was chosen by it.",
                    ),
                    against_epochs(
                        "Error",
                        results,
                        {"train_error": "training", "test_error": "test"},
                        y_title="wrong answers",
                        fraction=True,
                        name="error",
                    ),
                ],
            ),
            Section(
                "Results",
                [results_table("After the last epoch", results, ["test_error", "test_loss", "parameters", "seconds"])],
            ),
            misread(results),
            Section("The network and how it learns", [*map(_hyperparameters, results.groups), *_equations(results)]),
        ],
        listed=[
            listed("test error" + f", {g.label}" * bool(results.varying), g, g.summary("test_error"), "below 5 %")
            for g in results.groups
        ],
    )


SCALINGS = {"normalised": "less the training set's mean, over its deviation", "unit": "in [0, 1]"}
SIZES = {"mnist": (784, 10), "digits": (64, 10)}  # pixels and classes of the sets that have digits
BANDS = (  # the course's points for a test error below the number
    (0.05, "below 5 % (10 points)"),
    (0.10, "5 to 10 % (5 points)"),
    (0.20, "10 to 20 % (3 points)"),
    (float("inf"), "20 % or more (no points)"),
)


def _equations(results: Results) -> Iterator[Equation]:
    scalings = dict.fromkeys(group.settings["data"]["scaling"] for group in results.groups)
    pixels = " or ".join(SCALINGS.get(each, each) for each in scalings)
    activations = " or ".join(dict.fromkeys(_structure(group)[1] for group in results.groups))
    yield Equation(
        r"h_k = \varphi(W_k h_{k-1} + b_k), \quad h_0 = x, \qquad o = \mathrm{softmax}(W_L h_{L-1} + b_L)",
        f"$x$: the pixels, {pixels}; $\\varphi$: {activations}; $o$: a probability for each class.",
    )
    yield Equation(
        r"E = -\log o_t, \qquad \frac{\partial E}{\partial f} = o - \mathrm{onehot}(t)",
        "$t$: the right class; $f$: the logits. The gradient is what the network said less what was true.",
    )


def _structure(group: Group) -> tuple[str, str]:
    """The sizes of the network's layers, 784–512–10, and its activation, as far as its settings tell them."""
    network = group.settings["network"]
    own: dict[str, Any] = {}
    if not IN_A_FILE.issubset(network):
        known = inspect.signature(Network.entries()[network["name"]]).parameters
        own = {name: parameter.default for name, parameter in known.items()} | network
    inputs, classes = SIZES.get(group.settings["data"]["name"], ("inputs", "classes"))
    sizes = [inputs, *own["hidden"], classes] if "hidden" in own else [inputs, "…", classes]
    activation = "no hidden layer" if own.get("hidden") == [] else str(own.get("activation", "its own activations"))
    return "–".join(map(str, sizes)), activation


def _answer(results: Results) -> str:
    said = []
    for group in results.groups:
        summary = group.summary("test_error")
        if summary is None:
            continue
        which = f" with {group.label}" if results.varying else ""
        sizes, activation = _structure(group)
        data = group.settings["data"]["name"]
        images = "digits" if data in SIZES else f"images of {data}"
        seeds = f"over {summary.n} seed{'s' if summary.n > 1 else ''}"
        said.append(
            f"**{estimate(summary)}** of the test {images} are misread{which} by {sizes}, {activation}: "
            f"{_count(summary, group)}, {seeds}."
        )
        if data == "mnist":  # the course asks for nothing of other sets
            goal = f"{'Below' if summary.mean < GOAL else 'Not below'} the {100 * GOAL:.0f} % aimed at."
            said[-1] += f" {_bands(summary)} {goal}"
    return "\n\n".join(said)


GOAL = 0.02


def _count(summary: Summary, group: Group) -> str:
    """The same as digits out of those tested."""
    data = group.settings["data"]
    tested = data["test"] or {"mnist": 10_000}.get(data["name"])
    if not tested:
        return "of the whole test set"
    interval = ""
    if summary.low is not None and summary.high is not None:
        interval = f" ± {(summary.high - summary.low) / 2 * tested:,.0f}"
    return f"{summary.mean * tested:,.0f}{interval} of {tested:,}"


def _bands(summary: Summary) -> str:
    """The course's band that the mean is in, and whether the interval stays in it."""
    inside = [next(title for edge, title in BANDS if value < edge) for value in (summary.mean, *_ends(summary))]
    said = f"In the course's bands: {inside[0]}."
    return said if len(set(inside)) == 1 else f"{said[:-1]}; the interval reaches over the band's edge."


def _ends(summary: Summary) -> tuple[float, ...]:
    return () if summary.low is None or summary.high is None else (summary.low, summary.high)


def _hyperparameters(group: Any) -> Table:
    s = group.settings
    network = s["network"]
    sizes, activation = _structure(group)
    drawn = "standard-normal" if network["name"] == "template" else s["initialisation"]
    optimizer = ", ".join(f"{key} {value}" for key, value in s["optimizer"].items() if key != "name")
    rows = [
        {"what": "Network", "value": f"{network['name']}, {sizes}"},
        {"what": "Activation", "value": activation},
        {"what": "Pixels", "value": SCALINGS.get(s["data"]["scaling"], s["data"]["scaling"])},
        {"what": "Initial weights", "value": drawn},
        {"what": "Optimiser", "value": f"{s['optimizer']['name']}, {optimizer}"},
        {"what": "Batch", "value": f"{s['batch_size']} images"},
        {"what": "Epochs", "value": str(s["epochs"])},
        {"what": "Back end", "value": f"{s['backend']}, {s['precision']}"},
    ]
    columns = [Column("what", "", align="left"), Column("value", "Setting", align="left")]
    return Table(f"Hyper-parameters: {group.label}" if group.values else "Hyper-parameters", columns, rows)


ENTRY = Study(
    name="mnist-mlp",
    title="An MLP reads MNIST",
    question="How many of MNIST's 10,000 test digits does a multi-layer perceptron misread?",
    theme="Perceptrons",
    source="LeCun et al. 1998; course 24-789, CMU 2021",
    settings=MnistMlpSettings,
    trial=trial,
    scales={
        "smoke": Scale(
            "2,000 digits, 2 epochs, 1 seed",
            seeds=1,
            time="5 s",
            set={"epochs": 2, "data.train": 2000, "data.test": 500},
        ),
        "quick": Scale("all of MNIST, 12 epochs, 3 seeds", seeds=3, time="2 min"),
        "full": Scale("all of MNIST, 30 epochs, 10 seeds", seeds=10, set={"epochs": 30}, time="15 min"),
    },
    report=report,
)
