"""One page a study: a question, its source, its trials, its report.

A page is a module of this folder that ends in `study = Study(...)`; its name here makes it known to
`underhood run`, `studies` and `show`. A study of a user's own is such a page anywhere, run by its path.
What pages are helped by stands in packages beside them. Nothing is imported before it is asked for.
"""

import traceback
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from underhood.errors import EXTRAS, BadInput, UnderhoodError, nearest

if TYPE_CHECKING:
    from types import ModuleType

    from underhood.lab.study import Study

# In the order in which a newcomer should meet them. The page `mnist_mlp` holds the study `mnist-mlp`.
PAGES: tuple[str, ...] = (
    "quickstart",
    "mnist_mlp",
    "simple_conv_net_forward",
    "simple_conv_net_backward",
    "scalar_vs_vector",
    "gelu_descent",
    "logic_gates",
    "conv_arithmetic",
    "backprop_by_hand",
    "linear_backward",
    "simple_nn_sanity",
    "simple_nn",
    "lr_decay",
    "augmentation",
    "batch_norm",
    "swish",
    "learning_rate",
    "l2_strength",
    "l1_vs_l2",
    "nesterov",
    "batch_size_vs_epochs",
    "layer_profile",
    "alexnet_parameters",
    "vgg19_table",
    "receptive_field",
    "inception",
    "cutout",
    "erasing",
    "region_proposals",
    "concept_claims",
    "two_back_ends",
    "data_parallel",
    "cifar10_cnn",
    "resnet20",
    "cifar100_edge",
    "adaptive_optimizers",
    "batch_augmentation",
)
# What studies were once called (their `formerly`): runs stored under these names are theirs.
RENAMED = {"speed-net": "cifar10-cnn"}


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
    word = RENAMED.get(word, word)
    if word not in names():
        raise BadInput(f'unknown study "{word}"; {nearest(word, names())}{_file_hint(word)}')
    study: Study = import_module(f"{__name__}.{word.replace('-', '_')}").ENTRY
    return study


def _file_hint(word: str) -> str:
    file = Path(f"{word}.py")
    return f"\nThere is a file {file} here: `underhood run {file}` runs the study in it." if file.is_file() else ""


def every() -> "list[Study]":
    """All studies that ship, in the order of PAGES."""
    return [find(name) for name in names()]


def in_file(path: Path, name: str = "") -> "Study":
    """The study in a user's file: the one called `name`, or the only one there is."""
    found = _studies_of(_loaded(path.expanduser()))
    if name and name not in found:
        raise BadInput(f'{path}: no study "{name}"; {nearest(name, list(found))}')
    if name:
        return found[name]
    if not found:
        raise BadInput(f"{path}: holds no study; it should end in `study = Study(...)`.")
    if len(found) > 1:
        raise BadInput(f"{path}: holds {len(found)} studies; name one: " + ", ".join(f"{path}:{n}" for n in found))
    return next(iter(found.values()))


def _loaded(path: Path) -> "ModuleType":
    """The module of a user's file; what goes wrong in it is said with its line."""
    from underhood.lab.trial import load_file

    try:
        return load_file(path)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in EXTRAS:
            raise
        raise BadInput(f"{path}:{line_in(error, path)}: {error}") from error
    except UnderhoodError:
        raise
    except SyntaxError as error:
        raise BadInput(f"{error.filename}:{error.lineno}: {error.msg}") from error
    except Exception as error:
        raise BadInput(f"{path}:{line_in(error, path)}: {type(error).__name__}: {error}") from error


def line_in(error: Exception, path: Path) -> int:
    """The last line of a file that an error came through; 0 when it didn't."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno or 0 for frame in frames if Path(frame.filename) == path.resolve()]
    return lines[-1] if lines else 0


def _studies_of(module: "ModuleType") -> "dict[str, Study]":
    """The studies that a module holds, by their names, each once."""
    from underhood.lab.study import Study

    return {value.name: value for value in vars(module).values() if isinstance(value, Study)}
