"""The network that settings name: an entry of `networks`, or one of the user's own in a Python file.

    network = "nets.py:Small"                           a torch.nn.Module, on the torch back end
                                                        a function of `nn`, on both: def Small(nn, classes): …
    network = {name = "nets.py:Small", width = 64}      with arguments; inputs, channels and classes the data give

The settings keep the file's name, where it lies, and the SHA-256 of it and of what it imports from beside it
(python_files.py). The hash is part of what the trial is, so a changed file is another trial; where it lies is not. A
copy stands with the run and with each trained network: it is taken where the file has changed since, or is gone.
"""

import inspect
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import underhood.python_files as python_files
from underhood.errors import BadInput
from underhood.instruments.target import Maker, is_file, is_place, locate, maker, place
from underhood.networks import NETWORKS
from underhood.python_files import Neighbours
from underhood.settings import DIGESTS, LOCATED

(FILE,), (DIGEST,) = LOCATED, DIGESTS  # of a network in a file: where it lies, what it holds
COPY = "network"  # the folder beside a trained network that its file is copied to


def found(name: str) -> dict[str, str] | None:
    """The settings of the network in a file that `name` means; None where it is no text of that form.

    BadInput where the file or the network in it is not there, or several are meant.
    """
    if name in NETWORKS or not is_place(name):
        return None
    location, attribute = place(name)
    if not is_file(str(Path(location).expanduser())):
        if find_spec(location.partition(".")[0]) is None:
            raise BadInput(f"{location}: there is no such file")
        raise BadInput(
            f"{name}: a trial's network stands in a file, which is kept with it; of a package, write a file with\n"
            f"  from {location} import {attribute or 'Network'}"
        )
    path = Path(location).expanduser().resolve()
    if not path.is_file():
        raise BadInput(f"{location}: there is no such file")
    digest = python_files.fingerprint(path)
    made = _loaded(path, digest, attribute)
    return {"name": made.name, FILE: str(path), DIGEST: digest}


def maker_of(network: Mapping[str, Any], beside: Path | None = None) -> Maker:
    """What makes the network of some settings, nested as they are stored.

    One in a file is taken from there if it is as it was, else from the copy in the folder `beside`. BadInput where
    neither is what the settings say.
    """
    name = str(network["name"])
    if DIGEST not in network:
        return Maker(name, NETWORKS[name].build, pages=True)
    path = where(network, beside)
    return _loaded(path, network[DIGEST], place(name)[1])


_kept: list[Path] = []  # the folder with what a run keeps of its networks, while one of its trials runs here


def kept(folder: Path, digest: str) -> Path:
    """Where a run keeps the network's file of this hash."""
    return folder / digest[:12]


def look_in(folder: Path) -> None:
    """Take networks' files from this folder from now on, as `kept` there, where they are not as they were."""
    _kept[:] = [folder]


def where(network: Mapping[str, Any], beside: Path | None = None) -> Path:
    """The file of a network as its settings know it: its own, or the copy."""
    own = Path(network[FILE])
    folders = [own.parent, *([beside] if beside else ()), *(kept(folder, network[DIGEST]) for folder in _kept)]
    for folder in folders:
        if is_as_it_was(folder / own.name, network[DIGEST]):
            return folder / own.name
    where = "" if beside is None else f", and no copy of it as it was lies in {beside}"
    raise BadInput(f"{own}: {_fate(own)}; {network['name']} cannot be built as it was trained{where}")


def changed(network: Mapping[str, Any]) -> str:
    """What has become of a network's file since it was trained; "" where it is as it was."""
    if DIGEST not in network or is_as_it_was(Path(network[FILE]), network[DIGEST]):
        return ""
    return f"{network[FILE]} {_fate(Path(network[FILE]))}; the copy kept with the trial is used"


def _fate(path: Path) -> str:
    return "has changed since" if path.is_file() else "is not there any more"


def is_as_it_was(path: Path, digest: str) -> bool:
    """Whether a file, with what it imports from beside it, holds what has this hash."""
    return path.is_file() and python_files.fingerprint(path) == digest


def known(network: Mapping[str, Any]) -> Maker | None:
    """What makes the network in a file that is as it was; None where it is not, or the network is an entry."""
    if DIGEST not in network:
        return None
    try:
        where(network)
    except BadInput:
        return None
    return maker_of(network)


@cache
def _loaded(path: Path, digest: str, attribute: str) -> Maker:
    """The class or function of a file whose content is known: loaded once, with what lies beside it."""
    neighbours = Neighbours(path)
    thing, name, _ = locate(f"{path}:{attribute}" if attribute else str(path), neighbours)
    made = maker(thing, f"{path.name}:{place(name)[1]}")

    def make(*given: Any, **arguments: Any) -> Any:
        with neighbours.importable():
            return thing(*given, **arguments)

    make.__signature__ = _signature(thing)  # type: ignore[attr-defined]
    return Maker(made.name, make, made.pages)


