"""`underhood predict`: what a trained network says of a person's own pictures."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from underhood.cli.output import Json, Runs, print_json, print_table, say, whole
from underhood.errors import BadInput

if TYPE_CHECKING:
    from underhood.trained import Trained

RunName = Annotated[str, Parameter(help="A run's name or folder, or the file of a network.")]
Setting = Annotated[
    str | None,
    Parameter(
        name="--setting",
        show_default=False,
        help="Which setting of the run: words of its label (adam), optimizer.lr=0.1, or a trial's id.",
    ),
]
Seed = Annotated[int | None, Parameter(name="--seed", show_default=False, help="Which seed; by default the first.")]
Backend = Annotated[
    Literal["underhood", "torch"] | None,
    Parameter(name="--backend", show_default=False, help="The library to compute with; by default the one it had."),
]


def predict(
    run: RunName,
    /,
    *images: Annotated[Path, Parameter(help="Pictures (PNG, JPEG …), .npy arrays, folders of them.")],
    setting: Setting = None,
    seed: Seed = None,
    backend: Backend = None,
    top: Annotated[int, Parameter(converter=whole, help="How many classes to name for each image.")] = 3,
    runs: Runs = None,
    csv: Annotated[bool, Parameter(name="--csv", negative="", show_default=False, help="Print CSV.")] = False,
    json: Json = False,
) -> None:
    """Name the classes of your own pictures by a network that a run trained.

    Pictures are cropped to the centre, resized and normalised as in training;
    what was done is said. Nothing is predicted unless every image can be
    read. For example:

        underhood predict mnist-mlp-quick seven.png
        underhood predict quickstart-quick scans/ --setting adam --seed 2 --csv
        underhood predict runs/cifar10/trials/3f…/artefacts/model.safetensors cat.jpg --backend torch
    """
    if top < 1:
        raise BadInput(f"--top {top}: at least one class has to be named")
    if not images:
        raise BadInput("predict: name a picture, a .npy file or a folder after the run")
    net = loaded(run, runs, setting, seed, backend)
    found = net.predict(list(images))
    for note in (*net.notes, *found.notes):
        say(note)
    if json:
        rows = [
            {"image": name, "class": known, "label": int(label), "top": [list(pair) for pair in first]}
            for name, known, label, first in zip(found.names, found.classes, found.labels, found.top(top), strict=True)
        ]
        print_json("predict", network=described(net), predictions=rows, notes=[*net.notes, *found.notes])
    elif csv:
        sys.stdout.write(found.table(top).to_csv())
    else:
        print_table(found.table(top))


def loaded(run: str, runs: Path | None, setting: str | None, seed: int | None, backend: Any) -> "Trained":
    """The network of a run's trial, or of a file; a line on stderr says which it is."""
    if run.endswith(".safetensors"):
        from underhood.trained import load

        for option, value in (("--setting", setting), ("--seed", seed)):
            if value is not None:
                raise BadInput(f"{option}: {run} holds one network; leave it out")
        net = load(run, backend)
    else:
        from underhood.lab.results import open_run

        net = open_run(run, runs).load(setting, seed, backend=backend)
    say(f"{net}, on {net.backend}")
    return net


def described(net: "Trained") -> dict[str, Any]:
    """The network, for programs to read."""
    return {
        "network": net.file.network,
        "arguments": net.file.arguments,
        "data": net.file.data["name"],
        "seed": net.seed,
        "backend": net.backend,
        "classes": list(net.classes),
        "file": net.source,
    }
