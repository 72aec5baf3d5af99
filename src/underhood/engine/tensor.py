"""Tensor: an array that remembers how it was made.

Names, defaults and errors are PyTorch's. The methods that compute are the functions of `underhood.functional`
with the tensor first; `methods.py` lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from underhood.engine import tape
from underhood.engine.forms import Array, Operation, current_form
from underhood.engine.tape import Node, Source

float32, float64 = np.dtype("float32"), np.dtype("float64")
int64, int32, uint8, bool_ = np.dtype("int64"), np.dtype("int32"), np.dtype("uint8"), np.dtype("bool")
DTYPES = (float32, float64, int64, int32, np.dtype("int16"), np.dtype("int8"), uint8, bool_)


class Tensor:
    """An n-dimensional array on the tape. Make one with `tensor`, `from_numpy` or an operation."""

    array: Array  # the values; private to the engine, users take .numpy()
    grad: Tensor | None
    node: Node | None  # the line of the tape that made it; None for a leaf
    versions: list[int]  # counts in-place changes; a view shares its base's
    hooks: list[tape.Hook]

    __array_ufunc__ = None  # so that numpy_array * tensor comes here

    def __init__(self, array: Array, requires_grad: bool = False) -> None:
        if array.dtype not in DTYPES:
            raise TypeError(f"underhood has no dtype {array.dtype}; it has {', '.join(map(str, DTYPES))}")
        self.array = array
        self.grad = None
        self.node = None
        self.versions = [0]
        self.hooks = []
        self._wanted = False
        if requires_grad:
            self.requires_grad_()

    # -- what it is --

    @property
    def shape(self) -> Size:
        return Size(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    @property
    def ndim(self) -> int:
        return self.array.ndim

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def data(self) -> Tensor:
        return self.detach()

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
        return bool(self.array)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        return self.array.__index__()

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self.array.size == 1 else repr(self)

    def __repr__(self) -> str:
        values = np.array2string(self.array, separator=", ", precision=4, prefix="tensor(")
        dtype = "" if self.dtype in (float32, int64, bool_) else f", dtype={self.dtype}"
        made = f", grad_fn=<{self.node.operation.name}>" if self.node else ""
        wants = ", requires_grad=True" if self._wanted and not self.node else ""
        return f"tensor({values}{dtype}{made or wants})"

    __hash__ = object.__hash__

    # -- leaving and entering --

    def numpy(self) -> Array:
        """The values, sharing memory."""
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        return self.array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def item(self) -> Any:
        if self.array.size != 1:
            raise RuntimeError(f"a Tensor with {self.array.size} elements cannot be converted to Scalar")
        return self.array.item()

    def tolist(self) -> Any:
        return self.array.tolist()

    def detach(self) -> Tensor:
        """The same values, off the tape, sharing memory."""
        new = Tensor(self.array)
        new.versions = self.versions
        return new

    def cpu(self) -> Tensor:
        return self

    # -- gradients --

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

    def gather(self, gradient: Array) -> None:
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
        if inputs is None:
            tape.propagate([self._root(gradient)], retain=bool(retain_graph))
            return
        for x, g in zip(inputs, grad(self, inputs, gradient, retain_graph, allow_unused=True), strict=True):
            if g is not None:
                x.gather(g.array)

    def _root(self, gradient: Tensor | None) -> tuple[Source, Array]:
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
            self.register_hook(lambda g: self.gather(g.array.copy()))

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Handle:
        """Call `hook(gradient)` when backward passes here; a tensor that it returns takes the gradient's place."""
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
    """A shape, printed and counted as torch does."""

    def numel(self) -> int:
        return int(np.prod(self, dtype=np.int64))

    def __repr__(self) -> str:
        return f"Size({list(self)})"


class Handle:
    """What registering a hook returns; `remove()` takes the hook off."""

    def __init__(self, hooks: Any, hook: Any) -> None:
        self.hooks, self.hook = hooks, hook

    def remove(self) -> None:
        if self.hook in self.hooks:
            self.hooks.remove(self.hook)


def apply(operation: Operation, *inputs: Any, **settings: Any) -> Any:
    """Run an operation on tensors, in the current form, and write it on the tape if a gradient is wanted.

    Returns the output; with extras, the tuple (output, *extras).
    """
    arrays = [x.array if isinstance(x, Tensor) else x for x in inputs]
    z = operation.form(current_form())[1].forward(*arrays, **settings)
    outputs = z if isinstance(z, tuple) else (z,)
    result = Tensor(np.asarray(outputs[0]))
    if operation.view:
        result.versions = inputs[0].versions
    if tape.is_grad_enabled() and any(isinstance(x, Tensor) and x.requires_grad for x in inputs):
        result.node = tape.record(operation, settings, inputs, (result.array, *outputs[1:]))
    if len(outputs) == 1:
        return result
    return (result, *(Tensor(np.asarray(extra)) for extra in outputs[1:]))


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A new tensor from numbers, lists or an array (copied). Python's floats become float32, its ints int64."""
    check_device(device)
    array = np.array(data.detach().array if isinstance(data, Tensor) else data)
    if dtype is None and array.dtype == float64 and not isinstance(data, np.ndarray | np.generic | Tensor):
        dtype = float32
    return Tensor(array if dtype is None else array.astype(dtype), requires_grad)


def from_numpy(array: Array) -> Tensor:
    """A tensor on the array's own memory."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    return Tensor(array)


def check_device(device: Any) -> None:
    """The engine computes on the CPU; anything else is an error that says so."""
    if device is not None and str(device) != "cpu":
        raise RuntimeError(f"device {str(device)!r}: underhood's engine runs on the CPU; use torch's back end there")


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """∂outputs/∂inputs, weighted by `grad_outputs`, without touching any `.grad`."""
    if create_graph:
        raise NotImplementedError("grad(create_graph=True): gradients of gradients are not on the tape")
    outputs, inputs = _several(outputs), _several(inputs)
    weights = [None] * len(outputs) if grad_outputs is None else _several(grad_outputs)
    sources = [x.source for x in inputs]
    if None in sources:
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    roots = [z._root(g) for z, g in zip(outputs, weights, strict=True)]
    found = tape.propagate(roots, retain=bool(retain_graph), wanted=[s for s in sources if s is not None])
    gradients = tuple(Tensor(found[id(s)]) if id(s) in found else None for s in sources)
    if None in gradients and not allow_unused:
        raise RuntimeError(
            "One of the differentiated Tensors appears to not have been used in the graph. "
            "Set allow_unused=True if this is the desired behavior."
        )
    return gradients


def _several(tensors: Any) -> list[Any]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)
