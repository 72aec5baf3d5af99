"""A trial that comes to a machine which did not plan it: what comes with it, and are code and data here what they were
there?

The package is installed on either. The file of a user's own study comes with the trial, and stands here in a folder of
its own, in which a path that was relative leads to the same file. A network's file comes as the run keeps it.
"""

import os
import platform
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from underhood.errors import BadInput
from underhood.lab import own_networks, resuming
from underhood.lab.code import PACKAGE, code_fingerprint, files_behind
from underhood.lab.executors.mirror import files_of
from underhood.lab.store import TrialFolder
from underhood.lab.trial import TrialSpec

if TYPE_CHECKING:
    from underhood.lab.worker import Task


def files_with(spec: TrialSpec) -> dict[str, bytes]:
    """The user's own files that a trial's function needs, by their paths."""
    return {str(path): path.read_bytes() for path in files_behind(spec) if not path.is_relative_to(PACKAGE)}


def left_for(spec: TrialSpec, folder: TrialFolder) -> dict[str, bytes]:
    """What the run's folder has for a trial: what it left itself, what it goes on from, its network's file."""
    run = folder.path.parents[1]
    paths = [path for name, path in files_of(folder.path) if not name.startswith("artefacts/")]
    if (origin := resuming.before(spec)) is not None:
        paths += [path for name, path in files_of(folder.path.parent / origin.id) if not name.startswith("artefacts/")]
    paths += own_networks.kept_in(run, spec)
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in paths}


def put_files(files: Mapping[str, bytes], root: Path) -> None:
    """Write the files that came below `root`, each at its own path."""
    for name, content in files.items():
        path = root.joinpath(*Path(name).parts[1:])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def settled(task: "Task", files: Mapping[str, bytes], left: Mapping[str, bytes], folder: str, home: Path) -> "Task":
    """The task as it stands on this machine, in a folder `home` as the run's: `left` at its paths there, the user's
    own files below `files`, and the working folder where `folder`, that of the command, would be among them.
    """
    own, below = home / "trials" / task.trial, home / "files"
    own.mkdir(parents=True, exist_ok=True)
    put_files(files, below)
    for name, content in left.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    at = below.joinpath(*Path(folder).parts[1:])
    at.mkdir(parents=True, exist_ok=True)
    os.chdir(at)  # for the worker, so that a relative path leads to the same file
    data = task.data if task.data is not None and task.data.is_dir() else None  # else this machine's own
    return replace(task, folder=own, files=below, data=data)


def check(spec: TrialSpec, code: str, data_set: str | None, data: Path | None) -> None:
    """BadInput where this machine has other code or other data than the trial was planned with."""
    host = platform.node()
    try:
        own_networks.find(spec)
    except BadInput as error:
        raise BadInput(f"{host}: {error}") from error
    found = code_fingerprint(spec)
    if found != code:
        raise BadInput(
            f"{host}: the code behind the trial is not the coordinator's (fingerprint {found}, there {code}); "
            "install the same version of underhood, and of Python, on both"
        )
    if data_set is None or spec.data_fingerprint is None:
        return
    from underhood.data import fingerprint

    try:
        content = str(fingerprint(data_set, data))
    except BadInput as error:
        raise BadInput(f"{host}: {error}") from error
    if content != spec.data_fingerprint:
        raise BadInput(
            f"{host}: {data_set} holds other data than the coordinator's (fingerprint {content[:12]}, there "
            f"{spec.data_fingerprint[:12]})"
        )
