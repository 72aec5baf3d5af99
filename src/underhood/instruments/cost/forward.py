"""One forward pass of a target's replica: on the meta device, and on real tensors where that won't do."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from underhood.errors import BadInput
from underhood.instruments.inputs import Inputs, make_for
from underhood.instruments.pytorch import load_torch
from underhood.instruments.record import PassError
from underhood.instruments.replica import replica
from underhood.instruments.target import Target, build, short

Work = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]


@dataclass(frozen=True)
class Forward:
    """What the work gave, the replica that it ran, and what was unusual about it."""

    result: Any
    module: Any
    notes: list[str]


def forward(target: Target, inputs: Inputs, training: bool, work: Work) -> Forward:
    """`work(replica, positional, named)` on shapes alone; on random numbers where a pass asks for some.

    Raises BadInput when the network can't be built, or the pass fails on numbers too.
    """
    module, reason = build(target, meta=True)
    notes = [f"Built with real tensors: {reason}."] if reason else []
    try:
        return Forward(*_run(module, inputs, training, work, meta=True), notes)
    except BadInput:
        raise
    except Exception as error:
        raised = error.error if isinstance(error, PassError) else error
        layer = error.path if isinstance(error, PassError) else "the pass"
        if isinstance(raised, BadInput):
            raise BadInput(f"{target.name}: {layer}: {raised}") from error
    module, _ = build(target)
    try:
        with _plain_kernels():
            found = _run(module, inputs, training, work, meta=False)
    except PassError as error:
        raise BadInput(f"{target.name}, input {inputs}: {error}") from error
    return Forward(*found, [*notes, f"Run on real tensors, random input: on meta {layer} raised {short(raised)}."])


def _run(module: Any, inputs: Inputs, training: bool, work: Work, meta: bool) -> tuple[Any, Any]:
    other = replica(module, meta).train(training)
    device = "meta" if meta else next((p.device for p in other.parameters()), "cpu")
    positional, named = make_for(other, inputs, device)
    return work(other, positional, named), other


def _plain_kernels() -> ExitStack:
    """On real tensors: attention, LSTM and encoders as the products they are made of, not as one fused kernel."""
    torch = load_torch()
    stack = ExitStack()
    # not backends.mkldnn.flags, which warns of Intel's GPUs on every machine without one
    stack.callback(torch._C._set_mkldnn_enabled, torch._C._get_mkldnn_enabled())
    torch._C._set_mkldnn_enabled(False)
    stack.enter_context(torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH))
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
    return stack
