"""One page a study: a question, its source, its trials, its report.

A page is a module of this folder that ends in `study = Study(...)`; its name here makes it known to
`underhood run`, `studies` and `show`. A study of a user's own is such a page anywhere, run by its path.
Nothing is imported before it is asked for.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from underhood.errors import BadInput, nearest

if TYPE_CHECKING:
    from types import ModuleType

    from underhood.lab.study import Study

# In the order in which a newcomer should meet them. The page `mnist_mlp` holds the study `mnist-mlp`.
PAGES: tuple[str, ...] = (
    "quickstart",
    "mnist_mlp",
    "simple_conv_net_forward",
    "simple_conv_net_backward",
    "gelu_descent",
    "simple_nn_sanity",
    "layer_profile",
    "alexnet_parameters",
    "vgg19_table",
    "receptive_field",
    "inception",
    "cutout",
)


def names() -> list[str]:
    """The names of the studies that ship."""
    return [page.replace("_", "-") for page in PAGES]


def find(word: str) -> "Study":
    """The study of that name, or the one in the user's file `my_study.py` (`my_study.py:name` of several).

    Raises BadInput with the nearest right word.
    """
    path, _, name = word.partition(".py:")
    if name or word.endswith(".py"):
        return in_file(Path(path if not name else f"{path}.py"), name)
    if word not in names():
        raise BadInput(f'unknown study "{word}"; {nearest(word, names())}{_file_hint(word)}')
    study: Study = import_module(f"{__name__}.{word.replace('-', '_')}").study
    return study


def _file_hint(word: str) -> str:
    file = Path(f"{word}.py")
    return f"\nThere is a file {file} here: `underhood run {file}` runs the study in it." if file.is_file() else ""


def every() -> "list[Study]":
    """All studies that ship, in the order of PAGES."""
    return [find(name) for name in names()]


def in_file(path: Path, name: str = "") -> "Study":
    """The study in a user's file: the one called `name`, or the only one there is."""
    from underhood.lab.trial import load_file

    found = _studies_of(load_file(path.expanduser()))
    if name and name not in found:
        raise BadInput(f'{path}: no study "{name}"; {nearest(name, list(found))}')
    if name:
        return found[name]
    if not found:
        raise BadInput(f"{path}: holds no study; it should end in `study = Study(...)`.")
    if len(found) > 1:
        raise BadInput(f"{path}: holds {len(found)} studies; name one: " + ", ".join(f"{path}:{n}" for n in found))
    return next(iter(found.values()))


def _studies_of(module: "ModuleType") -> "dict[str, Study]":
    """The studies that a module holds, by their names, each once."""
    from underhood.lab.study import Study

    return {value.name: value for value in vars(module).values() if isinstance(value, Study)}
