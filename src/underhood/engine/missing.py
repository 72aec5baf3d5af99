"""What PyTorch has and the engine lacks: refused by name, with the nearest thing that there is.

    underhood.nn.Conv3d  →  AttributeError: underhood.nn has no Conv3d, which torch.nn has; the nearest is Conv2d. …

PyTorch's public names are kept in `torch_names.json`, for PyTorch is not imported here; `make docs` writes that list
and, from it, the page of differences.
"""

import json
import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from underhood.engine.tensor import Tensor

FILE = Path(__file__).with_name("torch_names.json")
PAGE = "docs/differences.md"

# Where the nearest thing is not the one that is spelt most alike.
NEAREST = {
    "ASGD": "optim.SGD with averaged weights",
    "Adafactor": "optim.Adam",
    "AlphaDropout": "nn.Dropout",
    "CTCLoss": "nn.CrossEntropyLoss",
    "CyclicLR": "optim.lr_scheduler.OneCycleLR",
    "DistributedSampler": "utils.data.RandomSampler",
    "EmbeddingBag": "nn.Embedding and a sum",
    "Function": "a page of the engine with its gradient, see CONTRIBUTING.md",
    "LPPool2d": "nn.AvgPool2d",
    "LazyConv2d": "nn.Conv2d",
    "LazyLinear": "nn.Linear",
    "Muon": "optim.SGD with momentum",
    "RReLU": "nn.LeakyReLU",
    "Rprop": "optim.RMSprop",
    "SparseAdam": "optim.Adam",
    "SyncBatchNorm": "nn.BatchNorm2d",
    "bfloat16": "float32",
    "cfloat": "float32",
    "complex128": "float64",
    "complex64": "float32",
    "distributed": "PyTorch's back end: underhood run --backend torch",
    "fft": "numpy.fft on x.numpy()",
    "float16": "float32",
    "func": "autograd.grad",
    "half": "float",
    "jit": "plan",
    "linalg": "numpy.linalg on x.numpy()",
    "load_state_dict_from_url": "load",
    "pack_padded_sequence": "padded sequences and a mask",
    "sparse": "dense tensors",
    "vmap": "a batch axis",
}


@cache
def torch_names() -> dict[str, frozenset[str]]:
    """PyTorch's public names by module, and those of its Tensor."""
    return {module: frozenset(names) for module, names in json.loads(FILE.read_text(encoding="utf-8")).items()}


def nearest(name: str, offered: Iterable[str]) -> str:
    """What comes nearest among `offered`, empty if nothing does."""
    found = get_close_matches(name, [x for x in offered if not x.startswith("_")], 1, 0.7)
    return NEAREST.get(name) or (found[0] if found else "")


def refusal(module: str, name: str, offered: Iterable[str]) -> AttributeError:
    """The error for a name that `module` lacks; `offered` are those that it has."""
    reference = module.replace("underhood", "torch", 1)
    if name not in torch_names().get(reference, ()):
        return AttributeError(f"module {module!r} has no attribute {name!r}")
    near = nearest(name, offered)
    instead = f"the nearest is {near}" if near else "nothing is near it"
    return AttributeError(f"{module} has no {name}, which {reference} has; {instead}. {PAGE} lists what is missing")


def lacking(module: str, public: str = "") -> Callable[[str], Any]:
    """A module's `__getattr__`: every name that it does not have is refused; users know it as `public`."""

    def refuse(name: str) -> Any:
        raise refusal(public or module, name, vars(sys.modules[module]))

    return refuse


def _no_method(self: Tensor, name: str) -> Any:
    if name.startswith("_") or name not in torch_names()["torch.Tensor"]:
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
    near = nearest(name, dir(Tensor))
    instead = f"the nearest is {near}" if near else "nothing is near it"
    raise AttributeError(
        f"underhood.Tensor has no {name}, which torch.Tensor has; {instead}. {PAGE} lists what is missing"
    )


setattr(Tensor, "__getattr__", _no_method)  # noqa: B010 - the type checker has one of its own
