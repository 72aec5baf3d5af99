"""A network against the one that it is meant to be: layer by layer, and as a whole.

Both get the same weights (see `weights`) and the same inputs, and are run as they are, in the other of training and
evaluation mode, on inputs ten times as large, and on small whole numbers, where ties and zeros are. A layer's verdict
is about the layer alone, on the input that it was given; the last row is the whole: every output, every input's
gradient and every weight's, and it alone decides. Where the whole differs, `divergence` says between which tensors.
"""

from collections.abc import Callable
from copy import deepcopy
from difflib import SequenceMatcher
from itertools import permutations
from typing import Any

import numpy as np

from underhood.errors import BadInput
from underhood.instruments.check import dropout
from underhood.instruments.check.divergence import lost, parting
from underhood.instruments.check.faults import Diagnosis
from underhood.instruments.check.findings import DOUBLE, Findings, Verdict, findings, size
from underhood.instruments.check.gap import Array, Gap, gap, worst
from underhood.instruments.check.networks import COLUMNS, layer_row, prepared, remarks, times
from underhood.instruments.check.one_by_one import judge_call, refuse_chance, rerun
from underhood.instruments.check.operations import undiagnosed
from underhood.instruments.check.passes import Pass, passes_of
from underhood.instruments.check.question import OUTPUT
from underhood.instruments.check.recording import (
    Arguments,
    Call,
    PassFailed,
    Recording,
    is_about_precision,
    is_array,
    mapped,
)
from underhood.instruments.check.steps import is_dropout, is_library
from underhood.instruments.check.weights import Links, copy_weights, draw_constants, match

ROUGH = 1e-4  # how near the whole has to come where the networks compute in float32


def check_pair(mine: Any, other: Any, name: str, against: str, x: Arguments) -> Findings:
    """`mine` against `other`; the last row, "(all)", sets whether it agrees."""
    try:
        return _check_pair(mine, other, name, against, x, "float64")
    except PassFailed as error:
        if not is_about_precision(error):
            raise BadInput(f"{against}: its forward raised: {error}") from error
    try:
        return _check_pair(mine, other, name, against, x, "float32")
    except PassFailed as error:
        raise BadInput(f"{against}: its forward raised: {error}") from error


def _check_pair(mine: Any, other: Any, name: str, against: str, x: Arguments, precision: str) -> Findings:
    mine, other = prepared(mine, precision), prepared(other, precision)
    links = match(mine, other, name, against)
    for net in (mine, other):
        draw_constants(net)
    copy_weights(other, mine, links)
    passes = list(passes_of(mine, other, x, against, precision))
    first = passes[0]
    tolerance = DOUBLE if precision == "float64" else ROUGH
    pairs = _counterparts(first.found.calls, first.right.calls, links) if first.found else {}
    rows, verdicts = _layers(first, pairs)
    drops = _dropouts(passes)
    gaps = [(one, _gaps(one, links)) for one in passes if one.found is not None]
    problems = _problems(name, passes, gaps, links, verdicts, rows, tolerance)
    whole = Verdict(problems | {f"dropout {key}": found for key, found in drops.items()})
    if not problems:
        verdicts = [Verdict(note="differs alone, not in the whole") if v.problems else v for v in verdicts]
    rows.append(_whole_row(mine, first, [g for _, g in gaps]))
    foot = _foot(passes, links, drops, first, precision)
    foot += remarks(mine, first.found) if first.found else []
    title = f"{name} against {against}, {_shapes(x)}"
    return findings(title, list(COLUMNS), rows, [*verdicts, whole], foot, "check-pair")


def _shapes(x: Arguments) -> str:
    shapes: list[str] = []
    mapped(x, lambda array: shapes.append(times(array.shape)), is_array)
    return ", ".join(shapes)


# -- the layers --


