"""The usual faults between the layers, tried at the step where two passes part.

    wrong axis         along another axis it gives the reference's tensor
    another setting    with the reference's numbers and words beside its tensors it gives the reference's tensor
    scale              it is the reference's tensor times a constant, such as √d
    missing term       the reference's tensor minus this one is a tensor that is known
    wrong tensor       with another known tensor in the place of one of its inputs it gives the reference's
    order              with a later step of the reference's first it gives the reference's
    swapped operands   with its inputs in the other order it gives the reference's

Each is tried by repeating the step with one thing changed; what then is the reference's, to the last digits, is why.
"""

from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from itertools import islice
from typing import Any

import numpy as np

from underhood.instruments.check.alignment import NEAR, Known, equal
from underhood.instruments.check.faults import Case, Diagnosis, diagnose
from underhood.instruments.check.gap import Array, gap
from underhood.instruments.check.question import Answer, Question
from underhood.instruments.check.steps import Step

LOOKED_AT = 12  # steps of the reference after the parting that a repair may lead to
AXES = ("dim", "axis", "start_dim")
# functions whose whole-numbered argument is an axis
AXIAL = {"softmax", "log_softmax", "softmin", "sum", "mean", "var", "std", "amax", "amin", "max", "min", "prod", "norm"}
AXIAL |= {"logsumexp", "cumsum", "cumprod", "cat", "stack", "flatten", "flip", "normalize", "argmax", "glu", "unbind"}

ARITHMETIC = {"add", "sub", "rsub", "mul", "div", "rdiv", "matmul"}  # a number in these is a term or a factor


def faults_at(known: Known, i: int) -> Iterator[Diagnosis]:
    """What explains the step, the surest first."""
    step = known.mine.steps[i]
    missed = known.missed[:LOOKED_AT] or range(len(known.right.steps))[-1:]  # all is known, but mine goes on
    goals = [known.right.steps[j] for j in missed]
    yield from _buffers(known, i)
    for way in (_axis, _settings, _operands, _layout, _terms):
        yield from islice(way(known, i, goals), 1)
    factor = None
    for goal in goals:
        if goal.array.shape == step.array.shape and goal.array.dtype.kind == step.array.dtype.kind == "f":
            found = diagnose(_case(known, step, goal))
            if found is not None and found.name != "factor":
                yield Diagnosis(found.name, f"{found.explanation} ({goal.name} of the reference)")
            factor = factor or found
    yield from _proportional(known, i, goals)
    yield from _inputs(known, i, goals)
    if factor is not None:
        yield factor
    instead = goals[0] if goals else None
    fits = instead is not None and instead.array.shape == step.array.shape and _same_parents(known, step, instead)
    if instead is not None and fits and instead.kind != step.kind:
        if instead.kind in {known.mine.steps[k].kind for k in known.bad}:
            yield Diagnosis("extra step", f"{step.name} comes before {instead.kind}, where the reference has none")
        yield Diagnosis("another function", f"{step.kind} where {instead.kind} is expected")


def _buffers(known: Known, i: int) -> Iterator[Diagnosis]:
    """A buffer that goes into the step, and is not the reference's of that name."""
    for key in known.mine.steps[i].parents:
        if isinstance(key, str) and key not in known.same and key in known.right.sources:
            off = gap(known.mine.sources[key], known.right.sources[key])
            where = f", most at {list(off.worst)}" if off.worst else ""
            yield Diagnosis("another buffer", f"{key} is not what it is in the reference{where}")


def _layout(known: Known, i: int, goals: list[Step]) -> Iterator[Diagnosis]:
    """The right elements, in another order than the same step of the reference has them in."""
    step = known.mine.steps[i]
    for goal in (g for g in goals if g.kind == step.kind and len(g.parents) == len(step.parents)):
        for one, other in zip(step.parents, goal.parents, strict=True):
            a, b = known.mine.value(one), known.right.value(other)
            if a.shape == b.shape and a.dtype.kind == "f" and _is_shuffled(a, b):
                text = f"{known.mine.name(one)} has the elements of {known.right.name(other)} in another order"
                yield Diagnosis(
                    "another order", f"{text}, as after a reshape of axes that had, or had not, to be moved"
                )


def _is_shuffled(a: Array, b: Array) -> bool:
    """The same elements, not in the same order."""
    alike = gap(np.sort(a.reshape(-1)), np.sort(b.reshape(-1))).relative < NEAR
    return alike and not gap(a, b).relative < NEAR


def _case(known: Known, step: Step, goal: Step) -> Case:
    inputs = tuple(known.mine.value(key) for key in step.parents)
    question = Question(inputs, {}, tuple(f"input {n}" for n in range(len(inputs))))

    return Case("", question, nobody, Answer(goal.array), "z", step.array)


def _same_parents(known: Known, step: Step, instead: Step) -> bool:
    if len(step.parents) != len(instead.parents):
        return False
    theirs = [known.right.value(key) for key in instead.parents]
    return all(any(equal(known.mine.value(key), array) for array in theirs) for key in step.parents)


