"""A profile's run on our own engine: a copy of the network, its calls recorded, each timed alone."""

from typing import TYPE_CHECKING, Any

import numpy as np

from underhood.engine import Tensor, from_numpy, nn
from underhood.errors import BadInput
from underhood.instruments.inputs import Inputs, Spec
from underhood.instruments.profile.engine_calls import EngineCall, capture, copied
from underhood.instruments.profile.result import Conditions, LayerTime, Run
from underhood.instruments.record import PassError
from underhood.instruments.stopwatch import Rule, Timing, measure
from underhood.instruments.target import Target

if TYPE_CHECKING:
    from underhood.instruments.cost.result import Layer


def run(target: Target, inputs: Inputs, batch: int, how: Conditions, rule: Rule) -> Run:
    """Time the innermost modules and the operations between them, in turns with the whole."""
    if how.device != "cpu" or how.memory_format != "contiguous" or how.dtype not in ("float32", "float64"):
        raise BadInput("the engine computes on the CPU, in float32 or float64, on contiguous tensors")
    copy = _prepared(target, how)
    given = tuple(_tensor(spec, how) for spec in inputs.positional)
    if inputs.named or not all(isinstance(x, Tensor) for x in given):
        raise BadInput("a network on the engine is given tensors by position: --input SHAPE")
    try:
        calls = capture(copy, given, how.training)
    except PassError as error:
        raise BadInput(f"{target.name} on the engine, input {inputs}: {error}") from error
    whole = EngineCall("", "network", copy, given, list(copy.parameters()), how.training)
    *timings, (forward, backward) = measure([*calls, whole], rule, how.timer)
    counted = _counted(target, inputs, how)
    rows = [_row(call, timing, counted.get(call.name)) for call, timing in zip(calls, timings, strict=True)]
    assert forward is not None
    return Run("underhood", batch, str(inputs), rows, forward, backward)


def _prepared(target: Target, how: Conditions) -> Any:
    try:
        module = target.built or target.build(nn)
    except AttributeError as error:
        raise BadInput(f"{target.name} cannot be built on the engine: {error}") from error
    if not isinstance(module, nn.Module):
        raise BadInput(f"{target.name} gave a {type(module).__name__}, not an underhood.nn.Module")
    return copied(module).to(np.dtype(how.dtype)).train(how.training)


def _tensor(spec: Any, how: Conditions) -> Any:
    if not isinstance(spec, Spec):
        return spec
    rng = np.random.default_rng(0)
    dtype = np.dtype(spec.dtype or how.dtype)
    if dtype.kind != "f":
        return from_numpy(np.zeros(spec.shape, dtype))
    return from_numpy(rng.standard_normal(spec.shape).astype(dtype))


def _counted(target: Target, inputs: Inputs, how: Conditions) -> "dict[str, Layer]":
    """Multiply–adds of the same page's layers, counted on torch's side; nothing where there is no such side."""
    if not target.pages:
        return {}
    from importlib.util import find_spec

    if find_spec("torch") is None:
        return {}
    from underhood.instruments.cost import cost

    return {row.name: row for row in cost(target.build, inputs, training=how.training).rows}


def _row(call: EngineCall, timing: tuple[Timing | None, ...], counted: "Layer | None") -> LayerTime:
    forward, backward = timing
    return LayerTime(
        name=call.name,
        label=call.name,
        kind=call.kind,
        output=f"({', '.join(map(str, call.shape))})",
        macs=counted.macs if counted is not None else None,
        moved=call.moved + (counted.bytes if counted is not None else 0),
        forward=forward,
        backward=backward,
    )
