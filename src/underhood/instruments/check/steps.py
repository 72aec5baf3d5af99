"""The steps of a pass: every tensor that a layer or a function made, from which tensors, and its gradient.

    fc1          Linear   from the input
    relu         relu     from fc1
    matmul       matmul   from relu and weight

A step keeps what it was called with by reference to the steps and sources (inputs, weights, buffers) that its tensors
come from, so that it can be repeated with one of them changed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from underhood.instruments.check.gap import Array
from underhood.instruments.check.layers import LIBRARIES, as_array
from underhood.instruments.pytorch import load_torch

SAME = {"radd": "add", "iadd": "add", "rmul": "mul", "imul": "mul", "truediv": "div", "isub": "sub", "idiv": "div"}
SAME |= {"rtruediv": "rdiv", "multiply": "mul", "divide": "div", "subtract": "sub", "concat": "cat", "getitem": "index"}
RANDOM = ("rand", "randn", "bernoulli", "multinomial", "normal", "uniform", "randint", "randperm", "exponential")
DROPOUTS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")
CUT = ("detach", "data", "clone", "contiguous")


def is_library(layer: Any) -> bool:
    """Whether a layer's class is PyTorch's or the engine's own."""
    return type(layer).__module__.startswith(LIBRARIES)


def is_dropout(layer: Any) -> bool:
    """Whether a layer drops at random: one of the libraries', or one of the user's with such a name."""
    return "drop" in type(layer).__name__.lower() and not any(True for _ in layer.parameters())


@dataclass(frozen=True)
class Ref:
    """A tensor among a step's arguments: a step's number, or an input's, weight's or buffer's name."""

    key: int | str


@dataclass
class Step:
    """A tensor, who made it (`call`, its output number `pick`) and from what; δ is absent where no gradient came."""

    name: str
    kind: str
    array: Array
    call: Callable[..., Any] | None = None
    arguments: Any = ((), {})
    pick: int = 0
    carries: bool = False
    delta: Array | None = None

    @property
    def parents(self) -> tuple[int | str, ...]:
        return tuple(dict.fromkeys(_references(self.arguments)))


@dataclass(frozen=True)
class Dropped:
    """A dropout that was passed: with which p, whether it was on, on what; `layer` if it is a module."""

    name: str
    p: float | None
    on: bool
    input: Array
    layer: Any = None


