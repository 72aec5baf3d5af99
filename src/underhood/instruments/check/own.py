"""A user's own function, or pair of forward and backward, held against the operation that it is meant to be.

    linear.py:linear           with `linear_backward` beside it: a pair on NumPy arrays
    linear.py:MyLinear         a torch.autograd.Function
    linear.py:my_linear        a function on tensors of PyTorch or of the engine: its gradients are autograd's
    linear.py:Layer            a class or object with forward and backward

The questions are the samples of the operation, as far as the function takes their settings. Without an operation
the gradients alone are held, against numerical differentiation of the function's own forward.
"""

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from underhood.engine import functional
from underhood.engine.forms import OPERATIONS, Form, Operation
from underhood.errors import BadInput
from underhood.instruments.check.faults import Diagnosis
from underhood.instruments.check.faults.layers import WEIGHTS
from underhood.instruments.check.findings import (
    DIFFERENCES,
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
from underhood.instruments.check.gap import gap, worst
from underhood.instruments.check.operations import foot, gaps, judge, oracle_of, questions, which
from underhood.instruments.check.question import (
    OUTPUT,
    Answer,
    Answerer,
    Question,
    by_pair,
    by_tensors,
    by_torch,
    fitting,
    numerically,
    taken,
)

WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")
BACKWARD_NAMES = ("{}_backward", "backward_{}", "{}_back", "{}_grad", "d{}")


@dataclass(frozen=True)
class Own:
    """What a user wrote. `forward` has the signature; `answer(dtype)` answers with it, `alone` without gradients."""

    name: str
    forward: Callable[..., Any]
    answer: Callable[[Any], Answerer]
    alone: Answerer
    has_gradients: bool = True


def own(thing: Any, name: str, home: Any = None) -> Own:
    """What `thing` is; `home` is the module where its backward may stand beside it."""
    if isinstance(thing, Form | tuple | list):
        forward, backward = thing[0], (thing[1] if len(thing) > 1 else None)
        if not callable(forward) or not (backward is None or callable(backward)):
            raise BadInput(f"{name}: a pair is a forward and a backward function")
        return _pair(name, forward, backward)
    if is_autograd_function(thing):
        return _on_tensors(name, _applied(thing), thing.forward, by_torch)
    if inspect.isclass(thing) and hasattr(thing, "forward") and hasattr(thing, "backward"):
        thing = thing()
    if hasattr(thing, "forward") and hasattr(thing, "backward"):
        return _pair(name, thing.forward, thing.backward)
    if not callable(thing):
        raise BadInput(f"{name} is a {type(thing).__name__}: check takes functions, layers, networks and optimisers")
    backward, library = backward_of(thing, home), _library(thing)
    if backward is None and library:
        return _on_tensors(name, thing, thing, by_torch if library == "torch" else by_tensors)
    return _pair(name, thing, backward)


def _pair(name: str, forward: Any, backward: Any) -> Own:
    def answer(dtype: Any) -> Answerer:
        return by_pair(forward, backward, dtype)

    return Own(name, forward, answer, by_pair(forward, None), backward is not None)


def _on_tensors(name: str, call: Any, forward: Any, by: Callable[..., Answerer]) -> Own:
    def fitted(*inputs: Any, **settings: Any) -> Any:
        question = Question(inputs, settings)
        return call(*fitting(forward, question), **taken(forward, settings))

    def answer(dtype: Any) -> Answerer:
        return by(fitted, np.dtype(dtype).name)

    return Own(name, forward, answer, answer(np.float64))


def is_autograd_function(thing: Any) -> bool:
    return inspect.isclass(thing) and any(base.__module__ == "torch.autograd.function" for base in thing.__mro__)


def _applied(function: Any) -> Callable[..., Any]:
    """`apply` of an autograd function, which takes settings by their positions."""
    order = list(inspect.signature(function.forward).parameters)
    return lambda *inputs, **settings: function.apply(*inputs, *(settings[n] for n in order if n in settings))


def backward_of(function: Any, home: Any = None) -> Any:
    """The backward that stands in the same file."""
    name = getattr(function, "__name__", "")
    around = vars(home) if home is not None else getattr(function, "__globals__", {})
    names = [pattern.format(name) for pattern in BACKWARD_NAMES]
    if name.endswith("_forward"):
        names.insert(0, name.removesuffix("_forward") + "_backward")
    return next((around[n] for n in names if callable(around.get(n))), None)


def _library(function: Any) -> str:
    """Whose tensors a function takes, by what it refers to: "torch", "underhood", or "" for arrays."""
    scope = getattr(function, "__globals__", {})
    code = getattr(function, "__code__", SimpleNamespace(co_names=()))
    used = [getattr(scope.get(n), "__module__", None) or getattr(scope.get(n), "__name__", "") for n in code.co_names]
    hints = [getattr(a, "__module__", str(a)) for a in getattr(function, "__annotations__", {}).values()]
    homes = {str(home).partition(".")[0] for home in (*used, *hints)}
    return next((library for library in ("torch", "underhood") if library in homes), "")


def meant(name: str) -> Operation | None:
    """The operation whose name is made of whole words of a function's name, the longest of them.

    `my_conv2d`, `Conv2dFast` and `conv2d1` are a conv2d, `BatchNorm2d` is a batch_norm; `mine` is no min.
    """
    words = [word.lower() for word in WORDS.findall(name.rpartition(":")[2])]
    words = [word.removeprefix("my") or word for word in words]
    plain = {"".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, len(words) + 1)}
    plain |= {re.sub(r"[0-9]+d?$", "", each) for each in plain if not hasattr(functional, each)}  # relu6 is no relu
    found = [row for row in OPERATIONS if row.replace("_", "") in plain]
    return OPERATIONS[max(found, key=len)] if found else None


