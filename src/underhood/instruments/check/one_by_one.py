"""Every layer of a network computed anew from the layer's own input and δ, so that no fault hides behind another.

    a network by itself    each layer by the engine, if it knows it, else by numerical differentiation
    two networks           each layer by the one that stands in the same position in the other, weights copied in order

A network by itself is then differentiated as a whole, so that nothing is lost between the layers.
"""

from copy import deepcopy
from typing import Any

import numpy as np

from underhood import engine
from underhood.errors import BadInput
from underhood.instruments.check.faults import Case, Diagnosis, diagnose
from underhood.instruments.check.findings import DIFFERENCES, DOUBLE, Findings, Verdict, findings
from underhood.instruments.check.gap import Array, Gap, gap
from underhood.instruments.check.layers import LayerQuestion, as_array, as_question
from underhood.instruments.check.networks import COLUMNS, layer_gaps, layer_row, prepared, remarks, times
from underhood.instruments.check.operations import undiagnosed
from underhood.instruments.check.question import OUTPUT, Answer, Question, numerically
from underhood.instruments.check.recording import Call, Recording, is_ours, record, tensor_for
from underhood.instruments.pytorch import load_torch

MANY, SOME = 256, 64  # a weight of more than MANY elements is differentiated by SOME of them


def check_itself(net: Any, name: str, x: Array) -> Findings:
    """A network without anything to hold it against but the engine and mathematics."""
    net = prepared(net)
    recording = record(deepcopy(net), x)
    rows, verdicts = [], []
    for call in recording.calls:
        gaps, verdict = judge_layer(call, recording, _engine_question(call) or _differentiated(call))
        rows.append(layer_row(call, [gaps]))
        verdicts.append(verdict)
    off = whole(net, x, recording)
    rows.append({"layer": "(all)", "kind": type(net).__name__, "shape": times(x.shape), "weights": off.relative})
    lost = Diagnosis(
        "slope",
        f"along a random direction E's slope is off by {off.relative:.2g}: a gradient is lost or "
        "wrong, in a layer above or between the layers",
    )
    verdicts.append(Verdict({} if off.relative <= 1e-5 else {"all weights": lost}))
    for parameter, weight in net.named_parameters():
        if parameter not in recording.gradients:
            rows.append({"layer": parameter, "kind": "weight", "shape": times(tuple(weight.shape))})
            verdicts.append(Verdict({parameter: Diagnosis("nothing arrives", "no gradient reaches this weight")}))
    foot = ["A layer that the engine knows is held against it, any other against numerical differentiation."]
    title = f"{name} by itself, {times(x.shape)}"
    return findings(title, list(COLUMNS), rows, verdicts, [*foot, *remarks(net, recording)], f"check-{name}")


def check_pair(mine: Any, other: Any, name: str, against: str, x: Array) -> Findings:
    """A network against the one that it is meant to be, in the order in which their layers are used."""
    mine, other = prepared(mine), prepared(other)
    copy_weights(other, mine, name, against)
    right, found = record(deepcopy(other), x), record(deepcopy(mine), x)
    if len(right.calls) != len(found.calls):
        raise BadInput(
            f"{name} has {len(found.calls)} layers ({', '.join(c.kind for c in found.calls)}), "
            f"{against} has {len(right.calls)} ({', '.join(c.kind for c in right.calls)})"
        )
    rows, verdicts = [], []
    for i, (call, theirs) in enumerate(zip(found.calls, right.calls, strict=True)):
        rows.append(layer_row(call, [layer_gaps(right, found, i)]))
        swapped = Call(call.name, theirs.layer, call.input, theirs.output, call.delta)
        verdict = judge_layer(call, found, _engine_question(swapped) or _forward_question(swapped))[1]
        if verdict.problems and call.kind != theirs.kind:
            verdict = Verdict({OUTPUT: Diagnosis("another layer", f"{call.kind} where {theirs.kind} is expected")})
        verdicts.append(verdict)
    foot = [
        "Errors are between the two networks; a verdict is about the layer alone, on the input that it was given.",
        *remarks(mine, found),
    ]
    return findings(f"{name} against {against}, {times(x.shape)}", list(COLUMNS), rows, verdicts, foot, "check-pair")


