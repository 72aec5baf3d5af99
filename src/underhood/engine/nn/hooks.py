"""Hooks: what is called when values or gradients pass through a module.

Forward hooks are plain calls before and after `forward`. A full backward hook sees the gradients of all outputs and
all inputs together. For that the tensors pass through a gate on their way in, and one on their way out: laid in one
line (a concatenation) and cut apart again (slices), so that each gate is a single node, whose gradient is complete
when backward reaches it.

    inputs → gate → forward → gate → outputs
    grad_input ← hook ← … ← pre-hook ← grad_output
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from underhood.engine.ops.concatenate import cat
from underhood.engine.tape import is_grad_enabled
from underhood.engine.tensor import Handle, Tensor

if TYPE_CHECKING:
    from underhood.engine.nn.module import Module


class Hook(NamedTuple):
    """A user's function, and whether it takes keyword arguments too."""

    function: Callable[..., Any]
    with_kwargs: bool


def register(hooks: list[Hook], function: Callable[..., Any], prepend: bool, with_kwargs: bool = False) -> Handle:
    """Put a hook at the end of the list, or in front."""
    hook = Hook(function, with_kwargs)
    hooks.insert(0 if prepend else len(hooks), hook)
    return Handle(hooks, hook)


def call(module: Module, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """The module's forward with all its hooks."""
    for hook in tuple(module._before):
        if hook.with_kwargs:
            inputs, options = hook.function(module, inputs, options) or (inputs, options)
        else:
            inputs = _tuple(hook.function(module, inputs), inputs)
    gated = bool(module._backward or module._before_backward) and is_grad_enabled()
    passing = Passing(module) if gated else None
    output = module.forward(*(passing.enter(inputs) if passing else inputs), **options)
    for hook in tuple(module._after):
        extra = (options,) if hook.with_kwargs else ()
        changed = hook.function(module, inputs, *extra, output)
        output = output if changed is None else changed
    return passing.leave(output) if passing else output


def _tuple(changed: Any, old: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a hook returned, as a tuple; None changes nothing."""
    if changed is None:
        return old
    return changed if isinstance(changed, tuple) else (changed,)


class Passing:
    """One pass of values through a module, and of the gradients back."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.inputs = 0  # how many there are, and which of them want gradients
        self.places: list[int] = []
        self.grad_output: tuple[Tensor | None, ...] = ()

    def enter(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """The inputs through the gate; on the way back their gradients go through the hooks."""
        self.inputs = len(inputs)
        self.places = _wanting(inputs)
        return _gate(inputs, self.places, self.on_inputs)

    def leave(self, output: Any) -> Any:
        """The outputs through the gate; on the way back their gradients go through the pre-hooks."""
        outputs = output if isinstance(output, tuple) else (output,)
        places = _wanting(outputs)

        def on_outputs(gradients: list[Tensor]) -> list[Tensor]:
            return self.on_outputs(gradients, len(outputs), places)

        gated = _gate(outputs, places, on_outputs)
        return gated if isinstance(output, tuple) else gated[0]

    def on_outputs(self, gradients: list[Tensor], count: int, places: list[int]) -> list[Tensor]:
        self.grad_output = _spread(gradients, count, places)
        for hook in tuple(self.module._before_backward):
            self.grad_output = _tuple(hook.function(self.module, self.grad_output), self.grad_output)
        if not self.places:  # no input wants a gradient: this is as far as backward comes
            for hook in tuple(self.module._backward):
                hook.function(self.module, (None,) * self.inputs, self.grad_output)
        return [self.grad_output[i] for i in places]  # type: ignore[misc]

    def on_inputs(self, gradients: list[Tensor]) -> list[Tensor]:
        grad_input = _spread(gradients, self.inputs, self.places)
        for hook in tuple(self.module._backward):
            grad_input = _tuple(hook.function(self.module, grad_input, self.grad_output), grad_input)
        return [grad_input[i] for i in self.places]  # type: ignore[misc]


def _wanting(values: tuple[Any, ...]) -> list[int]:
    return [i for i, value in enumerate(values) if isinstance(value, Tensor) and value.requires_grad]


def _spread(gradients: list[Tensor], count: int, places: list[int]) -> tuple[Tensor | None, ...]:
    """The gradients at their places among `count` values, None elsewhere."""
    found = dict(zip(places, gradients, strict=True))
    return tuple(found.get(i) for i in range(count))


def _gate(values: tuple[Any, ...], places: list[int], hook: Callable[[list[Tensor]], list[Tensor]]) -> tuple[Any, ...]:
    """The values, those at `places` through one node, whose gradient is handed to `hook` in parts."""
    if not places:
        return values
    shapes = [values[i].shape for i in places]
    borders = np.cumsum([0, *(shape.numel() for shape in shapes)]).tolist()
    line = cat([values[i].reshape(-1) for i in places])
    spans = list(zip(borders[:-1], borders[1:], shapes, strict=True))

    def on_line(gradient: Tensor) -> Tensor:
        parts = hook([gradient[a:b].reshape(shape) for a, b, shape in spans])
        return cat([part.reshape(-1) for part in parts])

    line.register_hook(on_line)
    gated = list(values)
    for i, (a, b, shape) in zip(places, spans, strict=True):
        gated[i] = line[a:b].reshape(shape)
    return tuple(gated)
