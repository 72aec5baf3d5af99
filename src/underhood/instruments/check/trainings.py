"""Two trainings that should be the same: the first step at which they part, and the layer that parts first.

A step is written down in the order in which it is computed: the layers' outputs, the loss, the weights' gradients
(the last layer's first), the weights after the optimiser's step, the buffers. The first of these that differs is
where to look; what comes after it differs because of it.

    check_trainings(Training(net_a, sgd_a, cross_entropy, batches), Training(net_b, sgd_b, cross_entropy, batches))

The two may be of different libraries, and two calls of one function; their weights at the start have to be equal.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from underhood.errors import BadInput
from underhood.instruments.check.faults import Case, Diagnosis, diagnose
from underhood.instruments.check.faults.optimisers import History, diagnose_path, engine_optimizer
from underhood.instruments.check.findings import DOUBLE, Findings, Verdict, error, findings
from underhood.instruments.check.gap import Array, gap
from underhood.instruments.check.layers import as_array
from underhood.instruments.check.operations import undiagnosed
from underhood.instruments.check.own import meant
from underhood.instruments.check.question import Answer, Answerer, Question, by_tensors, by_torch
from underhood.instruments.check.recording import Call, Recording, is_ours, no_inplace, record, tensor_for
from underhood.tables import Column

Quantity = tuple[str, str, Array]  # what it is, its name, its numbers


@dataclass
class Training:
    """`loss(output, target)` gives a tensor of one number; `batches` are pairs of arrays or tensors."""

    net: Any
    optimizer: Any
    loss: Callable[[Any, Any], Any]
    batches: Iterable[tuple[Any, Any]]
    name: str = ""


@dataclass
class Step:
    """One step: what it computed, in order, and what explains it."""

    quantities: list[Quantity]
    training: Training | None = None
    recording: Recording | None = None
    target: Array | None = None


def steps(training: Any) -> Iterator[Step]:
    """Train, and write every step down. A loop of the user's own yields dicts of arrays instead, in its order."""
    if not isinstance(training, Training):
        for made in training:
            yield Step([("quantity", name, _array(x)) for name, x in made.items()])
        return
    net = training.net
    no_inplace(net)
    yield Step([("start", name, as_array(p)) for name, p in net.named_parameters()], training)
    for x, target in training.batches:
        training.optimizer.zero_grad()
        t = _array(target)

        def loss(z: Any, t: Array = t) -> Any:
            return training.loss(z, tensor_for(net, t))

        recording = record(net, _array(x), loss, clear=False, keep_queries=True)
        training.optimizer.step()
        yield Step(list(_in_order(net, recording)), training, recording, t)


def _in_order(net: Any, recording: Recording) -> Iterator[Quantity]:
    for call in recording.calls:
        yield "output", call.name, call.output
    assert recording.loss is not None
    yield "loss", "loss", recording.loss
    weights = {name: as_array(p) for name, p in net.named_parameters()}
    for name in reversed(weights):
        yield "gradient", name, recording.gradients.get(name, np.zeros(()))
    for name, array in weights.items():
        yield "weight", name, array
    for name, buffer in net.named_buffers():
        if (array := as_array(buffer)).dtype.kind == "f":
            yield "buffer", name, array


def _array(x: Any) -> Array:
    return as_array(x) if hasattr(x, "detach") else np.asarray(x)


# -- side by side --


def check_trainings(first: Any, second: Any, limit: int = 20, tolerance: float = DOUBLE) -> Findings:
    """`first` is the right one. A row for each step, until they part."""
    rows: list[dict[str, Any]] = []
    verdicts: list[Verdict] = []
    past: list[tuple[Step, Step]] = []
    for a, b in zip(islice(steps(first), limit + 1), steps(second), strict=False):
        _same_quantities(a, b)
        gaps = [gap(found, right) for (_, _, right), (_, _, found) in zip(a.quantities, b.quantities, strict=True)]
        past.append((a, b))
        parted = next((i for i, g in enumerate(gaps) if not g.relative <= tolerance), None)
        rows.append(_row(len(past) - isinstance(first, Training), a, b, [g.relative for g in gaps]))
        verdicts.append(Verdict())
        if parted is not None:
            kind, name, _ = a.quantities[parted]
            verdicts[-1] = Verdict(
                {
                    _description(kind, name): _diagnosed(past, parted)
                    or undiagnosed(gaps[parted], b.quantities[parted][2], a.quantities[parted][2])
                }
            )
            break
    columns = [
        Column("step", "Step"),
        error("loss_a", "Loss"),
        error("loss_b", "Its loss"),
        error("worst", "Worst gap"),
    ]
    columns = [replace(c, format=".6g") if c.name.startswith("loss") else c for c in columns]
    foot = [f"They part at step {rows[-1]['step']}." if verdicts and verdicts[-1].problems else "They do not part."]
    title = f"{_name(second, 'the second')} against {_name(first, 'the first')}, {len(rows)} steps"
    return findings(title, columns, rows, verdicts, foot, "check-trainings")


def _name(training: Any, otherwise: str) -> str:
    return getattr(training, "name", "") or otherwise


