"""The engine's own operations: every form against PyTorch and against the others, forward and backward.

The samples of each page are the questions: ties, borders, empty, size-one, broadcast and non-contiguous inputs. The
right answer is PyTorch's in float64. A form in float32 is asked about inputs as float32 rounds them and held against
the float64 answer for those. Without PyTorch the right answer is the vector form's, with its gradients by numerical
differentiation: the complex step, or differences where a form does not know complex numbers.
"""

import importlib.util
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from underhood.engine.forms import NAMES, OPERATIONS, Operation, Sample
from underhood.errors import BadInput, nearest
from underhood.instruments.check.faults import Case, Diagnosis, diagnose
from underhood.instruments.check.findings import (
    DIFFERENCES,
    DOUBLE,
    SINGLE,
    SINGLE_COLUMN,
    ULPS,
    Findings,
    Verdict,
    error,
    findings,
    size,
    text,
)
from underhood.instruments.check.gap import Gap, gap, worst
from underhood.instruments.check.question import (
    OUTPUT,
    Answer,
    Answerer,
    Question,
    by_form,
    by_pytorch,
    numerically,
)
from underhood.tables import Column


def operation_named(name: str) -> Operation:
    if name not in OPERATIONS:
        raise BadInput(f'there is no operation "{name}"; {nearest(name, list(OPERATIONS))}')
    return OPERATIONS[name]


def questions(operation: Operation, seed: int = 0) -> list[Question]:
    """The samples of an operation's page."""
    samples: Iterable[Sample] = operation.samples(np.random.default_rng(seed)) if operation.samples else ()
    parameters = inspect.signature(operation.vector.forward).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is not p.empty}
    return [
        Question(s.inputs, s.settings, tuple(_names(operation, s.inputs)), s.note, defaults=defaults) for s in samples
    ]


def _names(operation: Operation, inputs: tuple[Any, ...]) -> list[str]:
    """The page's names for the inputs; where their number is free, the last name is numbered."""
    free = len(inputs) - len(operation.arguments)
    return [*operation.arguments[: len(inputs)], *(f"{operation.rest}{i}" for i in range(free))]


# -- who is right --


def which(oracle: str | None) -> str:
    """Either "torch", where it is installed and "numbers" is not asked for, or "numbers"."""
    if oracle not in (None, "torch", "numbers"):
        raise BadInput(f'oracle: there is "torch" and "numbers", not "{oracle}"')
    return oracle or ("torch" if importlib.util.find_spec("torch") else "numbers")


def oracle_of(operation: Operation, oracle: str | None = None) -> Answerer:
    """Who knows the right answer: PyTorch, or the vector form and numerical differentiation."""
    if which(oracle) == "torch":
        return by_pytorch(operation)
    numbers, vector = numerically(operation.vector.forward), by_form(operation, "vector")

    def answer(question: Question) -> Answer:
        """By differentiation, for the inputs that the operation has gradients of."""
        right, has = numbers(question), vector(question).gradients
        kept = tuple(g if h is not None else None for g, h in zip(right.gradients, has, strict=True))
        return Answer(right.z, kept)

    return answer


def gaps(found: Answer, right: Answer, names: tuple[str, ...]) -> dict[str, Gap]:
    """The gap of every part that the right answer has; one that is missing stands for zeros."""
    have = found.parts(names)
    return {
        part: gap(have.get(part, np.zeros_like(expected)), expected) for part, expected in right.parts(names).items()
    }


def judge(
    kind: str, question: Question, oracle: Answerer, found: Answer, right: Answer, tolerance: float = DOUBLE
) -> Verdict:
    """What is wrong with each part that is further off than the tolerance.

    Where the output has another shape, δ is another one too, and the gradients cannot be compared.
    """
    have, problems = found.parts(question.names), {}
    comparable = found.z.shape == right.z.shape
    for part, g in gaps(found, right, question.names).items():
        if g.relative > tolerance and (comparable or part == OUTPUT):
            array = have.get(part)
            if array is None:
                problems[part] = Diagnosis("missing", "it is not there")
            else:
                case = Case(kind, question, oracle, right, part, array)
                problems[part] = diagnose(case) or undiagnosed(g, array, case.expected)
    return Verdict(problems)


def undiagnosed(g: Gap, found: Any, expected: Any) -> Diagnosis:
    if found.shape != expected.shape:
        return Diagnosis("wrong shape", f"shape {found.shape} where {expected.shape} is expected")
    if np.isfinite(expected).all() and not np.isfinite(found).all():
        return Diagnosis("not finite", "values that are not finite")
    strange = np.isnan(found) & ~np.isnan(expected)
    if strange.any():
        where = tuple(int(i) for i in np.argwhere(strange)[0])
        return Diagnosis("not a number", f"nan at {list(where)}, where {expected[where]:g} is expected")
    as_if = ", as if it were computed in float32" if DOUBLE < g.relative < DIFFERENCES else ""
    return Diagnosis("differs", f"off by {g.relative:.2g} of its norm, most at {list(g.worst)}{as_if}")