# -- held against an operation --


def check_own(mine: Own, operation: Operation, oracle: str | None = None) -> Findings:
    """A row for each sample that the function can be asked about."""
    every = questions(operation)
    suitable = [question for question in every if can_be_asked(mine, operation, question)]
    usual = [] if suitable else [q for q in every if can_be_asked(mine, operation, q, usual=True)]
    if not suitable and not usual:
        takes = inspect.signature(mine.forward)
        raise BadInput(
            f"{mine.name}{takes}: no sample of {operation.name} fits these arguments; "
            f"expected: {signature(operation, every)}"
        )
    suitable = suitable or usual
    right_one = oracle_of(operation, oracle)
    pairs = [_row(mine, operation.name, question, right_one, oracle) for question in suitable]
    rows, verdicts = [row for row, _ in pairs], [verdict for _, verdict in pairs]
    parts = [part for row in rows for part in row if part == OUTPUT or part.startswith("∂")]
    notes = foot(oracle)
    if usual:
        chosen = {key: value for q in usual for key, value in missing(mine, q).items()}
        said = ", ".join(f"{key}={value}" for key, value in chosen.items())
        notes.append(f"It has no arguments for {said}; held against {signature(operation, every)} with these.")
    if len(suitable) < len(every):
        notes.append(f"{len(every) - len(suitable)} of {len(every)} samples are left out: they want other settings.")
    if any("t" in question.names and row.get("∂t") is None for question, row in zip(suitable, rows, strict=True)):
        notes.append("No gradient of the target t is returned: it is not checked.")
    if not mine.has_gradients:
        notes.append("No backward stands beside it: the output alone is checked.")
    columns = [text("sample", "Sample"), *map(error, dict.fromkeys(parts), dict.fromkeys(parts)), SINGLE_COLUMN, ULPS]
    right = operation.reference if which(oracle) == "torch" else f"the engine's {operation.name}"
    return findings(f"{mine.name} against {right}", columns, rows, verdicts, notes, "check-own")


def signature(operation: Operation, every: Sequence[Question]) -> str:
    """The whole signature, `softmax(x, *, dim)`."""
    settings = dict.fromkeys(key for question in every for key in question.settings)
    return f"{operation.name}({', '.join([*operation.arguments, *(['*', *settings] if settings else [])])})"


def missing(mine: Own, question: Question) -> dict[str, Any]:
    """The settings that the function has no parameter for."""
    parameters = inspect.signature(mine.forward).parameters
    return {key: value for key, value in question.settings.items() if key not in parameters}


def _is_usual(key: str, value: Any, x: Any) -> bool:
    """Whether a setting is what one means who does not mention it: the last axis, the mean, ε = 1e−5."""
    if key == "dim":
        return x.ndim <= 2 and value in (-1, x.ndim - 1, (x.ndim - 1,), (-1,))
    if key == "normalized_shape":
        return bool(tuple(value) == x.shape[-1:])
    usual = {"training": True, "eps": 1e-5, "reduction": "mean", "keepdim": False, "approximate": "none", "p": 2.0}
    return key in usual and bool(value == usual[key])


def can_be_asked(mine: Own, operation: Operation, question: Question, usual: bool = False) -> bool:
    """Whether the function takes what the question sets: every setting that is not a default, every input.

    With `usual` it may go without a setting that is as one would guess it.
    """
    parameters = inspect.signature(mine.forward).parameters
    kinds = {p.kind for p in parameters.values()}
    if inspect.Parameter.VAR_KEYWORD not in kinds:
        defaults = inspect.signature(operation.call).parameters
        for key, value in question.settings.items():
            guessed = usual and _is_usual(key, value, question.inputs[0])
            if key not in parameters and not guessed and not _is_default(value, defaults.get(key)):
                return False
    inputs = fitting(mine.forward, question)
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return True
    by_place = [p for name, p in parameters.items() if name not in question.settings and name != "ctx"]
    if len(inputs) > len(by_place):
        return False
    return all(x is not None or p.default is None for x, p in zip(inputs, by_place, strict=False))


