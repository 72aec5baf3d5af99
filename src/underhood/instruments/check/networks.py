"""A network of ours on the engine, in each of its forms, against PyTorch with the same weights: layer by layer.

Without PyTorch the forms are held against the vector form.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import psutil

from underhood import engine
from underhood.engine.fast.comparison import DISAGREES
from underhood.engine.forms import NAMES
from underhood.errors import BadInput
from underhood.instruments.check.faults import Diagnosis
from underhood.instruments.check.findings import (
    DOUBLE,
    SINGLE_COLUMN,
    ULPS,
    Findings,
    Verdict,
    error,
    findings,
    size,
    text,
)
from underhood.instruments.check.gap import Array, Gap, gap, worst
from underhood.instruments.check.layers import as_array
from underhood.instruments.check.operations import which
from underhood.instruments.check.question import OUTPUT
from underhood.instruments.check.recording import Call, Recording, is_ours, record, tensor_for
from underhood.instruments.pytorch import load_torch

DELTA = "δ"
COPIES = 4  # of a network's weights at once: itself, the one that is recorded, its gradients, the one that is moved
COLUMNS = [
    text("layer", "Layer"),
    text("kind", "Kind"),
    text("shape", "Output"),
    error("output", "Output"),
    error("delta", "∂E/∂output"),
    error("weights", "∂E/∂weights"),
    error("buffers", "Buffers"),
]


def prepared(net: Any, precision: str = "float64") -> Any:
    """A copy to be recorded, on the processor."""
    need = COPIES * 8 * sum(prod(p.shape) for p in net.parameters())
    if need > (free := psutil.virtual_memory().available):
        raise BadInput(
            f"{type(net).__name__}: its copies in float64 take {need / 1e9:.3g} GB, {free / 1e9:.3g} GB are free"
        )
    try:
        net = deepcopy(net)
    except Exception as error:
        raise BadInput(f"{type(net).__name__} cannot be copied: {error}") from error
    if any(getattr(p, "is_meta", False) for p in net.parameters()):
        raise BadInput(f"{type(net).__name__} is on the meta device: it has no numbers to compare")
    if not is_ours(net):
        net = net.cpu()
    return net.double() if precision == "float64" else net.float()


def inputs_for(shape: tuple[int, ...], dtype: str = "", seed: int = 0) -> Array:
    """Random normal values of a shape; 0 and 1 for integers."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.integers(0, 2, shape) > 0
    return rng.integers(0, 2, shape).astype(dtype) if dtype.startswith(("int", "uint")) else rng.normal(size=shape)


def check_network(build: Callable[[Any], Any], name: str, x: Array, oracle: str | None = None) -> Findings:
    """A network that builds on either library, on the engine."""
    ours = prepared(build(engine.nn))
    right, rounded, forms, who = _right(build, ours, x, which(oracle) == "torch")
    double = {form: _in_form(form, ours, x) for form in forms}
    single = [_in_form(form, deepcopy(ours).float(), x) for form in forms]
    rows, verdicts = [], []
    for i, call in enumerate(right.calls):
        found = {form: layer_gaps(right, recording, i) for form, recording in double.items()}
        off = worst([g for recording in single for g in layer_gaps(rounded, recording, i).values()])
        rows.append(layer_row(call, list(found.values())) | {"single": size(off), "ulps": off and off.ulps})
        verdicts.append(_judged(found))
    if right.input_gradient is not None:
        theirs = {form: recording.input_gradient for form, recording in double.items()}
        gaps = {form: gap(np.zeros(()) if g is None else g, right.input_gradient) for form, g in theirs.items()}
        delta = size(worst(list(gaps.values())))
        rows.append({"layer": "input", "kind": "", "shape": times(x.shape), "delta": delta})
        verdicts.append(_judged({form: {DELTA: g} for form, g in gaps.items()}))
    double_plan, single_plan = replayed(ours, x, right), replayed(deepcopy(ours).float(), x, right)
    gaps = whole_gaps(right, double_plan)
    off = worst(list(whole_gaps(rounded, single_plan).values()))
    rows.append(whole_row(x, gaps) | {"single": size(off), "ulps": off and off.ulps})
    reason = double_plan.reason or single_plan.reason
    verdicts.append(_not_replayed(reason) if reason else _judged({"plan": gaps}))
    title = f"{name} on the engine ({', '.join(forms)}) against {who}, {times(x.shape)}"
    foot = ["The same weights and input; E = ⟨δ, output⟩ with a random δ. Dropout is off. The worst of all forms."]
    foot += [f"As a plan: {reason}; it ran as it stands."] if reason else []
    columns = [*COLUMNS, SINGLE_COLUMN, ULPS]
    return findings(title, columns, rows, verdicts, [*foot, *remarks(ours, right)], f"check-{name}")


def _right(build: Any, ours: Any, x: Array, by_torch: bool) -> tuple[Recording, Recording, tuple[str, ...], str]:
    """The right recordings, on the input and on the input as float32 rounds it; the forms to hold against them."""
    single = x.astype(np.float32).astype(np.float64) if x.dtype.kind == "f" else x
    if not by_torch:
        return _in_form("vector", ours, x), _in_form("vector", ours, single), ("definition", "fast"), "its vector form"
    torch = load_torch()
    theirs = prepared(build(torch.nn))
    theirs.load_state_dict({key: torch.tensor(value.numpy()) for key, value in ours.state_dict().items()})
    return record(deepcopy(theirs), x, off=True), record(deepcopy(theirs), single, off=True), NAMES, "PyTorch"


