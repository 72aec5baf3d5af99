"""Where two passes part: between which two recorded tensors, and by which of the usual faults.

A step of mine is known if the reference has a tensor with the same elements. Steps whose numbers are on the way to a
known one are only written differently. The first step that is neither is where the two part: its inputs are the
same in both, its output is not. The usual faults are tried there (see `repairs`).

Where forward agrees and gradients do not, the last step whose δ differs is where one is lost.
"""

from dataclasses import dataclass

import numpy as np

from underhood.instruments.check.alignment import Known
from underhood.instruments.check.faults import Case, Diagnosis, diagnose
from underhood.instruments.check.gap import Array, gap
from underhood.instruments.check.question import Answer, Question
from underhood.instruments.check.recording import Recording
from underhood.instruments.check.repairs import faults_at, nobody
from underhood.instruments.check.steps import CUT, Flow, Step
from underhood.instruments.check.weights import Links


@dataclass(frozen=True)
class Parting:
    """The step of mine, the step of the reference's that stands there instead, and why."""

    step: Step
    instead: Step | None
    diagnosis: Diagnosis


def parting(mine: Flow, right: Flow, links: Links) -> Parting | None:
    """Where the forward passes part; None where they do not, or the steps are not recorded."""
    known = Known(mine, right, links)
    if not known.bad and known.missed:
        names = ", ".join(right.steps[j].name for j in known.missed[:4])
        return Parting(
            right.steps[known.missed[0]], None, Diagnosis("missing step", f"the reference goes on with {names}")
        )
    if not known.bad:
        return None
    i = known.bad[0]
    step = mine.steps[i]
    instead = right.steps[known.missed[0]] if known.missed else None
    fault = next(iter(faults_at(known, i)), None)
    where = _between(known, i, instead)
    if fault is None:
        return Parting(step, instead, Diagnosis("differs", where))
    if fault.name == "another order":  # what it was called with is not quite the same in both
        where = f"{step.name} is the first that differs"
    return Parting(step, instead, Diagnosis(fault.name, f"{where}: {fault.explanation}"))


def _between(known: Known, i: int, instead: Step | None) -> str:
    step = known.mine.steps[i]
    parents = [known.mine.name(key) for key in step.parents if key in known.same]
    text = f"between {' and '.join(parents[:3]) or 'the input'}, the same in both, and {step.name}, which is not"
    if instead is not None:
        sources = [known.right.name(key) for key in instead.parents if key in set(known.same.values())]
        text += (
            f"; the reference has {instead.name}" + (f" of {' and '.join(sources[:3])}" if sources else "") + " there"
        )
    return text


# -- gradients --


def lost(found: Recording, theirs: Recording, links: Links) -> Diagnosis | None:
    """Where gradients part, all outputs being the same: the last step whose δ is another one."""
    mine, right = found.flow, theirs.flow
    known = Known(mine, right, links)
    users: dict[int | str, list[int]] = {}
    for i, step in enumerate(mine.steps):
        for key in step.parents:
            users.setdefault(key, []).append(i)
    for i in reversed(range(len(mine.steps))):
        step = mine.steps[i]
        j = known.same.get(i)
        if not isinstance(j, int) or step.array.dtype.kind != "f" or step.kind in CUT or right.steps[j].kind in CUT:
            continue
        if step.array.shape == right.steps[j].array.shape and _is_off(step.delta, right.steps[j].delta):
            return _where_lost(known, i, step.name, step.carries, step.delta, right.steps[j].delta, users)
    for name, delta in theirs.input_gradients.items():
        if _is_off(found.input_gradients.get(name), delta):
            return _where_lost(known, name, name, True, found.input_gradients.get(name), delta, users)
    return None


def _is_off(delta: Array | None, right: Array | None) -> bool:
    if right is None:
        return False
    found = np.zeros_like(right) if delta is None else delta
    return gap(found, right, float(np.linalg.norm(right))).relative > 1e-7


def _where_lost(
    known: Known,
    key: int | str,
    name: str,
    carries: bool,
    found: Array | None,
    right: Array | None,
    users: dict[int | str, list[int]],
) -> Diagnosis:
    assert right is not None
    cut = [k for k in users.get(key, ()) if carries and not known.mine.steps[k].carries]
    cut = [k for k in cut if known.mine.steps[k].array.dtype.kind == "f"]
    if cut:
        stop = known.mine.steps[cut[0]]
        after = [known.mine.steps[k].name for k in users.get(cut[0], ())]
        to = f" on its way to {' and '.join(after)}" if after else ""
        how = "detached" if stop.kind in CUT else f"cut off from the tape by {stop.name}"
        return Diagnosis("detached", f"{name} is {how}{to}: the gradient of that branch is lost")
    if not carries:
        return Diagnosis("detached", f"no gradient reaches {name}: what made it is not on the tape")
    value = known.mine.value(key)
    found = np.zeros_like(right) if found is None else found
    case = Case("", Question((value,), {}, (name,)), nobody, Answer(value, (right,)), f"∂{name}", found)
    known_fault = diagnose(case)
    to = " and ".join(known.mine.steps[k].name for k in users.get(key, ())) or "the output"
    where = f"between {to}, where δ is the same, and {name}, where it is not"
    if known_fault is None:
        return Diagnosis("gradient differs", where)
    return Diagnosis(known_fault.name, f"{where}: {known_fault.explanation}")
