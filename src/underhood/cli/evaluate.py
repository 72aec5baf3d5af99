"""`underhood evaluate`: how much of a data set a trained network reads right."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from underhood.cli.output import Json, Runs, print_json, print_table, say
from underhood.cli.predict import Backend, RunName, Seed, Setting, described, loaded
from underhood.errors import BadInput


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
    confirm: Annotated[
        bool,
        Parameter(
            name="--confirm",
            negative="",
            show_default=False,
            help="Load it in a process of its own: does every test image get the class that its trial gave it?",
        ),
    ] = False,
    folder: Annotated[
        Path | None,
        Parameter(name="--folder", show_default=False, help="Folder of the data sets, instead of UNDERHOOD_DATA."),
    ] = None,
    runs: Runs = None,
    json: Json = False,
) -> int:
    """Evaluate a network that a run trained, on its own data set or another.

    Accuracy with its 95 % interval over the images, mean cross-entropy, what
    was taken for what, and each class. Another set has to have images of the
    same size and as many classes. For example:

        underhood evaluate quickstart-quick --setting adam
        underhood evaluate mnist-mlp-quick --data mnist --split train --seed 2
        underhood evaluate mnist-mlp-quick --data my-digits.npz --json
        underhood evaluate cifar10-cnn-full --seed 2 --confirm

    The exit code is 1 where --confirm finds another class.
    """
    if confirm:
        for option, given in (("--data", data), ("--split", split != "test"), ("--backend", backend)):
            if given:
                raise BadInput(
                    f"--confirm and {option}: the trial's own test images are asked on its back end; choose one"
                )
        return _confirm(run, setting, seed, folder, runs, json)
    net = loaded(run, runs, setting, seed, backend)
    found = net.evaluate(data, split, root=folder)
    for note in (*net.notes, *found.notes):
        say(note)
    if json:
        print_json("evaluate", network=described(net), **found.to_json())
        return 0
    print(f"{found}\n")
    for table in found.tables():
        print_table(table)
    return 0


def _confirm(
    run: str, setting: str | None, seed: int | None, folder: Path | None, runs: Path | None, json: bool
) -> int:
    """What a trial's network answers in a new process, beside what it answered then."""
    if run.endswith(".safetensors"):
        raise BadInput(f"--confirm: {run} is a network alone; name the run whose trial left it, which has its answers")
    from underhood.lab.confirming import confirm
    from underhood.lab.results import open_run

    trial = open_run(run, runs).trial(setting, seed)
    found = confirm(trial, folder)
    if json:
        print_json("confirm", trial=trial.id, same=found.same, **vars(found))
    else:
        print(f"trial {trial.id}: {found}")
    return 0 if found.same else 1
