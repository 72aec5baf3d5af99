"""`--tune`: the coordinator has PyTorch's options tried before a study starts, and freezes what is best in its trials.

    specs, choices = tuned(specs, choices, data, say)

Trials that cost the same share one choice (training/tune.py says which do), and the first of them is timed. A choice
is kept with the run, so that the command given again goes on with the same trials. The candidates are tried in a
process of their own (tuning_child.py).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from underhood.errors import BadInput, MissingPiece
from underhood.lab.child import ChildDiedError, ask
from underhood.lab.files import read_json, write_json
from underhood.lab.store import RunFolder
from underhood.lab.trial import TrialSpec, digest
from underhood.training.tune import NOTHING_TO_CHOOSE, Tuning, can_be_tuned, weighs

CHILD = ["-P", "-m", "underhood.lab.tuning_child"]
FILE = "tuned.json"  # beside run.json
Choices = dict[str, Tuning]


def tuned(
    specs: list[TrialSpec], choices: Mapping[str, Tuning], data: Path | None, say: Callable[[Tuning], None]
) -> tuple[list[TrialSpec], Choices]:
    """The trials with the options chosen for them, and the choices by what they were made for.

    Trials on the engine stay as they are. Raises BadInput when there is nothing to choose.
    """
    if not any(can_be_tuned(spec.settings) for spec in specs):
        raise BadInput(NOTHING_TO_CHOOSE)
    if devices := [spec.devices for spec in specs if spec.devices > 1]:
        raise BadInput(f"--tune times one device, here are {devices[0]}: tune on one, and set what it chose")
    made: Choices = {}
    found = []
    for spec in specs:
        if can_be_tuned(spec.settings):
            key = digest(weighs(spec.settings))
            if key not in made:
                made[key] = choices.get(key) or _in_a_child(spec, data)
                say(made[key])
            spec = replace(spec, settings=spec.settings.model_copy(update=made[key].options))
        found.append(spec)
    return list({spec.id: spec for spec in found}.values()), {**choices, **made}


def kept(folder: RunFolder) -> Choices:
    """The choices that a run was begun with."""
    path = folder.path / FILE
    stored = read_json(path)["choices"] if path.exists() else {}
    return {key: Tuning.from_json(choice) for key, choice in stored.items()}


def keep(folder: RunFolder, choices: Choices) -> None:
    write_json(folder.path / FILE, {"choices": {key: choice.to_json() for key, choice in choices.items()}})


def _in_a_child(spec: TrialSpec, data: Path | None) -> Tuning:
    try:
        return Tuning.from_json(ask(CHILD, {"spec": spec.to_json(), "data": data and str(data)}, spec.threads))
    except ChildDiedError as died:
        code = died.exit_code
        raise MissingPiece(f"--tune: the process that tried the candidates died (exit code {code})") from None
