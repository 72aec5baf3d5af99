"""What a training study's report says beside its results: how the network is built, and with what it was trained.

The network is built and asked for one image, on the engine and by array code, so that a report needs no PyTorch and
compiles nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from underhood.lab import Group, Results
from underhood.report.document import Section
from underhood.report.facts import plain
from underhood.studies.learning.results import loss_and_error
from underhood.tables import Column, Table
from underhood.training.settings import IN_A_FILE

ASSUMED = "assumed"


def curves(results: Results, held_out: str = "validation", caption: str = "") -> Section:
    """Loss and errors against epochs, of training and of the images `held_out` ("validation" or "test")."""
    seen = "Training: the mean over an epoch's batches as they came, augmented, while the weights moved."
    said = " ".join(filter(None, [seen, caption]))
    return Section("While it learns", [*loss_and_error(results, held_out, said)])


def network_and_recipe(results: Results, reasons: Mapping[str, str]) -> Section:
    """The network's structure and the hyper-parameters; of several settings the structure once for each network."""
    blocks: list[Any] = []
    built = {plain(g.settings["network"]) + g.settings["data"]["name"]: g.settings for g in results.groups}
    for settings in built.values():
        blocks.append(structure(settings, entry(settings["network"])))
    return Section("The network and its recipe", [*blocks, hyperparameters(results, reasons)])


def structure(settings: Mapping[str, Any], title: str) -> str | Table:
    """A row for each part of the network: what it is made of, what comes out of it for one image, what is learnt."""
    from underhood.data import DATA_SETS

    data_set = DATA_SETS.get(settings["data"]["name"])
    if IN_A_FILE.issubset(settings["network"]):
        return f"How `{title}` is built stands in its file; `underhood cost` shows it."
    if data_set is None:
        return (
            f"How `{title}` is built depends on the pictures of {settings['data']['name']}; `underhood cost` shows it."
        )
    from underhood import engine

    net = built(settings, data_set.shape, len(data_set.classes))
    rows: list[dict[str, Any]] = []

    def seen(name: str, module: Any) -> Any:
        def hook(_: Any, __: Any, output: Any) -> None:
            made = [int(np.prod(p.shape)) for p in module.parameters()]
            shape = "×".join(map(str, output.shape[1:]))
            rows.append({"part": name, "made": _made_of(module), "shape": shape, "parameters": sum(made)})

        return hook

    for name, module in net.named_children():
        module.register_forward_hook(seen(name, module))
    with engine.no_grad(), engine.form("vector"):
        net.eval()(engine.from_numpy(np.zeros((1, *data_set.shape), np.float32)))
    rows.append({"part": "all", "parameters": sum(row["parameters"] for row in rows)})
    columns = [
        Column("part", "Part", align="left"),
        Column("made", "Made of", align="left"),
        Column("shape", "Output", align="left", help="channels × height × width, of one image"),
        Column("parameters", "Parameters", format=",d"),
    ]
    return Table(f"The network: {title}", columns, rows, name="network")


def built(settings: Mapping[str, Any], shape: Sequence[int], classes: int) -> Any:
    """The network of some settings on the engine, for images of this shape and so many classes."""
    import inspect

    from underhood.engine import nn
    from underhood.networks import NETWORKS

    given = dict(settings["network"])
    make = NETWORKS[given.pop("name")].build
    fits = {"inputs": int(np.prod(shape)), "channels": shape[0], "classes": classes}
    takes = inspect.signature(make).parameters
    return make(nn, **{name: value for name, value in fits.items() if name in takes} | given)


def _made_of(module: Any) -> str:
    """The layers of a part in their order: `Conv2d, BatchNorm2d, ReLU`."""
    leaves = [each for each in module.modules() if not list(each.children())]
    runs = [(kind, len(list(some))) for kind, some in groupby(type(leaf).__name__ for leaf in leaves)]
    shortcut = " with a shortcut" * any(type(each).__name__ == "Residual" for each in module.modules())
    return ", ".join(kind if count == 1 else f"{count} × {kind}" for kind, count in runs) + shortcut


LABELS = {
    "data": "Data",
    "data.augmentation": "Augmentation",
    "batch_size": "Batch",
    "epochs": "Epochs",
    "optimizer": "Optimiser",
    "schedule": "Learning rate's schedule",
    "averaging": "Average of the weights",
    "label_smoothing": "Label smoothing",
    "initialisation": "Initial weights",
    "test_flips": "Mirror image asked too",
    "weights": "Weights tested",
    "computed": "Computed by",
}


def hyperparameters(results: Results, reasons: Mapping[str, str]) -> Table:
    """A row for each hyper-parameter, a column for each setting, and where its value is from.

    `reasons` says by a row's key why a value is what it is; a row that it lacks is assumed.
    """
    names = {f"value{i}": group for i, group in enumerate(results.groups)}
    said = {name: dict(_said(group)) for name, group in names.items()}
    rows = [
        {"what": LABELS[key], "why": reasons.get(key, ASSUMED)} | {name: values[key] for name, values in said.items()}
        for key in LABELS
    ]
    titles = {name: group.label if results.varying else "Value" for name, group in names.items()}
    columns = [
        Column("what", "", align="left"),
        *(Column(name, title, align="left") for name, title in titles.items()),
        Column("why", "From", align="left"),
    ]
    return Table("Hyper-parameters", columns, rows, name="hyper-parameters")


def _said(group: Group) -> Iterator[tuple[str, str]]:
    s = group.settings
    data = s["data"]
    validation = data["validation"]
    held = "nothing" if not validation else f"{validation:,} images" if validation >= 1 else f"{validation:.0%}"
    yield (
        "data",
        f"{data['name']}, {'all' if data['train'] is None else data['train']} training images, {held} held out",
    )
    yield "data.augmentation", "; ".join(map(entry, data["augmentation"])) or "none"
    yield "batch_size", f"{s['batch_size']} images"
    yield "epochs", str(s["epochs"])
    for key in ("optimizer", "schedule", "averaging"):
        yield key, entry(s[key])
    yield "label_smoothing", plain(s["label_smoothing"])
    yield "initialisation", s["initialisation"]
    yield "test_flips", "no" if s["test_flips"] == "none" else f"yes, mean of the {s['test_flips']}"
    yield "weights", f"the {s['weights']}"
    threads = f"{s['threads']} thread{'s' * (s['threads'] != 1)}"
    yield "computed", f"{s['backend']}, {s['precision']}, {s['device']}, {threads}"


def entry(settings: Mapping[str, Any]) -> str:
    """`sgd, lr 0.1, momentum 0.9`: an entry with the arguments that are not its defaults."""
    silent = {"warmup": 0, "every": "step"}
    said = {k: v for k, v in settings.items() if k not in {"name", *IN_A_FILE}}
    told = [f"{k} {plain(v)}" for k, v in said.items() if silent.get(k, ...) != v]
    return ", ".join([settings["name"], *told])
