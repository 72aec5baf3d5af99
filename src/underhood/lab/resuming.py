"""A trial that goes on, on another number of devices, where the same trial on the number before was interrupted.

    devices = 1, parallel.resumed = [2]        from the checkpoint of  devices = 2, parallel.resumed = []
    devices = 2, parallel.resumed = [2, 1]     from that of            devices = 1, parallel.resumed = [2]

The number of devices may change a number, so that each of these is a trial of its own, and its settings say the whole
story. A checkpoint holds nothing that depends on it.
"""

import shutil
from pathlib import Path

from underhood.errors import BadInput
from underhood.lab.checkpoints import checkpoint_files
from underhood.lab.store import TrialFolder
from underhood.lab.trial import TrialSpec
from underhood.training.settings import TrainingSettings


def before(spec: TrialSpec) -> TrialSpec | None:
    """The trial that this one goes on from; None of one that begins at its beginning."""
    settings = spec.settings
    if not isinstance(settings, TrainingSettings) or not settings.parallel.resumed:
        return None
    *earlier, devices = settings.parallel.resumed
    parallel = settings.parallel.model_copy(update={"resumed": earlier})
    same = settings.model_copy(update={"devices": devices, "parallel": parallel})
    return TrialSpec(spec.function, same, spec.seed, spec.data_fingerprint, spec.file)


def bring(spec: TrialSpec, folder: TrialFolder) -> str | None:
    """Copy what `spec` goes on from into its folder, which is new; a line on it. BadInput where there is none."""
    origin = before(spec)
    if origin is None or checkpoint_files(folder.path):
        return None
    of = TrialFolder(folder.path.parent / origin.id)
    files = checkpoint_files(of.path)
    if not files:
        raise BadInput(
            f"parallel.resumed: this run holds no checkpoint of the same trial on {_devices(origin.devices)} "
            f"(trial {origin.id}) to go on from"
        )
    for path in (*files, of.metrics_file):
        _copy(path, folder.path / path.name)
    return f"goes on from {files[-1].name} of trial {origin.id}, on {_devices(origin.devices)}"


def _copy(path: Path, to: Path) -> None:
    half = to.with_name(f".{to.name}.tmp")
    shutil.copyfile(path, half)
    half.replace(to)


def _devices(count: int) -> str:
    return f"{count} device{'s' * (count != 1)}"
