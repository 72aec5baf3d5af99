"""Changing a tensor in place, by torch's rules.

    x.add_(y), x += y, x[i] = y, relu(x, inplace=True)

The memory keeps its place and x gets a new line on the tape: from here on x is the result, and its gradient flows
through the operation to what x was before. Whatever else looks at that memory is told:

- each write raises the version counter that x shares with its views and its base; a node that saved the old values
  compares versions when backward comes, and refuses,
- a base whose view was written into is rewritten too: base = base with the view's region taken by the new values.

A leaf that requires a gradient is never changed while the tape is on: its gradient would have nowhere to go.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from underhood.engine import grad_mode, tape
from underhood.engine.dtypes import category
from underhood.engine.forms import OPERATIONS, Array, Form, Operation, Sample, current_form
from underhood.engine.tensor import Tensor, apply, arrays, wants_gradient


def apply_(operation: Operation, x: Tensor, *others: Any, **settings: Any) -> Tensor:
    """x ← operation(x, *others): the operation's result is written into x's memory."""
    check(x)
    name, form = operation.form(current_form())
    outputs = form.forward(*arrays((x, *others)), **settings)
    z, *extras = outputs if isinstance(outputs, tuple) else (outputs,)
    if z.shape != x.shape:
        raise RuntimeError(f"output with shape {list(x.shape)} doesn't match the broadcast shape {list(z.shape)}")
    if category(z.dtype) > category(x.dtype):
        raise RuntimeError(f"result type {z.dtype} can't be cast to the desired output type {x.dtype}")
    with changing(operation, x, others, settings, form=name, extras=extras):
        x.array[...] = z
    return x


def maybe_in_place(operation: Operation, inplace: bool, x: Tensor, *others: Any, **settings: Any) -> Tensor:
    """The operation on x, in place if asked."""
    return (apply_ if inplace else apply)(operation, x, *others, **settings)


@contextmanager
def changing(
    operation: Operation,
    x: Tensor,
    others: Sequence[Any],
    settings: dict[str, Any],
    *,
    form: str = "vector",
    extras: Sequence[Array] = (),
) -> Iterator[None]:
    """The body writes operation(x, *others) into x's memory; afterwards x stands on the tape as that."""
    check(x)
    inputs = (x, *others)
    wanted = wants_gradient(operation, inputs)
    if wanted:
        wants = tuple(isinstance(i, Tensor) and i.requires_grad for i in inputs)
        read = operation.read(wants)
        inputs = tuple(_before(i, x, name in read) for name, i in zip(operation.names(), inputs, strict=False))
    node = x.node
    yield
    x.versions[0] += 1
    if wanted:
        rewrite(x, tape.record(operation, form, settings, inputs, x, extras))
    else:
        x.node = node
    if (who := tape.listener()) is not None:
        who.ran(operation, (x, *others), settings, x, (), True)


def check(x: Tensor) -> None:
    """Refuse to change a leaf that requires a gradient, a view of one, or memory that several numbers share."""
    if (who := tape.listener()) is not None:
        who.writes(x)
    if not x.array.flags.writeable:
        raise RuntimeError(
            "unsupported operation: the memory cannot be written to, or more than one element of the written-to tensor "
            f"{tuple(x.shape)} refers to a single memory location. Please clone() the tensor before performing it."
        )
    if not grad_mode.is_grad_enabled():
        return
    what, base = "a", x
    while base.view_of is not None:
        if not base.view_of.recorded:
            raise RuntimeError(
                "A view was created in no_grad mode and is being modified inplace with grad mode enabled. "
                "Make the view and change it both inside no_grad, or both outside."
            )
        what, base = "a view of a", base.view_of.base
    if base.is_leaf and base.requires_grad:
        raise RuntimeError(
            f"{what} leaf Variable that requires grad is being used in an in-place operation; its shape is "
            f"{tuple(base.shape)}. Change it under no_grad, or change a clone."
        )


def _before(i: Any, x: Tensor, read: bool) -> Any:
    """An input as the tape will remember it: its old values where it shares x's memory and they are read."""
    read = read or tape.keeps_values()
    if not isinstance(i, Tensor) or i.versions is not x.versions or not (read or i is x):
        return i
    before = Tensor(i.array.copy() if read else i.array)
    before.node = i.node
    return before


def rewrite(x: Tensor, node: tape.Node) -> None:
    """`node` made x; what x is a view of takes its new values from x."""
    x.node = node
    while x.view_of is not None:
        base, region = x.view_of.base, (x.view_of.operation, x.view_of.settings)
        base.node = tape.record(operation, "vector", {"region": region}, (_before(base, base, False), x), base)
        x = base


# -- a base whose view was written into:  z = x, but in the view's region z = v --
#    ∂E/∂x = δ with zeros in that region,  ∂E/∂v = δ there

Region = tuple[Operation, dict[str, Any]]  # a view operation and its settings


def copy_slices(input: Tensor, values: Tensor, region: Region) -> Tensor:
    """A copy of `input` that holds `values` where the view operation looks."""
    return apply(operation, input, values, region=region)


def seen(x: Array, region: Region) -> Array:
    """x through the view; a contiguous x is seen in its own memory by every view operation."""
    return region[0].vector.forward(x, **region[1])


def vector(x: Array, v: Array, *, region: Region) -> Array:
    z = np.array(x, order="C")
    seen(z, region)[...] = v
    return z


def vector_backward(dz: Array, z: Array, x: Array, v: Array, *, region: Region) -> tuple[Array, Array]:
    dx = np.array(dz, order="C")
    there = seen(dx, region)
    dv = there.copy()
    there[...] = 0
    return dx, dv


def samples(rng: np.random.Generator) -> list[Sample]:
    x = rng.normal(size=(4, 6))
    reshape, index = OPERATIONS["reshape"], OPERATIONS["index"]
    return [
        Sample((x, rng.normal(size=(2, 12))), {"region": (reshape, {"shape": (2, 12)})}, "another shape"),
        Sample((x, rng.normal(size=6)), {"region": (index, {"index": 2})}, "a row"),
        Sample((x.T, rng.normal(size=(6, 2))), {"region": (index, {"index": (..., slice(0, 4, 2))})}, "non-contiguous"),
        Sample((x[:0], x[:0]), {"region": (index, {"index": slice(None)})}, "empty"),
    ]


def _by_torch(copy_: Any, x: Any, v: Any, region: Region) -> Any:
    z = x.clone()
    copy_(region[0].pytorch(z, **region[1]), v)
    return z


operation = Operation(
    "copy_slices",
    copy_slices,
    vector=Form(vector, vector_backward),
    reference="torch.Tensor.copy_",
    ask=_by_torch,
    saves=(),
    samples=samples,
)
