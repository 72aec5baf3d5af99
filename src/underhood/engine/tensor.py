"""Tensor: an array that remembers how it was made.

Names, defaults and errors are PyTorch's. The methods that compute are the functions of `underhood.functional`
with the tensor first; `methods.py` lists them. `creation.py` makes tensors, `inplace.py` changes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from underhood.engine import grad_mode, tape
from underhood.engine.device import CPU, device
from underhood.engine.dtypes import DTYPES, DType, bool_, get_default_dtype, int64
from underhood.engine.forms import Array, Operation, current_form
from underhood.engine.tape import Node, Source


class Tensor:
    """An n-dimensional array on the tape. Make one with `tensor`, `from_numpy` or an operation."""

    array: Array  # the values; private to the engine, users take .numpy()
    grad: Tensor | None
    view_of: View | None  # the tensor whose memory it shares, and how it looks at it
    versions: list[int]  # counts in-place changes; a view shares its base's
    hooks: list[tape.Hook]

    __array_ufunc__ = None  # so that numpy_array * tensor comes here

    def __init__(self, array: Any = (), requires_grad: bool = False, *sizes: int) -> None:
        if type(array) is not np.ndarray:
            array, requires_grad = _by_hand(array, requires_grad, sizes)
        if array.dtype not in DTYPES:
            raise TypeError(f"underhood has no dtype {array.dtype}; it has {', '.join(map(str, DTYPES))}")
        self.array = array
        self.grad = None
        self.view_of = None
        self.versions = [0]
        self.hooks = []
        self._node: Node | None = None
        self._node_version = 0
        self._wanted = False
        if requires_grad:
            self.requires_grad_()
        if (who := tape.listener()) is not None:
            who.created(self)

    # -- what it is --

    @property
    def shape(self) -> Size:
        return Size(self.array.shape)

    @property
    def dtype(self) -> DType:
        return self.array.dtype

    @property
    def ndim(self) -> int:
        return self.array.ndim

    @property
    def device(self) -> device:
        return CPU

    @property
    def data(self) -> Tensor:
        """The same memory, unknown to the tape: what is written here it does not notice."""
        return self._shared(Tensor(self.array))

    @data.setter
    def data(self, value: Tensor) -> None:
        self.array = value.array

    def size(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.array.shape[dim]

    def dim(self) -> int:
        return self.array.ndim

    def numel(self) -> int:
        return self.array.size

    def element_size(self) -> int:
        return self.array.itemsize

    def stride(self) -> tuple[int, ...]:
        """Steps in elements, as in torch (NumPy counts bytes)."""
        return tuple(s // self.array.itemsize for s in self.array.strides)

    def is_contiguous(self) -> bool:
        return self.array.flags.c_contiguous

    def is_floating_point(self) -> bool:
        return self.array.dtype.kind == "f"

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a 0-d tensor")
        return len(self.array)

    def __iter__(self) -> Iterator[Tensor]:
        if not self.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(len(self.array)))

    def __bool__(self) -> bool:
        if self.array.size != 1:
            raise RuntimeError(f"Boolean value of a tensor of shape {self.array.shape} is ambiguous")
        tape.read(self)
        return bool(self.array)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        tape.read(self)
        return self.array.__index__()

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self.array.size == 1 else repr(self)

    def __repr__(self) -> str:
        values = np.array2string(self.array, separator=", ", precision=4, prefix="tensor(")
        dtype = "" if self.dtype in (get_default_dtype(), int64, bool_) else f", dtype={self.dtype}"
        made = f", grad_fn=<{self.node.operation.name}>" if self.node else ""
        wants = ", requires_grad=True" if self._wanted and not self.node else ""
        return f"tensor({values}{dtype}{made or wants})"

    __hash__ = object.__hash__

    # -- leaving and entering --

    def numpy(self) -> Array:
        """The values, sharing memory."""
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        tape.read(self, as_array=True)
        return self.array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def item(self) -> Any:
        if self.array.size != 1:
            raise RuntimeError(f"a Tensor with {self.array.size} elements cannot be converted to Scalar")
        tape.read(self)
        return self.array.item()

    def tolist(self) -> Any:
        tape.read(self)
        return self.array.tolist()

    def detach(self) -> Tensor:
        """The same values, off the tape, sharing memory."""
        new = Tensor(self.array)
        new.versions = self.versions
        return self._shared(new)

    def _shared(self, new: Tensor) -> Tensor:
        if (who := tape.listener()) is not None:
            who.shared(new, self)
        return new

    def cpu(self) -> Tensor:
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickled are the values, and whether a leaf wants gradients; the tape stays in its process."""
        if not self.is_leaf:
            raise RuntimeError("a tensor on the tape cannot go to another process; use detach()")
        return type(self), (Tensor(self.array) if type(self) is not Tensor else self.array, self._wanted)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError("only leaf Tensors support the deepcopy protocol; use detach() or clone()")
        new = Tensor.__new__(type(self))
        Tensor.__init__(new, self.array.copy(), self.requires_grad)
        new.grad = None if self.grad is None else Tensor(self.grad.array.copy())
        memo[id(self)] = new
        return new

    # -- gradients --

    @property
    def node(self) -> Node | None:
        """The line of the tape that made it; None for a leaf.

        A view whose memory was changed since is read from its base once more: its history is the base's new one.
        """
        view = self.view_of
        if view is not None and view.recorded and self._node_version != self.versions[0]:
            self.node = None
            if view.base.requires_grad:
                self._node = tape.record(view.operation, "vector", view.settings, (view.base,), self)
        return self._node

    @node.setter
    def node(self, node: Node | None) -> None:
        self._node = node
        self._node_version = self.versions[0]

    @property
    def requires_grad(self) -> bool:
        return self._wanted or self.node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        if requires_grad and self.array.dtype.kind != "f":
            raise RuntimeError(f"only Tensors of floating point dtype can require gradients, not {self.dtype}")
        if not requires_grad and self.node is not None:
            raise RuntimeError("you can only change requires_grad flags of leaf variables; use detach()")
        self._wanted = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        return self.node is None

    @property
    def grad_fn(self) -> Node | None:
        return self.node

    @property
    def source(self) -> Any:
        """Where a gradient of this tensor flows to: a tape.Source or None."""
        return self.node or (self if self._wanted else None)

    def accumulate(self, gradient: Array) -> None:
        """Add a gradient to `.grad`."""
        if self.grad is None:
            self.grad = Tensor(gradient)
        else:
            self.grad.array += gradient
            self.grad.versions[0] += 1

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add ∂self/∂leaf, weighted by `gradient` (ones for a scalar), to the `.grad` of every leaf."""
        if create_graph:
            raise NotImplementedError("backward(create_graph=True): gradients of gradients are not on the tape")
        roots = [self.root(gradient)]
        if inputs is None:
            tape.propagate(roots, retain=bool(retain_graph))
            return
        inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        found = tape.propagate(roots, retain=bool(retain_graph), wanted=[x.source for x in inputs])
        for x in inputs:
            if id(x.source) in found:
                x.accumulate(found[id(x.source)])

    def root(self, gradient: Tensor | None) -> tuple[Source, Array]:
        """Where backward starts, and the gradient that it starts with."""
        source = self.source
        if source is None:
            raise RuntimeError("element 0 of tensors does not require grad and does not have a grad_fn")
        if gradient is None:
            if self.array.size != 1:
                raise RuntimeError(
                    f"grad can be implicitly created only for scalar outputs, this one is {tuple(self.shape)}"
                )
            return source, np.ones_like(self.array)
        if gradient.shape != self.shape:
            raise RuntimeError(
                f"Mismatch in shape: the gradient has {tuple(gradient.shape)}, the output {tuple(self.shape)}"
            )
        return source, gradient.array.astype(self.dtype)

    def retain_grad(self) -> None:
        """Keep the gradient of this non-leaf in `.grad` when backward passes."""
        if self.node is not None:
            self.register_hook(lambda g: self.accumulate(g.array.copy()))

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Handle:
        """Call `hook(gradient)` when backward passes here; a tensor that it returns takes the gradient's place."""
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if (who := tape.listener()) is not None:
            who.backward()
        hooks = self.node.hooks if self.node is not None else self.hooks

        def on_arrays(gradient: Array) -> Array | None:
            changed = hook(Tensor(gradient))
            return None if changed is None else changed.array

        hooks.append(on_arrays)
        return Handle(hooks, on_arrays)

    if TYPE_CHECKING:  # the methods of methods.py, and the operators

        def __getattr__(self, name: str) -> Callable[..., Any]: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __getitem__(self, index: Any) -> Tensor: ...


