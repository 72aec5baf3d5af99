"""`underhood new`: a commented start for a study or a network of one's own, which runs as it stands."""

import keyword
import re
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from underhood.cli.output import say
from underhood.errors import BadInput, MissingPiece

new = App(
    name="new",
    help="""\
Begin a study or a network of your own: a commented file that runs as it stands.

For example:

    underhood new study my-rates
    underhood new network small-net""",
)

STUDY = '''\
"""{title}: which optimiser teaches the network best?

    underhood show {file}                  all there is to set
    underhood run {file} --scale smoke     does it run? A few seconds
    underhood run {file}                   the answer, over several seeds
"""

from underhood.lab import Scale, Study

study = Study(
    name="{name}",
    title="{title}",
    question="Which optimiser teaches the network best?",
    # What all trials have in common; --set changes any of it.
    base={{
        "data": {{"name": "digits", "validation": 0.2}},  # or your own: "shapes.npz", "photos/"
        "network": {{"name": "mlp", "hidden": [32]}},  # or your own: "nets.py:Small"
        "batch_size": 32,
        "epochs": 10,
    }},
    # What is compared: the product of the axes, each point with every seed.
    axes={{"optimizer": [{{"name": "sgd", "lr": 0.3}}, {{"name": "adam", "lr": 0.01}}]}},
    scales={{
        "smoke": Scale("2 epochs, 1 seed", seeds=1, set={{"epochs": 2}}, time="5 s"),
        "quick": Scale("10 epochs, 3 seeds", seeds=3, time="15 s"),
    }},
    # The report is the standard one: a leaderboard, curves, every number with its interval.
    # To write it yourself: report=a function of the results that returns a Document.
)
'''

NETWORK = '''\
"""{title}, a network of one's own.

    underhood cost {file}:{function} --input 1,1,8,8
    underhood check {file}:{function} --input 1,1,8,8
    underhood run quickstart --set network={file}:{function} --set network.width=32
"""


def {function}(nn, channels: int = 1, classes: int = 10, width: int = 16):
    """x: (N, channels, H, W) → logits: (N, classes).

    `nn` is underhood.nn or torch.nn: a function of it trains on both back ends. Channels and classes are what the data
    have; any other argument is a setting, network.width here.
    """
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),  # (N, width, H, W)
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, width, H/2, W/2)
        nn.Conv2d(width, 2 * width, 3, padding=1),  # (N, 2·width, H/2, W/2)
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),  # (N, 2·width, 2, 2), whatever the images' size
        nn.Flatten(),
        nn.Linear(2 * width * 4, classes),
    )


# A torch.nn.Module trains as well, on the torch back end alone:
#
#     class Network(torch.nn.Module):
#         def __init__(self, channels, classes, width=16): …
#         def forward(self, x): …                              # returns the logits and nothing else
#
#     underhood run quickstart --set network={file}:Network --backend torch
'''


@new.command
def study(name: Annotated[str, Parameter(help="Its name: letters, digits, hyphens.")], /) -> None:
    """Write NAME.py, a study that compares two optimisers on scanned digits; change what you want to know.

    For example:

        underhood new study my-rates
        underhood run my_rates.py --scale smoke
    """
    stem = _stem(name)
    file = _write(stem, STUDY.format(name=name, title=_title(name), file=f"{stem}.py"))
    say(f"written: {file}\nunderhood run {file} --scale smoke")


@new.command
def network(name: Annotated[str, Parameter(help="Its name: letters, digits, hyphens.")], /) -> None:
    """Write NAME.py, a small convolutional network for any study that trains.

    For example:

        underhood new network small-net
        underhood run quickstart --set network=small_net.py:small_net
    """
    stem = _stem(name)
    file = _write(stem, NETWORK.format(title=_title(name), file=f"{stem}.py", function=stem))
    say(f"written: {file}\nunderhood run quickstart --scale smoke --set network={file}:{stem}")


def _stem(name: str) -> str:
    """The name as a module's. Raises BadInput for one that is none, or that hides another module."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,59}", name):
        raise BadInput(f'new: "{name}" is no name; letters, digits and hyphens make one, as my-study')
    stem = name.replace("-", "_")
    if keyword.iskeyword(stem) or stem in {*sys.stdlib_module_names, "numpy", "torch", "underhood"}:
        raise BadInput(f'new: "{name}" is Python\'s word, or a module that {stem}.py would hide; as my-{name}')
    return stem


def _title(name: str) -> str:
    words = name.replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _write(stem: str, text: str) -> Path:
    file = Path(f"{stem}.py")
    try:
        with file.open("x", encoding="utf-8") as new_file:
            new_file.write(text)
    except FileExistsError:
        raise BadInput(f"{file}: is there already; choose another name, or remove it") from None
    except OSError as error:
        raise MissingPiece(f"{file.absolute()}: cannot be written: {error.strerror}") from error
    return file
