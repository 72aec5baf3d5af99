"""Hooks: what is called when values or gradients pass through a module.

Forward hooks are plain calls before and after `forward`. A full backward hook sees the gradients of all outputs and
all inputs together. For that the tensors pass through a gate on their way in, and one on their way out: laid in one
line (a concatenation) and cut apart again (slices), so that each gate is a single node, whose gradient is complete
when backward reaches it.

    inputs → gate → forward → gate → outputs
    grad_input ← hook ← … ← pre-hook ← grad_output
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from underhood.engine.grad_mode import is_grad_enabled
from underhood.engine.ops.concatenate import cat
from underhood.engine.tensor import Handle, Tensor


class Hook(NamedTuple):
    """A user's function, and whether it takes keyword arguments too."""

    function: Callable[..., Any]
    with_kwargs: bool


class Hooks:
    """The hooks of one module, by what they follow."""

    def __init__(self) -> None:
        self.forward_pre: list[Hook] = []
        self.forward: list[Hook] = []
        self.backward_pre: list[Hook] = []
        self.backward: list[Hook] = []

    def __bool__(self) -> bool:
        return bool(self.forward_pre or self.forward or self.backward_pre or self.backward)

    def call(self, module: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """The module's forward with all its hooks."""
        for hook in tuple(self.forward_pre):
            if hook.with_kwargs:
                inputs, options = hook.function(module, inputs, options) or (inputs, options)
            else:
                inputs = _tuple(hook.function(module, inputs), inputs)
        gated = bool(self.backward or self.backward_pre) and is_grad_enabled()
        passing = Passing(self, module) if gated else None
        output = module.forward(*(passing.enter(inputs) if passing else inputs), **options)
        for hook in tuple(self.forward):
            extra = (options,) if hook.with_kwargs else ()
            changed = hook.function(module, inputs, *extra, output)
            output = output if changed is None else changed
        return passing.leave(output) if passing else output


def register(hooks: list[Hook], function: Callable[..., Any], prepend: bool, with_kwargs: bool = False) -> Handle:
    """Put a hook at the end of the list, or in front."""
    hook = Hook(function, with_kwargs)
    hooks.insert(0 if prepend else len(hooks), hook)
    return Handle(hooks, hook)


def _tuple(changed: Any, old: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a hook returned, as a tuple; None changes nothing."""
    if changed is None:
        return old
    return changed if isinstance(changed, tuple) else (changed,)


class Passing:
    """One pass of values through a module, and of the gradients back."""

    def __init__(self, hooks: Hooks, module: Any) -> None:
        self.hooks, self.module = hooks, module
        self.inputs = 0  # how many there are, and which of them want gradients
        self.wanting: list[int] = []
        self.grad_output: tuple[Tensor | None, ...] = ()

    def enter(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """The inputs through the gate; on the way back their gradients go through the hooks."""
        self.inputs = len(inputs)
        self.wanting = _wanting(inputs)
        return _gate(inputs, self.wanting, self.on_inputs)

    def leave(self, output: Any) -> Any:
        """The outputs through the gate; on the way back their gradients go through the pre-hooks."""
        outputs = output if isinstance(output, tuple) else (output,)
        wanting = _wanting(outputs)

        def on_outputs(gradients: list[Tensor]) -> list[Tensor]:
            return self.on_outputs(gradients, len(outputs), wanting)

        gated = _gate(outputs, wanting, on_outputs)
        return gated if isinstance(output, tuple) else gated[0]

    def on_outputs(self, gradients: list[Tensor], count: int, wanting: list[int]) -> list[Tensor]:
        self.grad_output = _spread(gradients, count, wanting)
        for hook in tuple(self.hooks.backward_pre):
            self.grad_output = _tuple(hook.function(self.module, self.grad_output), self.grad_output)
        if not self.wanting:  # no input wants a gradient: this is as far as backward comes
            for hook in tuple(self.hooks.backward):
                hook.function(self.module, (None,) * self.inputs, self.grad_output)
        return [self.grad_output[i] for i in wanting]  # type: ignore[misc]

    def on_inputs(self, gradients: list[Tensor]) -> list[Tensor]:
        grad_input = _spread(gradients, self.inputs, self.wanting)
        for hook in tuple(self.hooks.backward):
            grad_input = _tuple(hook.function(self.module, grad_input, self.grad_output), grad_input)
        return [grad_input[i] for i in self.wanting]  # type: ignore[misc]


def _wanting(values: tuple[Any, ...]) -> list[int]:
    """The indices of the values that want a gradient."""
    return [i for i, value in enumerate(values) if isinstance(value, Tensor) and value.requires_grad]


def _spread(gradients: list[Tensor], count: int, indices: list[int]) -> tuple[Tensor | None, ...]:
    """The gradients at their indices among `count` values, None elsewhere."""
    found = dict(zip(indices, gradients, strict=True))
    return tuple(found.get(i) for i in range(count))


def _gate(values: tuple[Any, ...], indices: list[int], hook: Callable[[list[Tensor]], list[Tensor]]) -> tuple[Any, ...]:
    """The values, those at `indices` through one node, whose gradient is handed to `hook` in parts."""
    if not indices:
        return values
    shapes = [values[i].shape for i in indices]
    borders = np.cumsum([0, *(shape.numel() for shape in shapes)]).tolist()
    line = cat([values[i].reshape(-1) for i in indices])
    spans = list(zip(borders[:-1], borders[1:], shapes, strict=True))

    def on_line(gradient: Tensor) -> Tensor:
        parts = hook([gradient[a:b].reshape(shape) for a, b, shape in spans])
        return cat([part.reshape(-1) for part in parts])

    line.register_hook(on_line)
    gated = list(values)
    for i, (a, b, shape) in zip(indices, spans, strict=True):
        gated[i] = line[a:b].reshape(shape)
    return tuple(gated)