def _is_default(value: Any, parameter: inspect.Parameter | None) -> bool:
    """Whether a setting is what PyTorch takes when nothing is said; (1, 1) is 1."""
    if parameter is None or parameter.default is inspect.Parameter.empty:
        return False
    return bool(value == parameter.default or (isinstance(value, tuple) and set(value) == {parameter.default}))


def _row(
    mine: Own, kind: str, question: Question, oracle: Answerer, oracle_name: str | None
) -> tuple[dict[str, Any], Verdict]:
    row: dict[str, Any] = {"sample": question.note or "–"}
    right = oracle(question) if mine.has_gradients else Answer(oracle(question).z)
    try:
        with np.errstate(all="ignore"):
            found = mine.answer(np.float64)(question)
    except Exception as problem:  # a user's function may say anything
        return row, Verdict({OUTPUT: _probed(mine, question, right, problem)})
    right = _without_target(question, right, found)
    row |= {part: size(g) for part, g in gaps(found, right, question.names).items()}
    tolerance = DOUBLE if which(oracle_name) == "torch" else DIFFERENCES
    verdict = judge(kind, question, oracle, found, right, tolerance)
    if verdict.agrees:
        exact = oracle(question.rounded(np.float32))
        exact = _without_target(question, exact, found) if mine.has_gradients else Answer(exact.z)
        single = list(gaps(mine.answer(np.float32)(question), exact, question.names).values())
        row |= {"single": size(worst(single)), "ulps": max(g.ulps for g in single)}
    return row, verdict


def _without_target(question: Question, right: Answer, found: Answer) -> Answer:
    """The right answer without the gradient of a loss's target, where none is returned: few need it."""
    kept = [
        None if name == "t" and (i >= len(found.gradients) or found.gradients[i] is None) else g
        for i, (name, g) in enumerate(zip(question.names, right.gradients, strict=False))
    ]
    return replace(right, gradients=tuple(kept))


def _probed(mine: Own, question: Question, right: Answer, problem: Exception) -> Diagnosis:
    """What a function that breaks down would have wanted: its weight the other way round?"""
    for i, name in enumerate(question.names):
        x = question.inputs[i]
        if name in WEIGHTS and isinstance(x, np.ndarray) and x.ndim > 1:
            turned = (*question.inputs[:i], x.swapaxes(0, 1), *question.inputs[i + 1 :])
            try:
                z = mine.alone(replace(question, inputs=turned)).z
            except Exception:  # this was not it
                continue
            if gap(z, right.z).relative < DOUBLE:
                return Diagnosis("transposed weight", f"it is right with a weight {turned[i].shape} for {x.shape}")
    return Diagnosis("breaks down", f"{type(problem).__name__}: {problem}")


# -- held against its own forward --


def check_gradients(mine: Own, shapes: Sequence[tuple[int, ...]], seed: int = 0) -> Findings:
    """A function's gradients against numerical differentiation of its forward, on random inputs."""
    if not shapes:
        raise BadInput(
            f"{mine.name}: say what it is meant to be (--against linear), or what it is fed (--input 4,3 --input 5,3)"
        )
    if not mine.has_gradients:
        raise BadInput(f"{mine.name} has no backward beside it: {mine.forward.__name__}_backward is looked for")
    rng = np.random.default_rng(seed)
    names = [name for name in inspect.signature(mine.forward).parameters if name not in ("ctx", "self")]
    question = Question(tuple(rng.normal(size=shape) for shape in shapes), {}, tuple(names[: len(shapes)]))
    oracle = numerically(lambda *inputs: mine.alone(Question(_real(inputs))).z)
    right, found = oracle(question), mine.answer(np.float64)(question)
    problems = judge("", question, oracle, found, right, DIFFERENCES).problems
    off = {part: g for part, g in gaps(found, right, question.names).items() if part != OUTPUT}
    rows: list[dict[str, Any]] = [{"part": part, "error": g.relative} for part, g in off.items()]
    verdicts = [Verdict({part: problems[part]} if part in problems else {}) for part in off]
    columns = [text("part", "Gradient"), error("error", "Error")]
    title = f"{mine.name}: its gradients against numerical differentiation of its forward"
    return findings(title, columns, rows, verdicts, [], "check-own")


def _real(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Tensors know no complex step: say so, and differences are taken."""
    if any(np.iscomplexobj(x) for x in inputs):
        raise TypeError("complex numbers")
    return inputs