def copy_weights(source: Any, target: Any, name: str, against: str) -> None:
    """Parameters and buffers from one network into another, in their order."""
    theirs, mine = list(source.state_dict().items()), list(target.state_dict().items())
    if len(theirs) != len(mine):
        raise BadInput(f"{name} has {len(mine)} weights and buffers, {against} has {len(theirs)}")
    for (their_name, value), (my_name, own) in zip(theirs, mine, strict=True):
        array, shape = as_array(value), tuple(own.shape)
        if array.shape != shape:
            hint = ": transposed weight" if array.shape == shape[::-1] else ""
            raise BadInput(f"{name}: {my_name} is {shape}, {their_name} of {against} is {array.shape}{hint}")
        own.numpy()[...] = array


# -- who computes a layer anew --


def _engine_question(call: Call) -> LayerQuestion | None:
    """The engine, if it knows the layer."""
    return None if call.input is None or call.delta is None else as_question(call.layer, call.input, call.delta)


def _forward_question(call: Call) -> LayerQuestion | None:
    """The layer itself, forward only."""
    if call.input is None:
        return None
    return LayerQuestion("", Question((call.input,), names=("input",)), lambda _: Answer(_run(call.layer, call)))


def _differentiated(call: Call) -> LayerQuestion | None:
    """The layer's own forward, differentiated by its weights; of a large weight, by some of its elements."""
    if call.delta is None or call.input is None:
        return None
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
        return _run(layer, call)

    def picked(name: str, array: Array) -> Array:
        return array.reshape(-1)[chosen[name]] if array.size > MANY else array

    inputs = tuple(picked(name, weight) for name, weight in weights.items())
    numeric = numerically(forward)

    def oracle(question: Question) -> Answer:
        if question.inputs is not inputs:  # what a layer would do with other weights it does not say of itself
            raise ValueError("another question")
        return numeric(question)

    return LayerQuestion("", Question(inputs, names=tuple(weights), delta=call.delta), oracle, picked)


def _run(layer: Any, call: Call) -> Array:
    """The layer's output for the input of a call, off the tape."""
    with quiet(layer):
        output = layer(tensor_for(layer, call.input))  # type: ignore[arg-type]
    return as_array(output[0] if isinstance(output, tuple) else output)


def quiet(net: Any) -> Any:
    """No tape while it lasts."""
    return engine.no_grad() if is_ours(net) else load_torch().no_grad()


# -- one layer --


def judge_layer(call: Call, recording: Recording, query: LayerQuestion | None) -> tuple[dict[str, Gap], Verdict]:
    """A layer's output and weights' gradients against who knows them."""
    if query is None:
        return {}, Verdict()
    answer = query.oracle(query.question)
    right = answer.parts(query.question.names)
    found = {OUTPUT: call.output}
    if sum(other.layer is call.layer for other in recording.calls) == 1:  # else the gradients are sums over its uses
        found |= {f"∂{name}": query.picked(name, g) for name, g in call.own(recording.gradients).items()}
    scale = 0.0 if call.delta is None else float(np.linalg.norm(call.delta))
    gaps = {part: gap(array, right[part], scale) for part, array in found.items() if part in right}
    problems = {}
    comparable = call.output.shape == answer.z.shape
    for part, g in gaps.items():
        if (comparable or part == OUTPUT) and not g.relative <= (DOUBLE if query.kind else DIFFERENCES):
            case = Case(query.kind, query.question, query.oracle, answer, part, found[part])
            problems[part] = diagnose(case) or undiagnosed(g, found[part], right[part])
    return gaps, Verdict(problems)


def whole(net: Any, x: Array, recording: Recording, h: float = 1e-5) -> Gap:
    """dE/ds along a random direction in all weights: by the gradients, against differences of E itself."""
    rng = np.random.default_rng(2)
    delta = np.random.default_rng(1).normal(size=recording.output.shape)  # type: ignore[union-attr]
    directions = {name: rng.normal(size=tuple(p.shape)) for name, p in net.named_parameters()}
    slope = sum(float((recording.gradients[n] * d).sum()) for n, d in directions.items() if n in recording.gradients)

    def output(step: float) -> Array:
        moved = deepcopy(net)
        for name, parameter in moved.named_parameters():
            parameter.detach().numpy()[...] += step * directions[name]
        with quiet(net):
            return as_array(moved(tensor_for(moved, x)))

    def change(step: float) -> float:
        return float((delta * (output(step) - output(-step))).sum())

    return gap(np.array([slope]), np.array([(8 * change(h) - change(2 * h)) / (12 * h)]))
