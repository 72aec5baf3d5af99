"""One forward pass, written down: which layer ran, which function, which operation, on which tensors.

    Call                     the network
    ├── Call                 a module (`kind` is its class) …
    │   ├── Operation        … what it computed: aten.convolution on values 3, 4, 5 gives value 6
    │   └── Call             … the modules and functions that it called in its forward
    └── Call                 a function called in forward: add, cat, matmul, `@`

Tensors are numbered: a `Value` is a number with a shape, a dtype and the number of its storage. The record is
data; what it means (multiply–adds, receptive fields) is read from it afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any

from underhood.instruments import shapes
from underhood.instruments.pytorch import load_torch


@dataclass(frozen=True)
class Value:
    """A tensor of the pass. Values of one storage are views of each other, or the same memory written again."""

    number: int
    shape: tuple[int, ...]
    dtype: Any
    storage: int

    @property
    def elements(self) -> int:
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.elements * int(self.dtype.itemsize)


@dataclass(frozen=True)
class Operation:
    """One operation of torch's: `args` and `out` are as it had them, with Values for tensors.

    `partial` says that it wrote to a view of a larger tensor (`x[:, 0] = …`).
    """

    overload: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Any
    partial: bool = False

    @property
    def name(self) -> str:
        """The operation's name without its overload: "convolution", "add_", and with its library if not torch's."""
        packet = self.overload.overloadpacket
        name = str(packet.__name__)
        library = str(self.overload.namespace)
        return name if library == "aten" else f"{library}::{name}"

    @property
    def base(self) -> str:
        """The operation that this is the in-place form of, if it is one: `as_strided` of `as_strided_`."""
        return self.name.removesuffix("_") or self.name

    @property
    def is_view(self) -> bool:
        """Whether it gives its input another shape and computes nothing, in place or not."""
        return any(overload.is_view for overload in self._overloads())

    @property
    def is_elementwise(self) -> bool:
        """Whether each element of the output comes from one element of each input."""
        pointwise = load_torch().Tag.pointwise
        return self.base in UNTAGGED or any(pointwise in overload.tags for overload in self._overloads())

    def _overloads(self) -> Iterator[Any]:
        """Its overload, and those of the operation that it is the in-place form of."""
        yield self.overload
        if self.overload.namespace == "aten" and (packet := getattr(load_torch().ops.aten, self.base, None)):
            yield from (getattr(packet, key) for key in packet.overloads())

    @property
    def inputs(self) -> list[Value]:
        return values((self.args, self.kwargs))

    @property
    def outputs(self) -> list[Value]:
        return values(self.out)


# elementwise, though torch does not mark them so
UNTAGGED = frozenset(("hardswish", "floor_divide", "heaviside"))


@dataclass
class Call:
    """A call of a module or of a function. `steps` are what happened within, in order."""

    path: str
    kind: str
    module: Any = None
    parent: Call | None = None
    number: int = 1
    steps: list[Call | Operation] = field(default_factory=list)
    inputs: list[Value] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)

    @property
    def calls(self) -> list[Call]:
        return [step for step in self.steps if isinstance(step, Call)]

    def operations(self) -> Iterator[Operation]:
        """All operations within, of inner calls too, in the order in which they ran."""
        for step in self.steps:
            if isinstance(step, Call):
                yield from step.operations()
            else:
                yield step


@dataclass(frozen=True)
class Record:
    """A pass: the network's call, its inputs, and which values its parameters and buffers are (names by number)."""

    root: Call
    inputs: list[Value]
    parameters: dict[int, list[str]]
    buffers: dict[int, list[str]]


class PassError(Exception):
    """The forward pass raised: in which layer, and what."""

    def __init__(self, path: str, error: Exception) -> None:
        super().__init__(f"{path}: {type(error).__name__}: {error}")
        self.path, self.error = path, error


