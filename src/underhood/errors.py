"""What goes wrong, said so that a person can mend it.

Every error that a user can cause is one of these. The command line prints its message alone, without a
traceback (``--debug`` shows it), and exits with its code.
"""

from difflib import get_close_matches


class UnderhoodError(Exception):
    """Base of all errors that underhood raises on purpose."""

    exit_code = 1


class BadInput(UnderhoodError, ValueError):
    """The user's words, settings, data or files are wrong: name the place and the nearest right value."""

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


# What an extra brings: the module, and how to ask for it.
EXTRAS = {"torch": "torch", "ray": "ray", "mlflow": "mlflow", "typst": "pdf"}


def missing_extra(module: str, what: str = "this") -> MissingPiece | None:
    """The error for a module that comes with an extra, with the line to type; None for any other module."""
    module = module.partition(".")[0]
    if module not in EXTRAS:
        return None
    return MissingPiece(
        f"{what} needs {module}, which is not installed.\n    pip install 'underhood[{EXTRAS[module]}]'"
    )