def _counterparts(mine: list[Call], theirs: list[Call], links: Links) -> dict[int, int]:
    """Which call of the reference's is which of mine: by weights, by name, then in order."""
    owners = {link.mine.rpartition(".")[0]: link.theirs.rpartition(".")[0] for link in links.links}
    at: dict[tuple[str, int], int] = {}
    seen: dict[str, int] = {}
    for j, call in enumerate(theirs):
        seen[call.name] = seen.get(call.name, 0) + 1
        at[call.name, seen[call.name]] = j
    pairs: dict[int, int] = {}
    seen = {}
    for i, call in enumerate(mine):
        seen[call.name] = seen.get(call.name, 0) + 1
        other = at.get((owners.get(call.name, call.name), seen[call.name]))
        if other is not None and (call.name in owners or call.kind == theirs[other].kind):
            pairs[i] = other
    left = [i for i in range(len(mine)) if i not in pairs], [j for j in range(len(theirs)) if j not in pairs.values()]
    if len(left[0]) == len(left[1]):
        return pairs | dict(zip(*left, strict=True))
    matcher = SequenceMatcher(None, [mine[i].kind for i in left[0]], [theirs[j].kind for j in left[1]], False)
    for block in matcher.get_matching_blocks():
        for n in range(block.size):
            pairs[left[0][block.a + n]] = left[1][block.b + n]
    return pairs


def _layers(first: Pass, pairs: dict[int, int]) -> tuple[list[dict[str, Any]], list[Verdict]]:
    """A row for each layer of mine, with the verdict on the layer alone."""
    rows: list[dict[str, Any]] = []
    verdicts: list[Verdict] = []
    for i, call in enumerate(first.found.calls if first.found else ()):
        theirs = first.right.calls[pairs[i]] if i in pairs else None
        rows.append(layer_row(call, [] if theirs is None else [_call_gaps(call, theirs)]))
        if theirs is None:
            verdicts.append(Verdict(note="no counterpart"))
        elif is_dropout(call.layer) or is_dropout(theirs.layer):
            verdicts.append(Verdict(note="off here"))
        else:
            assert first.found is not None
            verdicts.append(_judged(call, theirs, first.found))
    return rows, verdicts


def _call_gaps(call: Call, theirs: Call) -> dict[str, Gap]:
    made = {OUTPUT: gap(call.output, theirs.output)}
    if theirs.delta is not None:
        delta = np.zeros(()) if call.delta is None else call.delta
        made["δ"] = gap(delta, theirs.delta, float(np.linalg.norm(theirs.delta)))
    return made


def _judged(call: Call, theirs: Call, found: Recording) -> Verdict:
    swapped = Call(call.name, theirs.layer, call.input, theirs.output, call.delta, arguments=call.arguments)
    verdict = judge_call(call, swapped, found)
    if verdict is None:
        return Verdict(note="not judged alone")
    if verdict.problems and (gates := _gates(call, theirs)):
        return Verdict({OUTPUT: gates})
    if verdict.problems and call.kind != theirs.kind and is_library(call.layer) and is_library(theirs.layer):
        return Verdict({OUTPUT: Diagnosis("another layer", f"{call.kind} where {theirs.kind} is expected")})
    if verdict.problems and (other := _another_setting(call.layer, theirs.layer)):
        return Verdict({part: other if found.name == "differs" else found for part, found in verdict.problems.items()})
    return verdict


def _another_setting(mine: Any, theirs: Any) -> Diagnosis | None:
    """An argument in which two layers of one class differ."""
    if type(mine).__name__ != type(theirs).__name__ or not is_library(mine):
        return None
    plain = (int, float, str, tuple)
    for key, value in vars(theirs).items():
        own = vars(mine).get(key, value)
        if not key.startswith("_") and key != "training" and isinstance(value, plain) and own != value:
            return Diagnosis("another setting", f"{key} is {own!r} where {value!r} is expected")
    return None


def _gates(call: Call, theirs: Call) -> Diagnosis | None:
    """Whether a recurrent layer has taken the blocks of its weights for other gates than the reference's."""
    names = {"LSTM": "ifgo", "LSTMCell": "ifgo", "GRU": "rzn", "GRUCell": "rzn"}.get(theirs.kind, "")
    for order in permutations(range(len(names))) if names else ():
        layer = deepcopy(theirs.layer)
        for _, weight in layer.named_parameters():
            array = weight.detach().numpy()
            array[...] = np.concatenate([np.split(array, len(names))[i] for i in order])
        z = rerun(layer, call.arguments)
        if z is not None and gap(call.output, z).relative < ROUGH and list(order) != sorted(order):
            mine = ", ".join(names[i] for i in np.argsort(order))
            return Diagnosis("gates swapped", f"it takes the blocks for {mine}, which are {', '.join(names)}")
    return None