def _signature(thing: Any) -> inspect.Signature:
    """The signature; of a callable that has none, that of anything."""
    try:
        return inspect.signature(thing)
    except (TypeError, ValueError):
        return inspect.signature(lambda **arguments: None)


# ----------------------------------------------------------------------------------------------------
# Tried before anything starts


def check(made: Maker, arguments: Mapping[str, Any], back: Any, images: Mapping[str, Any]) -> str:
    """Build the network once and ask it for the logits of black images, as a training would. BadInput says why not.

    What can be trained, but hardly is what was meant, is said in a line; "" where there is nothing to say.

    `images` tells their `shape` (C, H, W), how many `classes` there are, and how many images the smallest batch of
    training holds: `least`, and `how` that comes.
    """
    shape, classes, least = images["shape"], images["classes"], images["least"]
    with redirect_stdout(sys.stderr):
        net = back.prepare(built(made, arguments, back, shape))
        for count, training in ((2, False), (min(least, 2), True)):
            net.train(training)
            logits = _asked(made, net, back, (count, *shape), images if training and least == 1 else None)
            _check_logits(made.name, logits, count, classes)
    if not logits.requires_grad:
        raise BadInput(
            f"{made.name}: no weight of it can be trained: no gradient leads back from its logits (all behind no_grad "
            "or detach, or requires_grad=False?)"
        )
    return _remark(made.name, back.array(logits.detach()))


def _remark(name: str, logits: np.ndarray) -> str:
    if (logits >= 0).all() and np.allclose(logits.sum(1), 1, atol=1e-3):
        return (
            f"{name}: what it gives looks like probabilities, at least 0 with a sum of 1: a training's loss applies "
            "softmax itself, and here a second time; leave the network's own out"
        )
    return ""


def _asked(made: Maker, net: Any, back: Any, shape: tuple[int, ...], alone: Mapping[str, Any] | None) -> Any:
    from underhood.engine import form

    try:
        with form("vector"):  # compiles nothing
            return net(back.tensor(np.zeros(shape, np.float32)))
    except Exception as error:
        if alone is not None:
            raise BadInput(
                f"{made.name}: cannot train on one image alone, as the last batch of an epoch holds "
                f"({alone['how']}): {_gist(error)}; choose another batch_size"
            ) from error
        raise BadInput(
            f"{made.name}: a training hands it images {_size(shape)} and nothing else; {_gist(error)}"
        ) from error


def _check_logits(name: str, logits: Any, count: int, classes: int) -> None:
    wanted = f"a training needs the logits alone, {_size((count, classes))} for {count} images of {classes} classes"
    if not hasattr(logits, "shape"):
        what = f"a {type(logits).__name__}" + (f" of {len(logits)}" if isinstance(logits, tuple | list | dict) else "")
        raise BadInput(f"{name}: gives {what}; {wanted}")
    if tuple(logits.shape) != (count, classes):
        hint = "" if len(logits.shape) != 2 else "; an argument called `classes` is given their number"
        raise BadInput(f"{name}: gives {_size(logits.shape)}; {wanted}{hint}")


def built(made: Maker, arguments: Mapping[str, Any], back: Any, shape: tuple[int, ...]) -> Any:
    """The network from its maker, a module of the back end, its Lazy layers given their shapes by one image."""
    try:
        net = made(back.nn, **arguments)
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(f"{made.name} could not be built on {back.name}: {_gist(error)}") from error
    if not isinstance(net, back.nn.Module):
        library = back.nn.__name__.removeprefix("underhood.engine.") if back.name == "underhood" else "torch.nn"
        raise BadInput(f"{made.name} gave a {type(net).__name__}, not a module of {back.name}'s {library}")
    if back.name == "torch":
        _give_shapes(made, net, shape)
    return net


def _give_shapes(made: Maker, net: Any, shape: tuple[int, ...]) -> None:
    """PyTorch's Lazy layers learn their shapes from what they see first."""
    import torch

    if not any(torch.nn.parameter.is_lazy(each) for each in (*net.parameters(), *net.buffers())):
        return
    training = net.training
    try:
        with torch.no_grad():
            net.eval()(torch.zeros(1, *shape))
    except Exception as error:
        raise BadInput(f"{made.name}: cannot take images {_size((1, *shape))}: {_gist(error)}") from error
    net.train(training)


def _size(shape: Any) -> str:
    return f"({', '.join(map(str, shape))})"


def _gist(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
