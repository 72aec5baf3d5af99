"""A nest of dictionaries and lists with tensors in it as numbered arrays and one JSON text, and back.

    {"w": tensor, "step": 3, "betas": (0.9, 0.999)}
    ↔  {"0": array}  and  {"dict": [["w", {"tensor": 0}], ["step", 3], ["betas", {"tuple": [0.9, 0.999]}]]}

JSON's own values stand for themselves; everything else is an object of one key that says what it is. Keys are kept in
order, and may be strings, whole numbers or other plain values. A tensor met twice is one tensor again; views of one
memory become memories of their own.
"""

import json
import math
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from underhood.engine.device import device
from underhood.engine.dtypes import DTYPES
from underhood.engine.nn.module import Parameter
from underhood.engine.tensor import Size, Tensor
from underhood.errors import BadInput

STRUCTURE = "underhood.structure"  # the header's key
MAPPINGS: dict[str, Any] = {"dict": dict, "OrderedDict": OrderedDict, "Counter": Counter}
LISTS: dict[str, Any] = {"list": list, "tuple": tuple, "Size": Size, "set": set, "frozenset": frozenset}


def pack(obj: Any) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays by number, and the header."""
    packing = Packing()
    text = json.dumps(packing.value(obj, ""), allow_nan=False)
    return packing.arrays, {STRUCTURE: text}


class Packing:
    """What has been packed so far."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.known: dict[int, str] = {}
        self.open: list[int] = []  # the containers that we are in
        self.kept: list[Any] = []  # so that no id is given twice

    def value(self, x: Any, path: str) -> Any:
        """`x` as JSON; `path` is where it stands, for errors."""
        if x is None or isinstance(x, bool | str):
            return x
        if type(x) is int:
            return x
        if type(x) is float:
            return x if math.isfinite(x) else {"float": repr(x)}
        if isinstance(x, bytes):
            return {"bytes": x.hex()}
        if isinstance(x, np.generic | np.ndarray) or hasattr(x, "detach"):
            return self.tensor(x, path)
        if isinstance(x, np.dtype):
            return {"dtype": str(x)}
        if isinstance(x, device):
            return {"device": str(x)}
        name = type(x).__name__
        if type(x) in MAPPINGS.values() or type(x) in LISTS.values():
            return {name: self.inside(x, path)}
        raise BadInput(f"save: {path or 'the object'} is a {name}, which load could not give back{_advice(x)}")

    def inside(self, x: Any, path: str) -> list[Any]:
        if id(x) in self.open:
            raise BadInput(f"save: {path or 'the object'} contains itself")
        self.open.append(id(x))
        if isinstance(x, dict):
            found = [[self.key(k, path), self.value(v, f"{path}[{k!r}]")] for k, v in x.items()]
        else:
            found = [self.value(v, f"{path}[{i}]") for i, v in enumerate(x)]
        self.open.pop()
        return found

    def key(self, k: Any, path: str) -> Any:
        if not isinstance(k, str | int | float | bool | tuple | None):
            raise BadInput(f"save: {path or 'the object'} has a key of type {type(k).__name__}: {k!r}")
        return self.value(k, f"{path}[{k!r}]")

    def tensor(self, x: Any, path: str) -> dict[str, Any]:
        if id(x) not in self.known:
            array = np.asarray(x.detach().cpu().numpy() if hasattr(x, "detach") else x)
            if array.dtype not in DTYPES:
                raise BadInput(f"save: {path or 'the object'} has numbers of {array.dtype}; there is {_dtypes()}")
            self.known[id(x)] = str(len(self.arrays))
            self.kept.append(x)
            self.arrays[self.known[id(x)]] = np.array(array, order="C")
        kind = "array" if isinstance(x, np.ndarray) else "scalar" if isinstance(x, np.generic) else "tensor"
        if isinstance(x, Parameter) or type(x).__name__ == "Parameter":
            kind = "parameter"
        said: dict[str, Any] = {kind: self.known[id(x)]}
        if getattr(x, "requires_grad", False) and kind == "tensor":
            said["requires_grad"] = True
        if kind == "parameter" and not x.requires_grad:
            said["requires_grad"] = False
        return said


def _dtypes() -> str:
    return ", ".join(map(str, DTYPES))


def _advice(x: Any) -> str:
    if hasattr(x, "state_dict"):
        return "; save its state_dict()"
    if hasattr(x, "__dict__") and not callable(x):
        return "; save vars() of it, or its parts"
    return ""


def unpack(arrays: dict[str, np.ndarray], header: dict[str, str], name: str) -> Any:
    """The nest that `pack` was given; `name` is the file's, for errors."""
    made: dict[str, Any] = {}

    def tensor(number: str, said: dict[str, Any], kind: str) -> Any:
        if number not in made:
            array = arrays[number]
            whole: dict[str, Callable[[], Any]] = {"array": lambda: array, "scalar": lambda: array[()]}
            whole["tensor"] = lambda: Tensor(array, said.get("requires_grad", False))
            whole["parameter"] = lambda: Parameter(Tensor(array), said.get("requires_grad", True))
            made[number] = whole[kind]()
        return made[number]

    plain: dict[str, Callable[[Any], Any]] = {
        "float": float,
        "bytes": bytes.fromhex,
        "dtype": np.dtype,
        "device": device,
    }

    def value(x: Any) -> Any:
        if not isinstance(x, dict):
            return x
        kind, inner = next(iter(x.items()))
        if kind in MAPPINGS:
            return MAPPINGS[kind]({value(k): value(v) for k, v in inner})
        if kind in LISTS:
            return LISTS[kind]([value(v) for v in inner])
        return plain[kind](inner) if kind in plain else tensor(inner, x, kind)

    try:
        return value(json.loads(header[STRUCTURE]))
    except (ValueError, KeyError, TypeError, StopIteration, AttributeError) as error:
        raise BadInput(f"{name}: its structure is damaged ({type(error).__name__}: {error})") from error
