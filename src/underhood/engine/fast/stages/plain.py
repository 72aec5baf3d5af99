"""Any operation, in its own form: the step comes back to Python for it, and its arrays are made anew each time."""

from typing import Any

import numpy as np

from underhood.engine.fast.lowering import Lowering
from underhood.engine.fast.memory import Memory, Padded
from underhood.engine.fast.recording import Line, Value
from underhood.engine.fast.stages.stage import Stage
from underhood.engine.tape import _wants_needs


def match(line: Line, taken: set[int]) -> Stage | None:
    return Plain([line]) if all(facts["extra"] is not None for facts in line.side_effects) else None


class Plain(Stage):
    """One line as it stands."""

    def forward(self, to: Lowering) -> None:
        line = self.lines[0]
        self.name, form = line.operation.form("fast")
        self.memories = [to.values.read(x) if isinstance(x, Value) else None for x in line.inputs]
        z = to.values.make_contiguous(self.output)
        others = [to.values.make_contiguous(extra) for extra in line.extras]
        self.extras: tuple[Any, ...] = ()

        def run() -> None:
            outputs = form.forward(*self._arrays(), **line.settings)
            made, *extras = outputs if isinstance(outputs, tuple) else (outputs,)
            as_array(z, self.output.shape)[...] = made
            for other, extra in zip(others, extras, strict=True):
                other.array[...] = extra
            self.extras = tuple(extras)
            for facts in line.side_effects:
                running, momentum = facts["running"].array, facts["momentum"]
                running *= 1 - momentum
                running += momentum * facts["factor"] * extras[facts["extra"]]

        self.z = z
        to.schedule.python(
            f"{line.operation.name} (not fused)", run, z, *others, *(m for m in self.memories if m is not None)
        )

    def _arrays(self) -> list[Any]:
        pairs = zip(self.lines[0].inputs, self.memories, strict=True)
        return [x if m is None else as_array(m, x.shape) for x, m in pairs]

    def backward(self, to: Lowering) -> None:
        line = self.lines[0]
        dz = to.gradients.as_contiguous(self.output)
        backward: Any = line.operation.form("fast")[1].backward
        wanted = [isinstance(x, Value) and x.gradient for x in line.inputs]
        targets = [self._target(to, x) if want else None for x, want in zip(line.inputs, wanted, strict=True)]
        extra = {"needs": tuple(wanted)} if _wants_needs(backward) else {}

        def run() -> None:
            delta, z = as_array(dz, self.output.shape), as_array(self.z, self.output.shape)
            found = backward(delta, z, *self.extras, *self._arrays(), **line.settings, **extra)
            for target, gradient in zip(targets, found if isinstance(found, tuple) else (found,), strict=False):
                if target is not None and gradient is not None:
                    into, keep = as_array(target[0], gradient.shape), target[1]
                    into[...] = gradient + keep * into if keep else gradient

        used = [target[0] for target in targets if target is not None]
        to.schedule.python(
            f"{line.operation.name} gradient (not fused)",
            run,
            dz,
            self.z,
            *used,
            *(m for m in self.memories if m is not None),
        )

    def _target(self, to: Lowering, value: Any) -> tuple[Memory, float]:
        if value.origin == "leaf":
            return to.gradients.target(value)
        memory, add = to.gradients.into(value)
        return memory, float(add)


def as_array(memory: Memory, shape: tuple[int, ...]) -> np.ndarray:
    """A memory as the array that an operation takes."""
    return memory.view() if isinstance(memory, Padded) else np.asarray(memory.array).reshape(shape)
