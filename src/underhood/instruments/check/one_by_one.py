"""Every layer of a network computed anew from the layer's own input and δ, so that no fault hides behind another.

    a network by itself    each layer by the engine, if it knows it, else by numerical differentiation
    two networks           each layer by its counterpart in the other, with the same weights

A network by itself is then differentiated as a whole, so that nothing is lost between the layers. That says whether
its gradients are those of its outputs; what the outputs are meant to be, only a reference can say. Where its weights
lie at a kink, as a spatial transformer's that begins with the identity, there is no slope to hold gradients against:
it is judged with its weights moved a little.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np

from underhood import engine
from underhood.errors import BadInput
from underhood.instruments.check import dropout
from underhood.instruments.check.faults import Case, Diagnosis, diagnose
from underhood.instruments.check.findings import DIFFERENCES, DOUBLE, Findings, Verdict, findings
from underhood.instruments.check.gap import Array, Gap, gap
from underhood.instruments.check.layers import LayerQuestion, as_array, as_question
from underhood.instruments.check.networks import COLUMNS, layer_row, prepared, remarks, times
from underhood.instruments.check.operations import undiagnosed
from underhood.instruments.check.question import OUTPUT, Answer, Question, numerically
from underhood.instruments.check.recording import (
    Arguments,
    Call,
    PassFailed,
    Recording,
    is_about_precision,
    is_array,
    is_ours,
    is_tensor,
    leaves,
    mapped,
    record,
    settled,
    shifted,
    tensor_for,
)
from underhood.instruments.check.steps import is_dropout
from underhood.instruments.pytorch import load_torch

MANY, SOME = 256, 64  # a weight of more than MANY elements is differentiated by SOME of them
SLOPE = 1e-5  # how near the slope of the whole has to come
MOVED = 1e-3  # how far a weight is moved away from a kink, of its own size or of 1


def check_itself(net: Any, name: str, x: Arguments) -> Findings:
    """A network without anything to hold it against but the engine and mathematics."""
    net = prepared(net)
    try:
        x, recording = _finite(net, x, name)
        found = _judged(net, name, x, recording)
        if found.agrees or not _at_kink(net, x, recording):
            return found
        moved = _moved(net)
        x, recording = _finite(moved, x, name)
        found = _judged(moved, name, x, recording)
    except PassFailed as error:
        if is_about_precision(error):
            raise BadInput(
                f"{name} does not compute in float64 ({error}), so that it cannot be differentiated numerically: "
                "hold it against a reference, with --against"
            ) from error
        raise BadInput(f"{name}: its forward raised: {error}") from error
    kink = "As its weights are, E has a kink, and no slope to hold gradients against: every weight was moved by about"
    return replace(found, foot=[*found.foot, f"{kink} {100 * MOVED:g} %."])


def _judged(net: Any, name: str, x: Arguments, recording: Recording) -> Findings:
    """Every layer, then the whole, where the weights are."""
    rows, verdicts = [], []
    for call in recording.calls:
        rows.append(layer_row(call, []))
        if is_dropout(call.layer):
            verdicts.append(Verdict(note="off here"))
            continue
        gaps, verdict = judge_layer(call, recording, _engine_question(call) or _differentiated(call))
        rows[-1] = layer_row(call, [gaps])
        verdicts.append(verdict)
    if any(verdict.problems for verdict in verdicts):
        refuse_chance(net, x, recording, name)
    off = whole(net, x, recording)
    if not off.relative <= SLOPE:
        refuse_chance(net, x, recording, name)
    shape = ", ".join(times(array.shape) for array in leaves(x, is_array).values())
    lost = Diagnosis(
        "slope",
        f"along a random direction E's slope is off by {off.relative:.2g}: a gradient is lost or "
        "wrong, in a layer above or between the layers",
    )
    wrong = {} if off.relative <= SLOPE else {"all weights" if recording.gradients else "inputs": lost}
    for parameter, weight in net.named_parameters():
        if parameter not in recording.gradients and weight.requires_grad:
            rows.append({"layer": parameter, "kind": "weight", "shape": times(tuple(weight.shape))})
            verdicts.append(Verdict({parameter: Diagnosis("nothing arrives", "no gradient reaches this weight")}))
    wrong |= {f"dropout {key}": found for key, found in dropout.judge(recording.dropped, None, net.training).items()}
    rows.append({"layer": "(all)", "kind": type(net).__name__, "shape": shape, "weights": off.relative})
    verdicts.append(Verdict(wrong))
    foot = [
        "A layer that the engine knows is held against it, any other against numerical differentiation. Whether the "
        "outputs are what they are meant to be, only a reference can say: --against."
    ]
    if recording.flow.random:
        kinds = ", ".join(dict.fromkeys(recording.flow.random))
        foot.append(f"It draws random numbers ({kinds}): the same ones in every pass here.")
    if recording.dropped:
        foot.append("Dropout is off in the comparison, and judged by itself in training mode.")
    if recording.changed:
        foot.append(f"It writes over {', '.join(recording.changed)}, which is its caller's.")
    title = f"{name} by itself, {shape}"
    return findings(title, list(COLUMNS), rows, verdicts, [*foot, *remarks(net, recording)], f"check-{name}")


def refuse_chance(net: Any, x: Arguments, recording: Recording, name: str) -> None:
    """Refuse a network that gives other numbers when it is asked again: chance is no mistake."""
    again = record(deepcopy(net), x, off=True, backward=False).outputs
    same = all(
        gap(z, recording.outputs[key]).relative < DIFFERENCES for key, z in again.items() if key in recording.outputs
    )
    if not same:
        raise BadInput(f"{name} gives other outputs every time, with dropout off: chance cannot be told from a mistake")


def _finite(net: Any, x: Arguments, name: str) -> tuple[Arguments, Recording]:
    """Inputs for which the outputs are finite, and the pass: positive ones where others are not."""
    positive = mapped(x, lambda array: np.abs(array) if array.dtype.kind == "f" else array, is_array)
    for given in (x, positive):
        recording = record(deepcopy(net), given, off=True)
        if not recording.gradients and not recording.input_gradients:
            raise BadInput(
                f"{name}: no gradient comes back to a weight or an input, so that by itself nothing can be "
                "checked: say what it is meant to be, with --against"
            )
        if all(np.isfinite(z).all() for z in recording.outputs.values() if z.dtype.kind == "f"):
            return given, recording
    raise BadInput(f"{name} returns values that are not finite for random inputs: there is nothing to differentiate")


# -- who computes a layer anew --


def _engine_question(call: Call) -> LayerQuestion | None:
    """The engine, if it knows the layer."""
    return None if call.input is None or call.delta is None else as_question(call.layer, call.input, call.delta)


def _forward_question(call: Call) -> LayerQuestion | None:
    """The layer itself, forward only."""
    z = rerun(call.layer, call.arguments)
    if z is None:
        return None
    inputs = (call.input,) if call.input is not None else ()
    return LayerQuestion("", Question(inputs, names=("input",)), lambda _: Answer(z))


def _differentiated(call: Call) -> LayerQuestion | None:
    """The layer's own forward, differentiated by its weights; of a large weight, by some of its elements."""
    if call.delta is None:
        return None
    if call.outputs > 1:  # gradients of the others have come too: the whole is differentiated, here forward is repeated
        return _forward_question(call)
    layer = deepcopy(call.layer)
    rng = np.random.default_rng(0)
    weights = {name: as_array(p) for name, p in layer.named_parameters(recurse=False)}
    chosen = {n: rng.permutation(w.size)[:SOME] if w.size > MANY else np.arange(w.size) for n, w in weights.items()}

    def forward(*numbers: Array) -> Array:
        for (name, weight), some in zip(weights.items(), numbers, strict=True):
            if np.iscomplexobj(some):
                raise TypeError("tensors are real here")
            moved = weight.copy()
            moved.reshape(-1)[chosen[name]] = some.reshape(-1)
            getattr(layer, name).detach().numpy()[...] = moved
        return _run(layer, call.arguments)

    def picked(name: str, array: Array) -> Array:
        return array.reshape(-1)[chosen[name]] if array.size > MANY else array

    inputs = tuple(picked(name, weight) for name, weight in weights.items())
    numeric = numerically(forward)

    def oracle(question: Question) -> Answer:
        if question.inputs is not inputs:  # what a layer would do with other weights it does not say of itself
            raise ValueError("another question")
        return numeric(question)

    return LayerQuestion("", Question(inputs, names=tuple(weights), delta=call.delta), oracle, picked)