class Size(tuple[int, ...]):
    """A shape, printed and counted as torch does; a part of a shape is one too."""

    def numel(self) -> int:
        return int(np.prod(self, dtype=np.int64))

    def __getitem__(self, index: Any) -> Any:
        part = super().__getitem__(index)
        return Size(part) if isinstance(index, slice) else part

    def __add__(self, other: Any) -> Size:
        return Size(super().__add__(tuple(other)))

    def __radd__(self, other: Any) -> Size:
        return Size((*other, *self))

    def __repr__(self) -> str:
        return f"Size({list(self)})"


def _by_hand(data: Any, second: Any, sizes: tuple[int, ...]) -> tuple[Array, bool]:
    """What users write: `Tensor(2, 3)`, memory of that shape that nobody has set; `Tensor([1, 2])`, those values."""
    dtype = get_default_dtype()
    if isinstance(data, Size):
        return np.empty(data, dtype), bool(second)
    if isinstance(data, int | np.integer):
        lengths = (data, *sizes) if isinstance(second, bool) else (data, second, *sizes)
        return np.empty(tuple(int(n) for n in lengths), dtype), False
    if isinstance(data, np.ndarray | np.generic):
        return np.asarray(data), bool(second)
    if isinstance(data, Tensor):
        return data.array.astype(dtype), bool(second)
    return np.array([x.tolist() if isinstance(x, Tensor) else x for x in data], dtype), bool(second)


