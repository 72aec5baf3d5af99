"""A training step of a target on the meta device: no number is computed, and what is alive is written down."""

from typing import Any

from underhood.errors import BadInput
from underhood.instruments.inputs import Inputs, make_for
from underhood.instruments.memory.ledger import Ledger, keep_books, keep_books_of_evaluation
from underhood.instruments.pytorch import load_torch, with_shapes
from underhood.instruments.record import PassError
from underhood.instruments.replica import replica
from underhood.instruments.target import Target, build


def on_meta(target: Target) -> Any:
    """A replica of the network on the meta device, in training mode."""
    load_torch("memory")
    return with_shapes(replica(build(target, meta=True)[0]), target.name).train()


def step_ledger(
    target: Target,
    module: Any,
    inputs: Inputs,
    rule: Any,
    *,
    reordered: bool = True,
    in_backward: bool = False,
    passes: int = 1,
) -> Ledger:
    """The ledger of a step of `module`, a replica on meta; an error of the pass says in which layer."""
    args, kwargs = make_for(module, inputs, "meta")
    try:
        return keep_books(module, args, kwargs, rule, in_backward=in_backward, reordered=reordered, passes=passes)
    except PassError as error:
        raise BadInput(f"{target.name}, input {inputs}: {error}") from error


def evaluation_ledger(target: Target, module: Any, inputs: Inputs) -> Ledger:
    """The ledger of what `module`, a replica on meta, answers in evaluation mode and without gradients."""
    args, kwargs = make_for(module, inputs, "meta")
    try:
        return keep_books_of_evaluation(module.eval(), args, kwargs)
    except Exception as error:
        raise BadInput(f"{target.name}, input {inputs}: {type(error).__name__}: {error}") from error