def _reached(found: Array | None, goals: list[Step]) -> Step | None:
    """The step of the reference's that a repaired step gives."""
    if found is None or found.dtype.kind != "f":
        return None
    reached = (g for g in goals if found.shape == g.array.shape and gap(found, g.array).relative < NEAR)
    return next((g for g in reached if np.ptp(g.array[np.isfinite(g.array)], axis=None)), None)  # zeros tell nothing


def _axis(known: Known, i: int, goals: list[Step]) -> Iterator[Diagnosis]:
    step = known.mine.steps[i]
    args, kwargs = step.arguments
    ndim = max((known.mine.value(key).ndim for key in step.parents), default=0)
    changes: list[tuple[Any, Any, Any]] = []
    for axis in range(-ndim, ndim):
        for key in AXES:
            if isinstance(kwargs.get(key), int):
                changes.append((kwargs[key], axis, ((args, {**kwargs, key: axis}), None)))
        for n in range(1, len(args)) if step.kind in AXIAL else ():
            if isinstance(args[n], int) and not isinstance(args[n], bool):
                changes.append((args[n], axis, ((((*args[:n], axis, *args[n + 1 :])), kwargs), None)))
        if isinstance(getattr(step.call, "dim", None), int):
            changes.append((step.call.dim, axis, (None, _with(step.call, "dim", axis))))  # type: ignore[union-attr]
    for was, axis, (arguments, call) in changes:
        if was != axis and _reached(known.mine.again(i, {}, arguments, call), goals):
            expected = axis if was < 0 or axis >= 0 else axis + ndim
            yield Diagnosis("wrong axis", f"{step.kind} along axis {was} where axis {expected} is expected")


def _settings(known: Known, i: int, goals: list[Step]) -> Iterator[Diagnosis]:
    """The same function, called with another number or word, such as a slope or an approximation."""
    step = known.mine.steps[i]
    args, kwargs = step.arguments
    if step.kind in ARITHMETIC:
        return
    for goal in (g for g in goals if g.kind == step.kind and len(g.arguments[0]) == len(args)):
        theirs, named = goal.arguments
        new = tuple(b if is_setting(a) and is_setting(b) else a for a, b in zip(args, theirs, strict=True))
        kept = {key: value for key, value in kwargs.items() if not is_setting(value)}
        changed = (new, kept | {key: value for key, value in named.items() if is_setting(value)})
        pairs = [(f"{a}", f"{b}") for a, b in zip(args, new, strict=True) if is_setting(a) and a != b]
        for key in dict.fromkeys((*kwargs, *changed[1])):
            was, now = (each.get(key, "its default") for each in (kwargs, changed[1]))
            if is_setting(was) and is_setting(now) and was != now:
                pairs.append((f"{key} {was}", f"{now}"))
        if pairs and _reached(known.mine.again(i, {}, changed), [goal]):
            texts = " and ".join(f"{was} where {now} is expected" for was, now in pairs)
            yield Diagnosis("another setting", f"{step.kind} with {texts}")


def is_setting(value: Any) -> bool:
    """Whether an argument is a number or a word."""
    return isinstance(value, bool | int | float | str)


def _with(layer: Any, name: str, value: Any) -> Any:
    other = deepcopy(layer)
    setattr(other, name, value)
    return other


def _operands(known: Known, i: int, goals: list[Step]) -> Iterator[Diagnosis]:
    step = known.mine.steps[i]
    parents = [key for key in step.parents if known.mine.value(key).ndim]
    for n, one in enumerate(parents):
        for other in parents[n + 1 :]:
            changed = {one: known.mine.value(other), other: known.mine.value(one)}
            if _reached(known.mine.again(i, changed), goals):
                names = f"{known.mine.name(one)} and {known.mine.name(other)}"
                yield Diagnosis("swapped operands", f"{names} have to change places in {step.kind}")
    args, kwargs = step.arguments
    if step.kind == "cat" and args and isinstance(args[0], tuple | list):
        turned = known.mine.again(i, {}, ((type(args[0])(reversed(args[0])), *args[1:]), kwargs))
        if _reached(turned, goals):
            yield Diagnosis("swapped operands", "the tensors are concatenated in the other order")


def _terms(known: Known, i: int, goals: list[Step]) -> Iterator[Diagnosis]:
    """A known tensor, or a weight, that is missing in the sum or is in it once too often."""
    step = known.mine.steps[i]
    candidates = _candidates(known)
    for goal in goals[:4]:
        if goal.array.shape != step.array.shape or step.array.dtype.kind != "f":
            continue
        rest = goal.array - step.array
        size = float(np.linalg.norm(goal.array)) + float(np.linalg.norm(step.array))
        for name, array in candidates:
            try:
                term = np.broadcast_to(array, rest.shape)
            except ValueError:
                continue
            norm = float(np.linalg.norm(term))
            if norm <= NEAR * size:
                continue
            for sign, fault, text in (
                (1, "missing term", f"{name} is not added"),
                (-1, "extra term", f"{name} is added once too often"),
            ):
                if float(np.linalg.norm(rest - sign * term)) < NEAR * size:
                    yield Diagnosis(fault, text)