def _run(layer: Any, arguments: Arguments) -> Array:
    """The layer's first output for the arguments of a call, off the tape."""
    args, kwargs = mapped(arguments, lambda array: tensor_for(layer, array), is_array)
    if hasattr(layer, "num_layers") and hasattr(layer, "dropout"):  # that between the layers of an LSTM
        layer = deepcopy(layer)
        layer.dropout = 0.0
    with quiet(layer), settled(layer):
        output = layer(*args, **kwargs)
    return as_array(next(iter(leaves(output, is_tensor).values())))


def rerun(layer: Any, arguments: Arguments) -> Array | None:
    """The same; None where the layer does not take them."""
    try:
        return _run(layer, arguments)
    except Exception:  # whatever a layer says to another one's arguments
        return None


def quiet(net: Any) -> Any:
    """No tape while it lasts."""
    return engine.no_grad() if is_ours(net) else load_torch().no_grad()


# -- one layer --


def judge_call(call: Call, swapped: Call, found: Recording) -> Verdict | None:
    """The verdict on a call, `swapped` being the same with the layer that it is held against; None if it can't be."""
    query = _engine_question(swapped) or _forward_question(swapped)
    if query is not None and query.question.extras:  # running statistics: what the layer itself would have used
        own = {n: as_array(b) for n in query.question.extras if (b := getattr(call.layer, n, None)) is not None}
        query = replace(query, question=replace(query.question, extras=query.question.extras | own))
    return None if query is None else judge_layer(call, found, query)[1]


