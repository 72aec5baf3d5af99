"""A trial that comes to a machine which did not plan it: are code and data here what they were there?

The package is installed on either; a user's own files come with the trial, and stand here in a folder of their own,
in which a path that was relative leads to the same file.
"""

import platform
from collections.abc import Mapping
from pathlib import Path

from underhood.errors import BadInput
from underhood.lab.code import PACKAGE, code_fingerprint, files_behind
from underhood.lab.trial import TrialSpec


def files_with(spec: TrialSpec) -> dict[str, bytes]:
    """The user's own files behind a trial, by their paths: what has to come with it."""
    return {str(path): path.read_bytes() for path in files_behind(spec) if not path.is_relative_to(PACKAGE)}


def put_files(files: Mapping[str, bytes], root: Path) -> None:
    """Write the files that came below `root`, each at its own path."""
    for name, content in files.items():
        path = root.joinpath(*Path(name).parts[1:])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def check(spec: TrialSpec, code: str, data_set: str | None, data: Path | None) -> None:
    """BadInput where this machine has other code or other data than the trial was planned with."""
    host = platform.node()
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
