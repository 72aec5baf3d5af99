"""One pass of a network read off the tape: its lines by name, the values on them, and the gradients that came back.

A line is named after the module that made it, `conv2`; what stands between the modules after its operation, `add`.
Weights have the names of `named_parameters`, the network's input is `input`.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from underhood.engine.forms import Array
from underhood.engine.nn import Module
from underhood.engine.tape import Node, keep_values, walk
from underhood.engine.tensor import Tensor
from underhood.errors import BadInput, nearest
from underhood.instruments.check.recording import is_tensor, leaves
from underhood.instruments.trace.parts import Called

Source = Any  # a Node or a leaf Tensor


class Reading:
    """The tape of one forward and backward pass. `loss(output)` is a tensor of one number, of the first output."""

    def __init__(self, net: Module, inputs: dict[str, Tensor], loss: Callable[[Tensor], Tensor]) -> None:
        self.named: dict[str, Source] = dict(inputs)
        self.names: dict[int, str] = {id(x): name for name, x in inputs.items()}
        self.runs: Counter[str] = Counter()
        for name, parameter in net.named_parameters():
            self._name(name, parameter)
        with keep_values(), self._listening(net):
            outputs = list(leaves(net(*inputs.values()), is_tensor).values())
            if not outputs:
                raise BadInput(f"{type(net).__name__} returns no tensor")
            self.output = outputs[0]
            self.loss = loss(self.output)
        self.nodes = list(walk(self.loss.source))
        for node in self.nodes:
            if id(node) not in self.names:
                self._name("E" if node is self.loss.source else self._free(node.operation.name), node)
        self.gradients = self._backward()
        self._calls: dict[int, Called] = {}

    def _name(self, name: str, source: Source) -> None:
        self.named.setdefault(name, source)
        self.names.setdefault(id(source), name)

    def _free(self, name: str) -> str:
        """A name that is not taken: add, add.2, add.3 … counted from the input on."""
        taken = Counter(key.partition(".")[0] for key in self.named)
        return f"{name}.{taken[name] + 1}" if taken[name] else name

    @contextmanager
    def _listening(self, net: Module) -> Iterator[None]:
        """Name the lines that modules make, the innermost first."""
        handles = [
            module.register_forward_hook(self._namer(name or type(module).__name__))
            for name, module in net.named_modules()
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _namer(self, name: str) -> Callable[..., None]:
        def after(module: Module, inputs: tuple[Any, ...], output: Any) -> None:
            source = getattr(output, "source", None)
            if source is not None:
                self.runs[name] += 1  # a module that runs again has another line
                self._name(name if self.runs[name] == 1 else f"{name}#{self.runs[name]}", source)

        return after

    def _backward(self) -> dict[int, Array]:
        """∂E/∂ every line and leaf, by id."""
        found: dict[int, Array] = {}

        def keeper(key: int) -> Callable[[Array], None]:
            def keep(gradient: Array) -> None:
                found[key] = np.array(gradient)

            return keep

        for node in self.nodes:
            node.hooks.append(keeper(id(node)))
        self.loss.backward(retain_graph=True)
        for source in self.named.values():
            if isinstance(source, Tensor) and source.grad is not None:
                found[id(source)] = source.grad.numpy()
        return found

    # -- looking things up --

    def find(self, name: str) -> Source:
        """The line or leaf of that name."""
        if name not in self.named:
            raise BadInput(f'there is no unit "{name}"; {nearest(name, list(self.named))}')
        return self.named[name]

    def value(self, source: Source) -> Array:
        """The numbers on a line."""
        return source.array if isinstance(source, Tensor) else source.saved[0]

    def gradient(self, source: Source) -> Array:
        """∂E/∂ the numbers on a line; zeros where none came."""
        return self.gradients.get(id(source), np.zeros(self.value(source).shape))

    def call(self, node: Node) -> Called:
        """The operation of a line with its inputs' values."""
        if id(node) not in self._calls:
            assert node.saved is not None
            inputs = node.saved[len(node.saved) - len(node.parents) :]
            self._calls[id(node)] = Called(node.operation, inputs, node.settings)
        return self._calls[id(node)]

    def consumers(self, source: Source) -> Iterator[tuple[Node, int]]:
        """The lines that a line or leaf goes into, and as which input."""
        for node in self.nodes:
            for i, parent in enumerate(node.parents):
                if parent is source:
                    yield node, i

    def label(self, source: Source, position: tuple[int, ...], node: Node | None = None, i: int = 0) -> str:
        """`conv2[0,3,4,5]`; a value that is on no line is called after its argument, `pow.y`."""
        if source is None:
            assert node is not None
            name = f"{self.names[id(node)]}.{node.operation.arguments[min(i, len(node.operation.arguments) - 1)]}"
        else:
            name = self.names[id(source)]
        return f"{name}[{','.join(map(str, position))}]" if position else name