def judge_layer(call: Call, recording: Recording, query: LayerQuestion | None) -> tuple[dict[str, Gap], Verdict]:
    """A layer's output and weights' gradients against who knows them."""
    if query is None:
        return {}, Verdict()
    answer = query.oracle(query.question)
    right = answer.parts(query.question.names)
    found = {OUTPUT: call.output}
    if sum(other.layer is call.layer for other in recording.calls) == 1:  # else the gradients are sums over its uses
        own = call.own(recording.gradients)
        found |= {f"∂{name}": query.picked(name, g) for name, g in own.items() if name not in _shared(call, recording)}
    scale = 0.0 if call.delta is None else float(np.linalg.norm(call.delta))
    gaps = {part: gap(array, right[part], scale) for part, array in found.items() if part in right}
    problems = {}
    comparable = call.output.shape == answer.z.shape
    for part, g in gaps.items():
        if (comparable or part == OUTPUT) and not g.relative <= (DOUBLE if query.kind else DIFFERENCES):
            case = Case(query.kind, query.question, query.oracle, answer, part, found[part])
            problems[part] = diagnose(case) or undiagnosed(g, found[part], right[part])
    return gaps, Verdict(problems)


def _shared(call: Call, recording: Recording) -> set[str]:
    """The weights of a layer that other layers use too: their gradients are sums over all uses."""
    elsewhere = {id(p) for other in recording.calls if other.layer is not call.layer for p in other.layer.parameters()}
    return {name for name, p in call.layer.named_parameters() if id(p) in elsewhere}


Line = Callable[[float], float]


def _along(net: Any, x: Arguments, recording: Recording) -> tuple[float, Line]:
    """E along a random direction in all weights and inputs: its slope by the gradients, and E itself at a step."""
    rng = np.random.default_rng(2)
    along = {name: rng.normal(size=tuple(p.shape)) for name, p in net.named_parameters() if p.requires_grad}
    slope = sum(float((recording.gradients[n] * d).sum()) for n, d in along.items() if n in recording.gradients)
    moves: dict[str, Array] = {
        key: np.asarray(rng.normal(size=g.shape)) for key, g in recording.input_gradients.items()
    }
    slope += sum(float((g * moves[key]).sum()) for key, g in recording.input_gradients.items())
    cotangents = np.random.default_rng(1)
    deltas = {name: cotangents.normal(size=z.shape) for name, z in recording.outputs.items()}

    def output(step: float) -> float:
        moved = deepcopy(net)
        for name, parameter in moved.named_parameters():
            if name in along:
                parameter.detach().numpy()[...] += step * along[name]
        outputs = record(moved, shifted(x, moves, step), off=True, backward=False).outputs
        return float(sum((deltas[name] * outputs[name]).sum() for name in recording.carried))

    return slope, output


def whole(net: Any, x: Arguments, recording: Recording) -> Gap:
    """dE/ds along a random direction: by the gradients, against differences of E itself.

    A step may carry an element over a kink: the best of several steps counts, for a wrong gradient is off in all.
    """
    slope, output = _along(net, x, recording)

    def change(step: float) -> float:
        return output(step) - output(-step)

    best = Gap(float("inf"), float("inf"))
    for h in (1e-5, 1e-6, 1e-4, 1e-7):
        found = gap(np.array([slope]), np.array([(8 * change(h) - change(2 * h)) / (12 * h)]))
        best = min(best, found, key=lambda one: one.relative)
        if best.relative <= SLOPE:
            break
    return best


def _at_kink(net: Any, x: Arguments, recording: Recording) -> bool:
    """Whether E's slopes to the right and to the left differ, and go on to do so as the step shrinks."""
    slope, output = _along(net, x, recording)
    middle = output(0.0)
    wide, narrow = (abs(output(h) - 2 * middle + output(-h)) / h for h in (1e-5, 5e-6))
    return narrow > SLOPE * abs(slope) and narrow > 0.75 * wide


def _moved(net: Any) -> Any:
    """The network with every weight a little elsewhere."""
    net, rng = deepcopy(net), np.random.default_rng(3)
    for _, parameter in net.named_parameters():
        values = parameter.detach().numpy()
        size = float(np.sqrt(np.mean(values**2))) if values.size else 0.0
        values[...] += MOVED * (size or 1.0) * rng.normal(size=values.shape)
    return net