def record(module: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> Record:
    """Run the module (a replica: hooks are put on it) and write the pass down. Gradients are off."""
    torch = load_torch()
    tape = _Tape(type(module).__name__)
    given = [x for x in torch.utils._pytree.tree_leaves((positional, named)) if torch.is_tensor(x)]
    inputs = [tape.value(x) for x in given]
    for path, member in module.named_modules():
        tape.watch(path, member)
    on_meta = any(tensor.device.type == "meta" for tensor in (*given, *module.parameters()))
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        if on_meta:
            stack.enter_context(torch.device("meta"))
        stack.enter_context(_functions(tape))
        stack.enter_context(_operations(tape, on_meta))
        try:
            module(*positional, **named)
        except Exception as error:
            raise PassError(tape.location(), error) from error
    # named now, not before: a Lazy module's parameters have got their shapes meanwhile
    parameters = tape.names(module.named_parameters(remove_duplicate=False))
    return Record(tape.root.calls[0], inputs, parameters, tape.names(module.named_buffers(remove_duplicate=False)))


def values(tree: Any) -> list[Value]:
    """The Values in a nest of tuples, lists and dicts."""
    if isinstance(tree, Value):
        return [tree]
    if isinstance(tree, dict):
        tree = tree.values()
    elif not isinstance(tree, tuple | list):
        return []
    return [value for part in tree for value in values(part)]


class _Tape:
    """Numbers tensors and keeps the stack of calls while the pass runs."""

    def __init__(self, name: str) -> None:
        torch = load_torch()
        self.root = Call("", name)
        self.stack = [self.root]
        self.tensors: Any = torch.utils.weak.WeakIdKeyDictionary()
        self.storages: dict[int, int] = {}
        self.kept: list[Any] = []  # a storage's address is its name only while it lives
        self.times: dict[str, int] = {}
        self.count = 0

    def value(self, tensor: Any) -> Value:
        """The tensor's Value; a tensor that was resized in place gets a new one."""
        shape = tuple(tensor.size())  # not .shape, which Lazy parameters refuse
        known = self.tensors.get(tensor)
        if known is not None and known.shape == shape:
            return known
        storage = tensor.untyped_storage()
        if storage._cdata not in self.storages:
            self.storages[storage._cdata] = len(self.storages)
            self.kept.append(storage)
        self.count += 1
        value = Value(self.count, shape, tensor.dtype, self.storages[storage._cdata])
        self.tensors[tensor] = value
        return value

    def written(self, tree: Any) -> Any:
        """The tree with Values for its tensors."""
        torch = load_torch()
        with torch._C.DisableTorchFunction():  # looking at tensors is no part of the pass
            return torch.utils._pytree.tree_map_only(torch.Tensor, self.value, tree)

    def names(self, tensors: Any) -> dict[int, list[str]]:
        """The names of tensors by their values' numbers; one that never got a shape has none."""
        found: dict[int, list[str]] = {}
        for name, tensor in tensors:
            if not load_torch().nn.parameter.is_lazy(tensor):
                found.setdefault(self.value(tensor).number, []).append(name)
        return found

    def location(self) -> str:
        """The innermost module that is running."""
        running = [call for call in self.stack if call.module is not None]
        if not running or not running[-1].path:
            return self.root.kind
        return f"{running[-1].path} ({running[-1].kind})"

    @contextmanager
    def call(self, path: str, kind: str, module: Any = None) -> Iterator[Call]:
        parent = self.stack[-1]
        self.times[path] = self.times.get(path, 0) + 1
        call = Call(path, kind, module, parent, self.times[path])
        self.stack.append(call)
        yield call  # an error leaves the stack as it is: it says where
        self.stack.pop()
        if call.steps or module is not None:
            parent.steps.append(call)
        else:
            self.times[path] -= 1

    def watch(self, path: str, module: Any) -> None:
        """Open a Call whenever the module runs: outside its own hooks, whose work is its own."""
        opened: list[Any] = []

        def before(member: Any, args: Any, kwargs: Any) -> None:
            context = self.call(path, type(member).__name__, member)
            context.__enter__().inputs = values(self.written((args, kwargs)))
            opened.append((context, self.stack[-1]))

        def after(member: Any, args: Any, kwargs: Any, out: Any) -> None:
            context, call = opened.pop()
            call.outputs = values(self.written(out))
            context.__exit__(None, None, None)

        module.register_forward_pre_hook(before, prepend=True, with_kwargs=True)
        module.register_forward_hook(after, with_kwargs=True)


def _functions(tape: _Tape) -> Any:
    """Opens a Call for every function of torch's that a forward calls."""
    mode: Any = load_torch().overrides.TorchFunctionMode

    class Functions(mode):  # type: ignore[misc]
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name = getattr(func, "__name__", type(func).__name__).strip("_")
            owner = tape.stack[-1].path
            with tape.call(f"{owner}.{name}" if owner else name, name) as call:
                out = func(*args, **(kwargs or {}))
                if call.steps:
                    call.inputs = values(tape.written((args, kwargs)))
                    call.outputs = values(tape.written(out))
            return out

    return Functions()


def _operations(tape: _Tape, on_meta: bool) -> Any:
    """Writes every operation down; on meta, by the rules of shapes.py where there is one."""
    torch = load_torch()
    mode: Any = torch.utils._python_dispatch.TorchDispatchMode

    class Operations(mode):  # type: ignore[misc]
        @classmethod
        def _should_skip_dynamo(cls) -> bool:
            return False  # skipping it means importing it: a second for nothing

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if on_meta:
                args, kwargs = _all_on_meta((args, kwargs))
            given, named = tape.written((args, kwargs))
            partial = _writes_to_a_part(func, args)
            out = shapes.by_rule(func, args, kwargs) if on_meta else None
            if out is None:
                out = func(*args, **kwargs)
            tape.stack[-1].steps.append(Operation(func, given, named, tape.written(out), partial))
            return out

    def _all_on_meta(tree: Any) -> Any:
        """A tensor that lives elsewhere (made in forward with device="cpu") joins the others on meta."""
        tensors = [x for x in torch.utils._pytree.tree_leaves(tree) if torch.is_tensor(x)]
        if len({x.device.type for x in tensors}) < 2:
            return tree
        return torch.utils._pytree.tree_map_only(torch.Tensor, lambda x: x.to("meta"), tree)

    return Operations()


def _writes_to_a_part(func: Any, args: tuple[Any, ...]) -> bool:
    if not func._schema.is_mutable or not args or not hasattr(args[0], "untyped_storage"):
        return False
    target = args[0]
    return bool(target.numel() * target.element_size() < target.untyped_storage().nbytes())
