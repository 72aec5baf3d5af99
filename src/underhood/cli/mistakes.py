"""Mistakes in the words of a command line, said as everywhere: the location, what is wrong, the nearest right word."""

from collections.abc import Iterable
from string import ascii_lowercase

from cyclopts import (
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from underhood.errors import nearest


def explain(error: CycloptsError) -> str:
    """The mistake in a line, and in a second one where to read what is right."""
    command = " ".join(["underhood", *(error.command_chain or ())])
    return f"{_what(error)}\n`{command} --help` shows what there is."


def _what(error: CycloptsError) -> str:
    match error:
        case UnknownCommandError(unused_tokens=[word, *_], app=app) if app:
            kind = "option" if word.startswith("-") else "command"
            return f'unknown {kind} "{word}"; {nearest(word, _words(app, options=kind == "option"))}'
        case UnknownOptionError(token=token, argument_collection=arguments):
            word = (token.keyword or token.value).partition("=")[0]
            names = (name for argument in arguments for name in argument.names)
            return f'unknown option "{word}"; {nearest(word, _words(names, options=True))}'
        case CoercionError(token=token, argument=argument) if (
            token and argument and (choices := argument.get_choices())
        ):
            name = token.keyword or argument.name.upper()
            return f'{name}: unknown "{token.value}"; {nearest(token.value, list(choices))}'
        case MissingArgumentError(argument=argument) if argument:
            given = argument.name if argument.name.startswith("--") else argument.name.upper()
            return f"{given}: a value is missing"
        case UnusedCliTokensError(unused_tokens=[word, *_]):
            return f'"{word}": one word too many'
    return str(error)


def _words(names: Iterable[str], *, options: bool) -> list[str]:
    """The commands, or the options in full, that a user may have meant."""
    return sorted(name for name in names if name.startswith("--" if options else tuple(ascii_lowercase)))