def _dropouts(passes: list[Pass]) -> dict[str, Diagnosis]:
    """What is wrong with dropout, in training mode and in evaluation."""
    problems: dict[str, Diagnosis] = {}
    for one in passes:
        if one.found is not None and (not one.how or one.how.endswith("mode")):
            problems = dropout.judge(one.found.dropped, one.right.dropped, one.training) | problems
    return problems


# -- the whole --


def _gaps(one: Pass, links: Links) -> dict[str, tuple[Gap, Array | None, Array]]:
    """Of every output, input's and weight's gradient and running statistic: the gap, mine, the reference's."""
    right, found = one.right, one.found
    assert found is not None
    made: dict[str, tuple[Gap, Array | None, Array]] = {}

    def compare(part: str, mine: Array | None, theirs: Array, scale: float = 0.0) -> None:
        made[part] = gap(np.zeros_like(theirs) if mine is None else mine, theirs, scale), mine, theirs

    alone = len(right.outputs) == len(found.outputs) == 1
    for name, z in right.outputs.items():
        mine = next(iter(found.outputs.values())) if alone else found.outputs.get(name)
        if mine is None:
            made[name] = (Gap(float("inf"), float("inf")), None, z)
        else:
            compare("output" if alone else f"output {name}".replace("output output", "output"), mine, z)
    for name, theirs in right.input_gradients.items():
        compare(f"∂{name}", found.input_gradients.get(name), theirs, float(np.linalg.norm(theirs)))
    for name in set(found.input_gradients) - set(right.input_gradients):
        compare(f"∂{name}", found.input_gradients[name], np.zeros_like(found.input_gradients[name]))
    largest = max((float(np.linalg.norm(g)) for g in right.gradients.values()), default=0.0)
    tied = {mine for names in links.shared.values() for mine in names}
    for link in links.links:
        whole = right.gradients.get(link.theirs)
        own = found.gradients.get(link.mine)
        if link.mine in tied or (whole is None and own is None):
            continue
        if whole is None:
            assert own is not None
            compare(f"∂{link.mine}", own, np.zeros_like(own), largest)
        else:
            compare(f"∂{link.mine}", None if own is None else link.of_mine(own), link.of_theirs(whole), largest)
    for mine_name, their_name in links.statistics.items():
        compare(mine_name, found.buffers.get(mine_name), right.buffers[their_name])
    return made


def _problems(
    name: str,
    passes: list[Pass],
    gaps: list[tuple[Pass, dict[str, tuple[Gap, Array | None, Array]]]],
    links: Links,
    verdicts: list[Verdict],
    rows: list[dict[str, Any]],
    tolerance: float,
) -> dict[str, Diagnosis]:
    """The parts of the whole that differ, and why; of the first pass that differs."""
    for one in passes:
        if one.failed:
            return {"all": Diagnosis("breaks down", f"its forward raised {one.failed}{one.where}")}
        parts = next(found for p, found in gaps if p is one)
        far = [part for part, (g, _, _) in parts.items() if not g.relative <= tolerance]
        if not far:
            continue
        if one.found is not None and one.found.flow.random:
            raise BadInput(
                f"its forward draws random numbers ({', '.join(dict.fromkeys(one.found.flow.random))}): a difference "
                "may be chance; dropout as a layer or torch.nn.functional.dropout is known"
            )
        if one.found is not None:
            refuse_chance(one.net, one.x, one.found, name)
        why = _why(one, parts, far, links, verdicts, rows)
        return {f"{part}{one.where}": why(part) for part in _few(far)}
    if links.shared:
        theirs, several = next(iter(links.shared.items()))
        text = f"{' and '.join(several)} are one weight in the reference ({theirs})"
        return {several[0]: Diagnosis("weights not shared", text)}
    return {}


def _few(parts: list[str]) -> list[str]:
    """At most six parts by name: the outputs and inputs first."""
    return parts[:6]


