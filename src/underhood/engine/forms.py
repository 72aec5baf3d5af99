"""The forms of an operation, and which of them runs.

Every operation stands on its page in up to three forms with one signature:

    definition   the loops of the equation, as one would write them on paper, compiled
    vector       the same with NumPy alone
    fast         the same again as quick as we can make it, where that pays

    with underhood.form("definition"):
        net(x)

runs everything inside by definition. An operation that lacks the form asked for takes the next plainer one it
has (fast → vector), or vector when it has no definition. Backward uses the form that forward used.
"""

import importlib.util
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache, reduce
from itertools import chain, repeat
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray
NAMES = ("definition", "vector", "fast")


class Form(NamedTuple):
    """One way to compute an operation.

    `forward(*inputs, **settings)` returns the output z, or a tuple (z, *extras) whose extras backward wants or
    the caller keeps: a pool's indices, a normalisation's statistics. They carry no gradient.

    `backward(dz, z, *extras, *inputs, **settings)` returns one gradient an input (alone when there is but one
    input), None where there is none. A backward with a parameter `needs` is told which are wanted.
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any] | None = None


@dataclass(frozen=True)
class Sample:
    """Inputs on which the forms are held against each other and against PyTorch. `note` says what is special."""

    inputs: tuple[Any, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, eq=False)
class Operation:
    """The registry row of an operation, at the bottom of its page.

    `call` is the function that users call with tensors. `reference` names PyTorch's function of the same meaning; the
    settings have its names, or else `ask(reference, *inputs, **settings)` translates. `saves` names the arguments whose
    values backward reads ("z" is the output), for each input's gradient where they differ; the others reach it as
    shape-only arrays, which have no memory of their own. A `view` shares its first input's memory.
    `samples(rng)` yields Samples in float64.
    """

    name: str
    call: Callable[..., Any]
    vector: Form
    definition: Form | None = None
    fast: Form | None = None
    reference: str = ""
    ask: Callable[..., Any] | None = None
    saves: tuple[str, ...] | Mapping[str, tuple[str, ...]] | None = None
    view: bool = False
    samples: Callable[[np.random.Generator], Iterable[Sample]] | None = None
    arguments: tuple[str, ...] = field(init=False)
    rest: str = field(init=False)  # the name of any number of further inputs, empty where there are none

    def __post_init__(self) -> None:
        parameters = inspect.signature(_python(self.vector.forward)).parameters.values()
        object.__setattr__(self, "arguments", tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD))
        object.__setattr__(self, "rest", "".join(p.name for p in parameters if p.kind is p.VAR_POSITIONAL))
        if self.name in OPERATIONS:
            raise ValueError(f"two pages name an operation {self.name!r}")
        OPERATIONS[self.name] = self

    def form(self, name: str) -> tuple[str, Form]:
        """The form of that name, or the next plainer one that the page has, with its name."""
        wanted = getattr(self, name)
        return (name, wanted) if wanted is not None else ("vector", self.vector)

    def names(self) -> Iterator[str]:
        """The inputs' names, without end where their number is not fixed."""
        return chain(self.arguments, repeat(self.rest)) if self.rest else iter(self.arguments)

    def read(self, wants: tuple[bool, ...]) -> frozenset[str]:
        """The names of the arguments whose values backward reads, when it is asked for those inputs' gradients."""
        return _read(self, wants)

    def pytorch(self, *inputs: Any, **settings: Any) -> Any:
        """The same by PyTorch, on its tensors."""
        module, *names = next(_places(self.reference))
        reference: Any = reduce(getattr, names, importlib.import_module(module))
        return self.ask(reference, *inputs, **settings) if self.ask else reference(*inputs, **settings)


@cache
def _read(operation: Operation, wants: tuple[bool, ...]) -> frozenset[str]:
    saves = operation.saves
    if saves is None:
        return frozenset(("z", *operation.arguments, operation.rest))
    if isinstance(saves, tuple):
        return frozenset(saves)
    wanted = [name for name, want in zip(operation.names(), wants, strict=False) if want]
    return frozenset(name for input in wanted for name in saves[input])


def _places(path: str) -> Iterator[list[str]]:
    """`torch.Tensor.add` as the longest importable module and the names inside it."""
    parts = path.split(".")
    for i in range(len(parts) - 1, 0, -1):
        try:
            found = importlib.util.find_spec(".".join(parts[:i]))
        except ModuleNotFoundError:
            continue
        if found is not None:
            yield [".".join(parts[:i]), *parts[i:]]
    raise ImportError(f"{path}: PyTorch has no such function, or is not installed")


OPERATIONS: dict[str, Operation] = {}


def _python(function: Callable[..., Any]) -> Callable[..., Any]:
    return getattr(function, "py_func", function)


_current: ContextVar[str] = ContextVar("form", default="fast")


def current_form() -> str:
    """The name of the form that operations run in now."""
    return _current.get()


@contextmanager
def form(name: str) -> Iterator[None]:
    """Run the operations inside in one form: "definition", "vector" or "fast" (the default)."""
    if name not in NAMES:
        raise ValueError(f"form: there is no form {name!r}; there is {', '.join(NAMES)}")
    token = _current.set(name)
    try:
        yield
    finally:
        _current.reset(token)
