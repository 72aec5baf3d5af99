"""What goes wrong, said so that a person can mend it.

Every error that a user can cause is one of these. The command line prints its message alone, without a
traceback (``--debug`` shows it), and exits with its code.
"""

import errno
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple


class UnderhoodError(Exception):
    """Base of all errors that underhood raises on purpose."""

    exit_code = 1


class BadInput(UnderhoodError, ValueError):
    """The user's words, settings, data or files are wrong: name the location and the nearest right value."""

    exit_code = 2


class MissingPiece(UnderhoodError):
    """The environment lacks something: an extra, a device, disk space. Say the line to type."""

    exit_code = 3


def nearest(word: str, choices: list[str]) -> str:
    """`did you mean "adam" or "adamw"?`, or the list of what there is when nothing is near."""
    close = get_close_matches(word, choices, n=2, cutoff=0.6)
    if close:
        return "did you mean " + " or ".join(f'"{c}"' for c in close) + "?"
    return "there is " + ", ".join(choices)


FULL = (errno.ENOSPC, errno.EDQUOT)
NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS)


def disk_error(error: OSError, path: Path | str = "") -> UnderhoodError | None:
    """What to say of a disk that is full or not ours to write, of a file where a folder should be; None of all else.

    `path` is said where the error names none, as one of a file that is open does.
    """
    where = f"{error.filename or path or 'a file'}: {error.strerror}"
    if error.errno in FULL:
        return MissingPiece(f"{where}. Make room; what is finished is kept, and the same command goes on")
    if error.errno in NOT_OURS:
        return MissingPiece(f"{where}. Name a folder that is yours to write, or change this one's rights")
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP):
        return BadInput(f"{where}. Name another path")
    return None


class Extra(NamedTuple):
    """What can be had in addition: `pip install 'underhood[name]'`."""

    name: str
    brings: str
    distribution: str


# By the module that an extra brings.
EXTRAS = {
    "torch": Extra("torch", "PyTorch", "torch"),
    "typst": Extra("pdf", "Typst", "typst"),
    "PIL": Extra("images", "Pillow", "pillow"),
    "ray": Extra("ray", "Ray", "ray"),
    "starlette": Extra("view", "Starlette and uvicorn", "starlette"),
    "mlflow": Extra("mlflow", "MLflow's client", "mlflow-skinny"),
}


def missing_extra(module: str, what: str = "This") -> MissingPiece:
    """The error for a module of EXTRAS that isn't installed: what wants it, and the line to type."""
    extra = EXTRAS[module]
    return MissingPiece(f"{what} needs {extra.brings}: pip install 'underhood[{extra.name}]'")