@dataclass
class Flow:
    """The steps in their order, and the sources by name."""

    steps: list[Step] = field(default_factory=list)
    sources: dict[str, Array] = field(default_factory=dict)
    dropped: list[Dropped] = field(default_factory=list)
    random: list[str] = field(default_factory=list)
    off: bool = False

    def begin(self, net: Any, given: dict[str, Any], off: bool, ours: bool) -> None:
        self.off, self._ours = off, ours
        self._paths: list[str] = []
        self._inside: list[tuple[bool, bool]] = []  # of the modules that run: a library's layer, a dropout
        self._origin: dict[int, int | str] = {}
        self._alive: list[Any] = []
        self._times: dict[str, int] = {}
        for name, tensor in (*given.items(), *net.named_parameters(), *net.named_buffers()):
            self.sources[name] = as_array(tensor)
            self._know(tensor, name)

    def _know(self, tensor: Any, key: int | str) -> None:
        self._origin[id(tensor)] = key
        self._alive.append(tensor)  # an id is its own only while the tensor lives

    @property
    def running(self) -> str:
        """The module that is running."""
        return next((path for path in reversed(self._paths) if path), "")

    def value(self, key: int | str) -> Array:
        return self.steps[key].array if isinstance(key, int) else self.sources[key]

    def name(self, key: int | str) -> str:
        return self.steps[key].name if isinstance(key, int) else key

    # -- while the pass runs --

    def enter(self, path: str, layer: Any) -> None:
        """A module begins; `layer` is None for one that has modules in it."""
        self._paths.append(path)
        self._inside.append((layer is not None and is_library(layer), layer is not None and is_dropout(layer)))

    def leave(self) -> None:
        self._paths.pop()
        self._inside.pop()

    def arguments(self, tree: Any) -> Any:
        """What something is called with: references for tensors that are known, arrays for the others."""
        if isinstance(tree, dict):
            return {key: self.arguments(value) for key, value in tree.items()}
        if isinstance(tree, list | tuple):
            made = [self.arguments(value) for value in tree]
            return tuple(made) if isinstance(tree, tuple) else made
        if not hasattr(tree, "detach") or not hasattr(tree, "requires_grad"):
            return tree
        known = self._origin.get(id(tree))
        if isinstance(known, int):
            self._watch(self.steps[known], tree)
        return as_array(tree) if known is None else Ref(known)

    def filled(self, tree: Any, changed: dict[int | str, Array] | None = None) -> Any:
        """The same with arrays for the references, some of them other ones."""
        if isinstance(tree, Ref):
            return (changed or {}).get(tree.key, None) if tree.key in (changed or {}) else self.value(tree.key)
        if isinstance(tree, dict):
            return {key: self.filled(value, changed) for key, value in tree.items()}
        if isinstance(tree, list | tuple):
            made = [self.filled(value, changed) for value in tree]
            return tuple(made) if isinstance(tree, tuple) else made
        return tree

    def layer(self, name: str, layer: Any, arguments: Any, tensors: list[Any]) -> None:
        """A layer has run; what functions within it made is known already."""
        for i, tensor in enumerate(tensors):
            known = self._origin.get(id(tensor))
            if isinstance(known, int):
                self._watch(self.steps[known], tensor)
            if self._is_new(tensor):
                self._add(name, type(layer).__name__, layer, arguments, tensor, i)

    def _is_new(self, tensor: Any) -> bool:
        """Whether a tensor, or what is in it, was not there before."""
        known = self._origin.get(id(tensor))
        return known is None or not np.array_equal(self.value(known), as_array(tensor), equal_nan=True)

    def _add(self, name: str, kind: str, call: Any, arguments: Any, tensor: Any, pick: int) -> None:
        self._times[name] = self._times.get(name, 0) + 1
        name = name if self._times[name] == 1 else f"{name}#{self._times[name]}"
        step = Step(name, kind, as_array(tensor), call, arguments, pick)
        self._know(tensor, len(self.steps))
        self.steps.append(step)
        self._watch(step, tensor)

    @staticmethod
    def _watch(step: Step, tensor: Any) -> None:
        """Keep the tensor's δ. A torch.autograd.Function puts on the tape afterwards what it made off it."""
        if tensor.requires_grad and not step.carries:
            step.carries = True

            def keep(gradient: Any) -> None:
                step.delta = as_array(gradient) if step.delta is None else step.delta + as_array(gradient)

            tensor.register_hook(keep)

    def unwatched(self) -> Any:
        """While it lasts no function is a step."""
        return nullcontext() if self._ours else load_torch()._C.DisableTorchFunction()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Write down every function of PyTorch's that no layer of a library calls."""
        mode: Any = load_torch().overrides.TorchFunctionMode
        flow = self

        class Functions(mode):  # type: ignore[misc]
            def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                return flow._function(func, args, kwargs or {})

        with Functions():
            yield

    def _function(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        plain = getattr(func, "__name__", type(func).__name__).strip("_")
        kind = getattr(getattr(func, "__self__", None), "__name__", plain) if plain == "get" else plain
        kind = SAME.get(kind, kind)
        if self.off:
            args, kwargs, passed = _without_dropout(self, kind, func, args, kwargs)
            if passed is not None:
                return passed
        if kind.removesuffix("_like") in RANDOM:
            self.random.append(kind)
        if any(library for library, _ in self._inside):
            return func(*args, **kwargs)
        arguments = self.arguments((args, kwargs))
        out = func(*args, **kwargs)
        changed = args[0] if kind == "setitem" else out
        name = f"{self.running}.{kind}" if self.running else kind
        for i, tensor in enumerate(_tensors(changed)):
            if self._is_new(tensor):
                self._add(name, kind, None if kind == "setitem" else func, arguments, tensor, i)
        return out

    # -- afterwards --

    def again(self, i: int, changed: dict[int | str, Array], arguments: Any = None, call: Any = None) -> Array | None:
        """What step i makes of other inputs, arguments or with another function; None where that makes no sense."""
        step, torch = self.steps[i], load_torch()
        work = call or step.call
        if work is None:
            return None
        args, kwargs = self.filled(step.arguments if arguments is None else arguments, changed)
        try:
            with torch.no_grad(), np.errstate(all="ignore"):
                args, kwargs = _on_torch((args, kwargs))
                out = list(_tensors(work(*args, **kwargs)))
            return as_array(out[step.pick])
        except Exception:  # whatever a function says to inputs that do not fit it
            return None


def _on_torch(tree: Any) -> Any:
    if isinstance(tree, np.ndarray):
        return load_torch().tensor(tree)
    if isinstance(tree, dict):
        return {key: _on_torch(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(_on_torch(value) for value in tree)
    return tree


def _tensors(tree: Any) -> Iterator[Any]:
    if hasattr(tree, "detach") and hasattr(tree, "requires_grad"):
        yield tree
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from _tensors(value)
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from _tensors(value)


def _references(tree: Any) -> Iterator[int | str]:
    if isinstance(tree, Ref):
        yield tree.key
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from _references(value)
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from _references(value)


def _without_dropout(flow: Flow, kind: str, func: Any, args: Any, kwargs: Any) -> tuple[Any, Any, Any]:
    """The same call with its dropout switched off; of dropout itself, what it passes on."""
    name = f"{flow.running}.{kind}".strip(".")
    if kind in DROPOUTS:
        x, p = _argument(args, kwargs, 0, "input", None), _argument(args, kwargs, 1, "p", 0.5)
        on = kwargs.get("train", _argument(args, kwargs, 2, "training", True))
        if not any(dropout for _, dropout in flow._inside):
            flow.dropped.append(Dropped(name, float(p), bool(on), as_array(x)))
        return args, kwargs, x
    if kind == "scaled_dot_product_attention":
        p = _argument(args, kwargs, 4, "dropout_p", 0.0)
        if p:
            flow.dropped.append(Dropped(name, float(p), True, as_array(args[0])))
            by_place = len(args) > 4
            args = (*args[:4], 0.0, *args[5:]) if by_place else args
            kwargs = kwargs if by_place else {**kwargs, "dropout_p": 0.0}
    if kind == "multi_head_attention_forward" and len(args) > 10 and args[10]:
        flow.dropped.append(Dropped(name, float(args[10]), bool(kwargs.get("training", True)), as_array(args[0])))
        args = (*args[:10], 0.0, *args[11:])
    return args, kwargs, None


def _argument(args: Any, kwargs: Any, i: int, key: str, otherwise: Any) -> Any:
    return args[i] if len(args) > i else kwargs.get(key, otherwise)
