"""A profile's run on torch: a copy of the network, its calls recorded, each timed alone."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from underhood.errors import BadInput
from underhood.instruments.cost import cost
from underhood.instruments.cost.result import Layer
from underhood.instruments.cost.tables import shape_text
from underhood.instruments.inputs import Inputs, make
from underhood.instruments.profile.result import Conditions, LayerTime, Run
from underhood.instruments.profile.torch_calls import TorchCall, capture
from underhood.instruments.pytorch import load_torch, with_shapes
from underhood.instruments.record import PassError
from underhood.instruments.replica import replica
from underhood.instruments.stopwatch import Rule, Timing, measure
from underhood.instruments.target import Target, build


def run(target: Target, inputs: Inputs, batch: int, how: Conditions, rule: Rule) -> Run:
    """Time every layer of the network that `cost` gives a row, in turns with the whole."""
    torch = load_torch("profile")
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=_gpus(how)))
        copy, args, kwargs = prepared(target, inputs, how)
        rows = cost(copy, inputs, training=how.training).rows
        calls = _captured(target, inputs, copy, args, kwargs, {row.name for row in rows if not row.group}, how)
        learnt = [p for p in copy.parameters() if p.requires_grad]
        whole = TorchCall("", copy, args, kwargs, learnt, how.training)
        *timings, (forward, backward) = measure([*calls, whole], rule, how.timer)
    found = {call.name: (call, timing) for call, timing in zip(calls, timings, strict=True)}
    assert forward is not None
    return Run(
        "torch", batch, str(inputs), [_row(row, *found.get(row.name, (None, None))) for row in rows], forward, backward
    )


def prepared(target: Target, inputs: Inputs, how: Conditions) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """A copy of the network where and as it shall run, and what it is fed."""
    torch = load_torch("profile")
    dtype = getattr(torch, how.dtype)
    copy = with_shapes(replica(build(target)[0], meta=False), target.name)
    if any(p.is_complex() for p in copy.parameters()):
        raise BadInput(f"{target.name} has complex parameters, which can't be timed in {how.dtype}")
    copy.to(device=how.device, dtype=dtype)
    args, kwargs = make(inputs, dtype, how.device)
    if how.memory_format == "channels_last":
        copy.to(memory_format=torch.channels_last)
        args, kwargs = torch.utils._pytree.tree_map_only(torch.Tensor, _channels_last, (args, kwargs))
    return copy.train(how.training), args, kwargs


def _channels_last(x: Any) -> Any:
    return x.contiguous(memory_format=load_torch().channels_last) if x.dim() == 4 else x


def _captured(
    target: Target, inputs: Inputs, copy: Any, args: Any, kwargs: Any, wanted: set[str], how: Conditions
) -> list[TorchCall]:
    try:
        return capture(copy, args, kwargs, wanted, how.training)
    except PassError as error:
        raise BadInput(f"{target.name}, input {inputs}: {error}") from error


def _gpus(how: Conditions) -> list[int]:
    torch = load_torch()
    return [torch.device(how.device).index or 0] if how.device.startswith("cuda") else []


def _row(row: Layer, call: TorchCall | None, timing: tuple[Timing | None, ...] | None) -> LayerTime:
    forward, backward = timing or (None, None)
    written = row.bytes or (_size(row) * 4 if call is not None and call.writes else 0)
    return LayerTime(
        name=row.name,
        label=row.label,
        kind=row.kind,
        depth=row.depth,
        group=row.group,
        output=" ".join(map(shape_text, row.outputs)),
        macs=row.macs,
        moved=call.moved + written if call is not None else 0,
        forward=forward,
        backward=backward,
        why="" if call is not None or row.group else "did not run, or has nothing to run",
    )


def _size(row: Layer) -> int:
    """Elements of a layer's outputs."""
    total = 0
    for shape in row.outputs:
        elements = 1
        for size in shape:
            elements *= size
        total += elements
    return total


def write_trace(target: Target, inputs: Inputs, how: Conditions, path: Path) -> None:
    """One step of the network under torch.profiler, after a warm one, as a Chrome trace."""
    torch = load_torch("profile --trace")
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as torch_profile

    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * how.device.startswith("cuda")
    with torch.random.fork_rng(devices=_gpus(how)):
        copy, args, kwargs = prepared(target, inputs, how)
        step = TorchCall("", copy, args, kwargs, [p for p in copy.parameters() if p.requires_grad], how.training)
        step(how.timer)
        with torch_profile(activities=activities, record_shapes=True) as recorded:
            step(how.timer)
    path.parent.mkdir(parents=True, exist_ok=True)
    recorded.export_chrome_trace(str(path))