def _why(
    one: Pass,
    parts: dict[str, tuple[Gap, Array | None, Array]],
    far: list[str],
    links: Links,
    verdicts: list[Verdict],
    rows: list[dict[str, Any]],
) -> Callable[[str], Diagnosis]:
    """What explains a part that differs."""
    assert one.found is not None
    own: dict[str, Diagnosis] = {}
    for part in far:
        g, mine, theirs = parts[part]
        if mine is None and part.startswith("∂"):
            own[part] = Diagnosis("nothing arrives", "no gradient reaches it")
        elif mine is None:
            own[part] = Diagnosis("missing output", "it is not returned")
        else:
            own[part] = undiagnosed(g, mine, theirs)
    cause = next((found for found in own.values() if found.name == "missing output"), None)
    if cause is None and any(part.startswith("output") for part in far):
        split = parting(one.found.flow, one.right.flow, links)
        guilty = [(row["layer"], v) for row, v in zip(rows, verdicts, strict=False) if v.problems]
        layer = next((v for name, v in guilty if split is None or split.step.name.partition("#")[0] == name), None)
        if layer is None and (split is None or split.diagnosis.name == "differs") and guilty:
            layer = guilty[0][1]
        cause = next(iter(layer.problems.values())) if layer else split.diagnosis if split else None
        if (links.mine or links.theirs) and (cause is None or cause.name in ("differs", "factor")):
            cause = _without_counterpart(links, cause)
    elif cause is None and any(part.startswith("∂") for part in far):
        guilty = [(row["layer"], v) for row, v in zip(rows, verdicts, strict=False) if v.problems]
        cause = next(iter(guilty[0][1].problems.values())) if guilty else lost(one.found, one.right, links)
    if cause is None:
        return lambda part: own[part]
    found = cause
    return lambda part: (
        found if own[part].name in ("differs", "nothing arrives", "not finite", "wrong shape") else own[part]
    )


def _without_counterpart(links: Links, cause: Diagnosis | None) -> Diagnosis:
    where = f"; {cause.explanation}" if cause else ""
    if links.theirs:
        return Diagnosis("missing weight", f"the reference has {', '.join(links.theirs)}, here there is none{where}")
    return Diagnosis("extra weight", f"the reference has no {', '.join(links.mine)}{where}")


def _whole_row(mine: Any, first: Pass, gaps: list[dict[str, tuple[Gap, Array | None, Array]]]) -> dict[str, Any]:
    def of(test: Callable[[str], bool]) -> float | None:
        return size(worst([g for parts in gaps for part, (g, _, _) in parts.items() if test(part)]))

    inputs = {f"∂{name}" for name in first.right.input_gradients}
    return {
        "layer": "(all)",
        "kind": type(mine).__name__,
        "shape": ", ".join(times(z.shape) for z in first.right.outputs.values()),
        "output": of(lambda part: part.startswith("output")),
        "delta": of(lambda part: part in inputs),
        "weights": of(lambda part: part.startswith("∂") and part not in inputs),
        "buffers": of(lambda part: not part.startswith(("∂", "output"))),
    }


def _foot(passes: list[Pass], links: Links, drops: dict[str, Diagnosis], first: Pass, precision: str) -> list[str]:
    """How it was compared, and what was not."""
    hows = [one.how for one in passes if one.how]
    lines = [
        "Errors are between the two networks; a layer's verdict is about the layer alone, on the input that it "
        "was given. (all) is every output and gradient, ∂E/∂output there ∂E/∂input"
        + (f"; also {', '.join(hows)}." if hows else ".")
    ]
    if links.in_order:
        shown = [f"{link.mine} is {link.theirs}" for link in links.in_order[:4]]
        more = len(links.in_order) - len(shown)
        lines.append(
            f"Weights without a namesake are matched in order: {', '.join(shown)}{f' and {more} more' if more else ''}."
        )
    for names, whose in ((links.mine, "here"), (links.theirs, "in the reference")):
        if names:
            lines.append(f"Without a counterpart {whose}: {', '.join(names)}.")
    dropped = first.right.dropped or (first.found.dropped if first.found else [])
    if dropped:
        lines.append(
            "Dropout is off in the comparison"
            + (
                "."
                if drops
                else f"; in training mode by itself it agrees: {len(dropped)} times, its mask, its expectation."
            )
        )
    if precision != "float64":
        lines.append(f"Compared in float32, within {ROUGH:g}: the networks do not compute in float64.")
    if first.found and first.found.changed:
        lines.append(f"It writes over {', '.join(first.found.changed)}, which is its caller's.")
    if len(passes) == 1:
        lines.append("Nothing else was tried.")
    return lines
