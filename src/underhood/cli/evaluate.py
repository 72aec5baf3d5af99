"""`underhood evaluate`: how much of a data set a trained network reads right."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from underhood.cli.output import Json, Runs, print_json, print_table, say
from underhood.cli.predict import Backend, RunName, Seed, Setting, described, loaded


def evaluate(
    run: RunName,
    /,
    *,
    data: Annotated[
        str | None,
        Parameter(
            name="--data",
            show_default=False,
            help="A data set by its name, a .npz file or a folder of pictures; by default the one that it learnt from.",
        ),
    ] = None,
    split: Annotated[Literal["test", "train", "validation"], Parameter(help="Which of its images.")] = "test",
    setting: Setting = None,
    seed: Seed = None,
    backend: Backend = None,
    folder: Annotated[
        Path | None,
        Parameter(name="--folder", show_default=False, help="Folder of the data sets, instead of UNDERHOOD_DATA."),
    ] = None,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Evaluate a network that a run trained, on its own data set or another.

    Accuracy with its 95 % interval over the images, mean cross-entropy, what
    was taken for what, and each class. Another set has to have images of the
    same size and as many classes. For example:

        underhood evaluate quickstart-quick --setting adam
        underhood evaluate mnist-mlp-quick --data mnist --split train --seed 2
        underhood evaluate mnist-mlp-quick --data my-digits.npz --json
    """
    net = loaded(run, runs, setting, seed, backend)
    found = net.evaluate(data, split, root=folder)
    for note in (*net.notes, *found.notes):
        say(note)
    if json:
        print_json("evaluate", network=described(net), **found.to_json())
        return
    print(f"{found}\n")
    for table in found.tables():
        print_table(table)