def _in_form(form: str, net: Any, x: Array) -> Recording:
    with engine.form(form):
        return record(deepcopy(net), x, off=True)


# -- all layers at once, replayed --


@dataclass(frozen=True)
class Replayed:
    """What a plan made of the network. `reason` says why it was none."""

    output: Array
    gradients: dict[str, Array]
    buffers: dict[str, Array]
    reason: str


def replayed(net: Any, x: Array, right: Recording, seed: int = 1) -> Replayed:
    """The network on the engine as a plan (engine/fast/plan.py), with the δ of `right`."""
    net = deepcopy(net)
    for p in net.parameters():
        p.grad = None
    shape = () if right.output is None else right.output.shape
    delta = tensor_for(net, np.asarray(np.random.default_rng(seed).normal(size=shape)))

    def step(x: Any) -> tuple[Any, Any]:
        z = net(x)
        z = z[0] if isinstance(z, tuple) else z
        return (z * delta).sum(), z

    plan = engine.plan(step)
    _, z = plan(tensor_for(net, x))
    gradients = {name: as_array(p.grad) for name, p in net.named_parameters() if p.grad is not None}
    return Replayed(as_array(z), gradients, {name: as_array(b) for name, b in net.named_buffers()}, plan.reason)


def _not_replayed(reason: str) -> Verdict:
    """A plan that ended because its replay differed is wrong; one that there never was is not judged."""
    if reason.startswith(DISAGREES):
        return Verdict({"plan": Diagnosis("replay differs", reason)})
    return Verdict(note="not a plan")


def whole_gaps(right: Recording, found: Replayed) -> dict[str, Gap]:
    """The output, all weights' gradients and the buffers; gradients against the largest of them.

    A gradient that is nothing but rounding, such as a bias's before BatchNorm, has no relative error of its own.
    """
    made = {} if right.output is None else {OUTPUT: gap(found.output, right.output)}
    largest = max((float(np.linalg.norm(g)) for g in right.gradients.values()), default=0.0)
    for name, expected in right.gradients.items():
        made[f"∂{name}"] = gap(found.gradients.get(name, np.zeros(())), expected, largest)
    floats = {name: b for name, b in right.buffers.items() if b.dtype.kind == "f"}
    return made | {name: gap(found.buffers.get(name, np.zeros(())), b) for name, b in floats.items()}


def whole_row(x: Array, gaps: dict[str, Gap]) -> dict[str, Any]:
    """The row of the plan."""

    def of(test: Callable[[str], bool]) -> float | None:
        return size(worst([g for part, g in gaps.items() if test(part)]))

    return {
        "layer": "all, as a plan",
        "kind": "",
        "shape": times(x.shape),
        "output": of(lambda part: part == OUTPUT),
        "weights": of(lambda part: part.startswith("∂")),
        "buffers": of(lambda part: part != OUTPUT and not part.startswith("∂")),
    }


def times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "1"


def far(g: Gap) -> bool:
    return not g.relative <= DOUBLE


# -- one layer of two recordings --


def layer_gaps(right: Recording, found: Recording, i: int) -> dict[str, Gap]:
    """The output, its gradient δ, the weights' gradients and the buffers of layer i."""
    one, other = right.calls[i], found.calls[i]
    made = {OUTPUT: gap(other.output, one.output)}
    scale = 0.0
    if one.delta is not None:
        made[DELTA] = gap(np.zeros(()) if other.delta is None else other.delta, one.delta)
        scale = float(np.linalg.norm(one.delta))
    for prefix, home in (("∂", "gradients"), ("", "buffers")):
        theirs = other.own(getattr(found, home))
        for name, expected in one.own(getattr(right, home)).items():
            if expected.dtype.kind == "f":
                made[prefix + name] = gap(theirs.get(name, np.zeros(())), expected, scale)
    return made


def layer_row(call: Call, gaps: list[dict[str, Gap]]) -> dict[str, Any]:
    """The worst gap of each kind, as a row."""

    def of(test: Callable[[str], bool]) -> float | None:
        return size(worst([g for one in gaps for part, g in one.items() if test(part)]))

    return {
        "layer": call.name,
        "kind": call.kind,
        "shape": times(call.output.shape),
        "output": of(lambda part: part == OUTPUT),
        "delta": of(lambda part: part == DELTA),
        "weights": of(lambda part: part.startswith("∂")),
        "buffers": of(lambda part: part not in (OUTPUT, DELTA) and not part.startswith("∂")),
    }


def _judged(gaps: dict[str, dict[str, Gap]]) -> Verdict:
    """The parts of a layer that are off, and in which form."""
    return Verdict(
        {
            f"{part} ({form})": Diagnosis("differs", f"off by {g.relative:.2g} of its norm")
            for form, found in gaps.items()
            for part, g in found.items()
            if far(g)
        }
    )


def remarks(net: Any, recording: Recording) -> list[str]:
    """What a reviewer would notice without any number being wrong."""
    found = []
    z = recording.output
    if z is not None and z.ndim == 2 and z.shape[1] > 1 and (z >= 0).all() and np.allclose(z.sum(1), 1, atol=1e-6):
        found.append("Its outputs are probabilities already: cross-entropy would take the softmax a second time.")
    strayed = [
        name for name, m in net.named_modules() if "BatchNorm" in type(m).__name__ and m.training != net.training
    ]
    if strayed:
        mode = "train" if net.training else "eval"
        found.append(f"Stale BatchNorm mode: the network is in {mode} mode, {', '.join(strayed)} is not.")
    return found