def _row(step: int, a: Step, b: Step, gaps: list[float]) -> dict[str, Any]:
    losses = [next((float(x) for kind, _, x in s.quantities if kind == "loss"), None) for s in (a, b)]
    return {"step": step, "loss_a": losses[0], "loss_b": losses[1], "worst": max(gaps, default=0.0)}


def _same_quantities(a: Step, b: Step) -> None:
    kinds = [[kind for kind, _, _ in step.quantities] for step in (a, b)]
    if kinds[0] != kinds[1]:
        counts = [", ".join(f"{k.count(one)} {one}s" for one in dict.fromkeys(k)) for k in kinds]
        raise BadInput(f"the two trainings do not compute the same things: {counts[0]}; {counts[1]}")


def _description(kind: str, name: str) -> str:
    return {"gradient": f"∂E/∂{name}", "start": f"{name} at the start", "weight": f"{name} after the step"}.get(
        kind, name
    )


# -- the diagnosis --


def _diagnosed(past: list[tuple[Step, Step]], i: int) -> Diagnosis | None:
    """Why quantity i of the last step parts, all before it being equal."""
    a, b = past[-1]
    kind, name, _ = a.quantities[i]
    found = b.quantities[i][2]
    if kind == "start":
        return Diagnosis("other weights", "the two do not start from the same weights")
    if a.recording is None or b.recording is None or a.training is None:
        return None
    if kind == "output":
        return _layer(a.recording.calls[i], b.recording.calls[i])
    if kind == "loss":
        return _loss(a, found)
    if kind == "gradient":
        return _gradient(past, i)
    if kind == "weight":
        return _weight(past, name, found)
    return _buffer(a, name, found)


def _layer(right: Call, found: Call) -> Diagnosis | None:
    if right.kind != found.kind:
        return Diagnosis("another layer", f"{found.kind} where {right.kind} is expected")
    query = right.query
    if query is None:
        return None
    answer = query.oracle(query.question)
    return diagnose(Case(query.kind, query.question, query.oracle, answer, "z", found.output))


def _loss(a: Step, found: Array) -> Diagnosis | None:
    assert a.training
    assert a.recording
    assert a.recording.output is not None
    loss, net = a.training.loss, a.training.net
    operation = meant(getattr(loss, "__name__", type(loss).__name__))
    by = by_tensors if is_ours(net) else by_torch
    oracle: Answerer = by(lambda x, t: loss(x, t))
    question = Question((a.recording.output.astype(np.float64), a.target), {}, ("x", "t"))
    answer = oracle(question)
    return diagnose(Case(operation.name if operation else "", question, oracle, answer, "z", found.astype(np.float64)))


def _gradient(past: list[tuple[Step, Step]], i: int) -> Diagnosis | None:
    (a, b), (_, name, right) = past[-1], past[-1][0].quantities[i]
    found = b.quantities[i][2]
    earlier = [step.quantities[i][2] for _, step in past[:-1] if len(step.quantities) == len(b.quantities)]
    if earlier and gap(found, right + earlier[-1]).relative < DOUBLE:
        return Diagnosis("gradient not cleared", "the last step's gradient is still in it: zero_grad is missing")
    assert a.recording
    call = next((c for c in a.recording.calls if name.startswith(f"{c.name}.")), None)
    if call is not None and call.query is not None:
        part, query = f"∂{name.removeprefix(f'{call.name}.')}", call.query
        question = replace(query.question, delta=call.delta)
        answer = query.oracle(question)
        return diagnose(Case(query.kind, question, query.oracle, answer, part, found))
    question = Question((a.recording.calls[0].input,), {}, ("input",))
    answer = Answer(a.recording.output, (), {name: right})  # type: ignore[arg-type]
    return diagnose(Case("", question, _nobody, answer, name, found))


def _nobody(question: Question) -> Answer:
    raise ValueError("there is nobody to ask")


def _weight(past: list[tuple[Step, Step]], name: str, found: Array) -> Diagnosis | None:
    """The optimiser of the first training, run over its gradients with a mistake in it."""
    steps = [a for a, _ in past]
    assert steps[0].training is not None
    found_optimizer = engine_optimizer(steps[0].training.optimizer)
    if found_optimizer is None:
        return None
    start = next(x for kind, n, x in steps[0].quantities if n == name)
    gradients = [x for step in steps for kind, n, x in step.quantities if kind == "gradient" and n == name]
    return diagnose_path(*found_optimizer, History(start, gradients), found)


def _buffer(a: Step, name: str, found: Array) -> Diagnosis | None:
    assert a.recording
    layer, _, buffer = name.rpartition(".")
    call = next((c for c in a.recording.calls if c.name == layer), None)
    if call is None or (query := call.query) is None:
        return None
    momentum = {"momentum": getattr(call.layer, "momentum", 0.1)}
    question = replace(query.question, settings=query.question.settings | momentum)
    answer = Answer(call.output, (), {buffer: next(x for _, n, x in a.quantities if n == name)})
    return diagnose(Case(query.kind, question, _nobody, answer, buffer, found))