def _candidates(known: Known, kind: str = "f") -> list[tuple[str, Array]]:
    """Tensors of one kind that both have: steps, inputs, weights; masks are of kind "b"."""
    found = [(known.mine.name(key), known.mine.value(key)) for key in known.same]
    return [(name, array) for name, array in found if array.dtype.kind == kind][-200:]


def _proportional(known: Known, i: int, goals: list[Step]) -> Iterator[Diagnosis]:
    """A constant factor: of this step, or of a tensor that the reference scales before it goes on."""
    step = known.mine.steps[i]
    lengths = {n for key in (*step.parents, *known.same) for n in known.mine.value(key).shape}
    for goal in goals[:4]:
        ratio = _ratio(step.array, goal.array)
        if ratio is not None:
            yield Diagnosis(_scaled(ratio), f"it is {goal.name} of the reference {_factor(ratio, lengths)}".rstrip(","))
    for key in step.parents:
        if key not in known.same:
            continue
        base = known.mine.value(key)
        if _ratio(step.array, base) is not None and goals and _goes_on(known, i, key, goals):
            ratio = _ratio(step.array, base)
            assert ratio is not None
            text = f"{known.mine.name(key)} is taken {_factor(ratio, lengths)} where the reference takes it as it is"
            yield Diagnosis(_scaled(ratio), text)
        for goal in goals[:3]:
            ratio = _ratio(goal.array, base)
            if ratio is not None and _reached(known.mine.again(i, {key: ratio * base}), goals):
                text = f"the reference takes {known.mine.name(key)} {_factor(ratio, lengths)} ({goal.name})"
                yield Diagnosis(_scaled(ratio), text)


def _scaled(ratio: float) -> str:
    return "sign" if abs(ratio + 1) < NEAR else "scale"


def _goes_on(known: Known, i: int, key: int | str, goals: list[Step]) -> bool:
    """Whether a later step, with the parent in the place of step i, is a step of the reference's."""
    later = [k for k in known.bad[1 : LOOKED_AT + 1] if i in known.mine.steps[k].parents]
    return any(_reached(known.mine.again(k, {i: known.mine.value(key)}), goals) for k in later)


def _ratio(a: Array, b: Array) -> float | None:
    """c where a = c·b and c is not 1."""
    if a.shape != b.shape or a.dtype.kind != "f" or b.dtype.kind != "f" or a.size < 2:
        return None
    size = float(np.vdot(b, b))
    ratio = float(np.vdot(b, a)) / size if size else 0.0
    if not ratio or abs(ratio - 1) < NEAR or not np.isfinite(ratio):
        return None
    return ratio if float(np.linalg.norm(a - ratio * b)) < NEAR * abs(ratio) * size**0.5 else None


def _factor(ratio: float, lengths: set[int]) -> str:
    """The constant, as √d or 1/√d where d is the length of an axis."""
    for d in sorted(n for n in lengths if n > 1):
        for text, value in ((f"√{d}", d**0.5), (f"1/√{d}", d**-0.5), (f"1/{d}", 1 / d), (f"{d}", float(d))):
            if abs(ratio - value) < 1e-6 * value:
                return f"times {text}, {d} being the length of an axis,"
    return f"times {ratio:.6g}"


def _inputs(known: Known, i: int, goals: list[Step]) -> Iterator[Diagnosis]:
    """Another tensor in the place of one of the step's: a known one, or one that the reference makes first."""
    step = known.mine.steps[i]
    kinds = [Counter(f.steps[k].kind for k in bad) for f, bad in ((known.mine, known.bad), (known.right, known.missed))]
    for key in step.parents:
        own = known.mine.value(key)
        for goal in goals:
            if goal.array.shape == own.shape and _reached(
                known.mine.again(i, {key: goal.array}), [g for g in goals if g is not goal]
            ):
                name = "order" if kinds[0][goal.kind] == kinds[1][goal.kind] else "missing step"
                text = f"{step.kind} takes {known.mine.name(key)}, where the reference takes {goal.name} ({goal.kind})"
                yield Diagnosis(name, f"{text}; here that comes later" if name == "order" else text)
        for other, array in _candidates(known, own.dtype.kind):
            is_other = array.shape == own.shape and other != known.mine.name(key)
            if is_other and _reached(known.mine.again(i, {key: array}), goals):
                yield Diagnosis("wrong tensor", f"{step.kind} takes {known.mine.name(key)} where {other} is expected")


def nobody(question: Question) -> Answer:
    raise ValueError("nobody knows other inputs' answers")
