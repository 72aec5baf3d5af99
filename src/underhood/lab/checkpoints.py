"""A trial's checkpoints: all it needs to go on, in one safetensors file and one rename.

    checkpoint-00000003.safetensors
        tensors    the trial's arrays by name
        metadata   {"underhood": {"schema", "state", "metrics_bytes", "digest"}}, JSON

`metrics_bytes` is how long metrics.jsonl was when the checkpoint was taken: going on from it cuts the file
back to there, so that no step stands in it twice. `digest` is of all that is saved: safetensors checks a file's
shape, not its content. The last two are kept; when the last one is damaged the one before takes its place.

Where the disk has no room for another one, NoRoomError says so before a byte is written, and those there are stay.
"""

import errno
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from underhood.digest import digest
from underhood.lab.files import SCHEMA, NewerStoreError, check_schema, number_back, plain, replace
from underhood.trials import Checkpoint

KEPT = 2
SPARE = 16 << 20  # bytes that are left for what else a trial writes


class DamagedError(ValueError):
    """A checkpoint that can't be gone on from; the message says why."""


class NoRoomError(Exception):
    """There is no room for a checkpoint; the message says how much there is."""


@dataclass(frozen=True)
class Saved:
    """A checkpoint as it was read back."""

    checkpoint: Checkpoint
    number: int
    metrics_bytes: int


def checkpoint_files(folder: Path) -> list[Path]:
    """The checkpoints in a trial's folder, oldest first."""
    return sorted(folder.glob("checkpoint-*.safetensors"))


def save(folder: Path, checkpoint: Checkpoint, metrics_bytes: int) -> Path:
    """Write the next checkpoint, then drop all but the last two; NoRoomError leaves them as they are."""
    from safetensors.numpy import save as to_bytes

    _check_room(folder, sum(np.asarray(array).nbytes for array in checkpoint.tensors.values()))
    files = checkpoint_files(folder)
    number = _number(files[-1]) + 1 if files else 1
    # safetensors writes memory as it lies: rows first, and no byte order but the machine's little end
    tensors = {name: np.asarray(array, order="C") for name, array in checkpoint.tensors.items()}
    header = {"schema": SCHEMA, "state": plain(checkpoint.state), "metrics_bytes": metrics_bytes}
    header["digest"] = digest(header, tensors)
    path = folder / f"checkpoint-{number:08d}.safetensors"
    try:
        replace(path, to_bytes(tensors, metadata={"underhood": json.dumps(header)}))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoRoomError(f"{folder}: {error.strerror}") from error
        raise
    for old in files[: len(files) + 1 - KEPT]:
        old.unlink()
    return path


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE:
        raise NoRoomError(
            f"{folder}: {free / 1e6:,.0f} MB free; a checkpoint takes {needed / 1e6:,.1f} MB, "
            f"and {SPARE / 1e6:,.0f} MB stay free"
        )


def read(path: Path) -> Saved:
    """A checkpoint from its file, checked to the last bit; DamagedError when it isn't whole."""
    from safetensors import safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})["underhood"])
            check_schema(header["schema"], path)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        if header.pop("digest") != digest(header, tensors):
            raise DamagedError("its content is not what was written")
        state, metrics_bytes = number_back(header["state"]), header["metrics_bytes"]
    except (NewerStoreError, DamagedError):
        raise  # nothing is wrong with it, or what is wrong is said
    except KeyError as error:
        raise DamagedError(f"it has no {error}") from error
    except Exception as error:  # a damaged file may fail in any way
        raise DamagedError(str(error)[:200] or type(error).__name__) from error
    return Saved(Checkpoint(tensors, state), _number(path), metrics_bytes)


def latest(folder: Path, metrics_length: int) -> tuple[Saved | None, list[str]]:
    """The newest checkpoint that is whole and fits the metrics there are, and a line on each that isn't.

    Those are removed, so that the next checkpoint's number follows the one gone on from.
    """
    notes: list[str] = []
    for path in reversed(checkpoint_files(folder)):
        try:
            saved = read(path)
            if saved.metrics_bytes <= metrics_length:
                return saved, notes
            reason = f"metrics.jsonl lost lines since ({metrics_length} of {saved.metrics_bytes} bytes)"
        except DamagedError as error:
            reason = str(error)
        notes.append(f"{path.name} is damaged: {reason}; going on from what was before it")
        path.unlink()
    return None, notes


def _number(path: Path) -> int:
    return int(path.stem.removeprefix("checkpoint-"))