class Handle:
    """What registering a hook returns; `remove()` takes the hook off."""

    def __init__(self, hooks: Any, hook: Any) -> None:
        self.hooks, self.hook = hooks, hook

    def remove(self) -> None:
        if self.hook in self.hooks:
            self.hooks.remove(self.hook)


class View(NamedTuple):
    """How a tensor was made that shares the memory of another: base seen through a view operation."""

    base: Tensor
    operation: Operation
    settings: dict[str, Any]
    recorded: bool  # whether the tape was on


def apply(operation: Operation, *inputs: Any, **settings: Any) -> Any:
    """Run an operation on tensors, in the current form, and write it on the tape if a gradient is wanted.

    Returns the output; with extras, the tuple (output, *extras).
    """
    name, form = operation.form(current_form())
    outputs = form.forward(*arrays(inputs), **settings)
    z, *extras = outputs if isinstance(outputs, tuple) else (outputs,)
    result = Tensor(np.asarray(z))
    if operation.view and np.may_share_memory(result.array, inputs[0].array):
        result.versions = inputs[0].versions
        result.view_of = View(inputs[0], operation, settings, grad_mode.is_grad_enabled())
    if wants_gradient(operation, inputs):
        result.node = tape.record(operation, name, settings, inputs, result, extras)
    else:
        result.node = None
    others = tuple(Tensor(np.asarray(extra)) for extra in extras)
    if (who := tape.listener()) is not None:
        who.ran(operation, inputs, settings, result, others, False)
    return (result, *others) if others else result


def arrays(inputs: Iterable[Any]) -> list[Any]:
    """The tensors' arrays; what is no tensor stays as it is."""
    return [x.array if isinstance(x, Tensor) else x for x in inputs]


def wants_gradient(operation: Operation, inputs: Iterable[Any]) -> bool:
    """Whether the tape is on, the operation has a gradient, and an input asks for one."""
    if operation.vector.backward is None or not grad_mode.is_grad_enabled():
        return False
    return any(isinstance(x, Tensor) and x.requires_grad for x in inputs)