# -- one form of one operation --


@dataclass(frozen=True)
class Comparison:
    """One form of an operation held against the right answer on one question: the gap of every part."""

    form: str
    question: Question
    double: dict[str, Gap]
    single: dict[str, Gap]
    verdict: Verdict

    def forward(self, precision: str) -> list[Gap]:
        return [g for part, g in getattr(self, precision).items() if part == OUTPUT]

    def backward(self, precision: str) -> list[Gap]:
        return [g for part, g in getattr(self, precision).items() if part != OUTPUT]

    @property
    def ulps(self) -> float:
        return max(g.ulps for g in self.single.values())


def compare_forms(operation: Operation, oracle: str | None = None) -> Iterator[Comparison]:
    """Every form that the operation has, on every question."""
    right_one = oracle_of(operation, oracle)
    tolerances = (DOUBLE, SINGLE) if which(oracle) == "torch" else (DIFFERENCES, SINGLE)
    for question in questions(operation):
        right, rounded = right_one(question), right_one(question.rounded(np.float32))
        for form in NAMES:
            if getattr(operation, form) is not None:
                found = by_form(operation, form)(question)
                single = gaps(by_form(operation, form, np.float32)(question), rounded, question.names)
                verdict = judge(operation.name, question, right_one, found, right, tolerances[0])
                verdict = verdict if verdict.problems else _single(single, tolerances[1])
                yield Comparison(form, question, gaps(found, right, question.names), single, verdict)


def _single(gaps: dict[str, Gap], tolerance: float) -> Verdict:
    """The verdict on float32 of what is right in float64."""
    return Verdict(
        {
            part: Diagnosis("float32 too far", f"right in float64, but off by {g.relative:.2g} in float32")
            for part, g in gaps.items()
            if not g.relative <= tolerance
        }
    )


# -- the tables --


def check_operation(name: str, oracle: str | None = None) -> Findings:
    """One operation: a row for each sample and form, a column for the output and for each gradient."""
    operation = operation_named(name)
    comparisons = list(compare_forms(operation, oracle))
    rows = [
        {
            "form": one.form,
            "sample": one.question.note or "–",
            **{part: size(g) for part, g in one.double.items()},
            "single": size(worst(list(one.single.values()))),
            "ulps": one.ulps,
        }
        for one in comparisons
    ]
    parts = [error(part, part) for part in dict.fromkeys(part for one in comparisons for part in one.double)]
    right = operation.reference if which(oracle) == "torch" else "its vector form, differentiated numerically"
    return findings(
        f"{name} against {right}",
        [text("form", "Form"), text("sample", "Sample"), *parts, SINGLE_COLUMN, ULPS],
        rows,
        [one.verdict for one in comparisons],
        foot(oracle),
        f"check-{name}",
    )


def foot(oracle: str | None = None) -> list[str]:
    """What the columns are."""
    lines = ["Error: ‖found − right‖ / ‖right‖ under random cotangents, float64 unless said. ∂a is the gradient of a."]
    if which(oracle) == "numbers":
        lines.append("Right: the vector form, its gradients by numerical differentiation; none where there is a kink.")
    return lines


def check_all(names: Iterable[str] | None = None, oracle: str | None = None) -> Findings:
    """Every operation and form on all samples: the worst errors, forward and backward."""
    rows, verdicts = [], []
    for name in sorted(OPERATIONS) if names is None else names:
        comparisons = list(compare_forms(operation_named(name), oracle))
        for form in dict.fromkeys(one.form for one in comparisons):
            these = [one for one in comparisons if one.form == form]
            rows.append(_summary(name, form, these))
            verdicts.append(Verdict({part: d for one in these for part, d in one.verdict.problems.items()}))
    columns = [
        text("operation", "Operation"),
        text("form", "Form"),
        Column("samples", "Samples"),
        error("forward_double", "Forward, float64"),
        error("backward_double", "Backward, float64"),
        error("forward_single", "Forward, float32"),
        error("backward_single", "Backward, float32"),
        ULPS,
    ]
    count = len({row["operation"] for row in rows})
    who = "PyTorch" if which(oracle) == "torch" else "their vector forms"
    return findings(f"{count} operations against {who}", columns, rows, verdicts, foot(oracle), "check-all")


def _summary(name: str, form: str, comparisons: list[Comparison]) -> dict[str, Any]:
    return {
        "operation": name,
        "form": form,
        "samples": len(comparisons),
        **{
            f"{way}_{precision}": size(worst([g for one in comparisons for g in getattr(one, way)(precision)]))
            for way in ("forward", "backward")
            for precision in ("double", "single")
        },
        "ulps": max(one.ulps for one in comparisons),
    }
