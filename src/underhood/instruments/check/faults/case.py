"""What a fault is tried on, and how its guess is compared with what was found."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from underhood.instruments.check import derivative
from underhood.instruments.check.gap import Array, gap
from underhood.instruments.check.question import OUTPUT, Answer, Answerer, Question, is_real

SAME = 1e-12  # nothing but rounding

# a guess: what to say if it is right, and what one would have found
Guess = tuple[str, Array | None]


@dataclass(frozen=True)
class Diagnosis:
    """The fault's name, and what it looks like here."""

    name: str
    explanation: str


@dataclass(frozen=True)
class Case:
    """One part of an answer that is not what the oracle says: the output "z", or a gradient "∂w".

    `kind` is the operation's name, `found` what somebody computed, `right` the oracle's whole answer.
    """

    kind: str
    question: Question
    oracle: Answerer
    right: Answer
    part: str
    found: Array

    @property
    def expected(self) -> Array:
        return self.right.parts(self.question.names)[self.part]

    @property
    def settings(self) -> dict[str, Any]:
        """What was set, and what goes without saying."""
        return self.question.defaults | self.question.settings

    @property
    def is_gradient(self) -> bool:
        return self.part.startswith("∂")

    def position(self, *names: str) -> int | None:
        """Which input has one of these names."""
        return next((i for i, name in enumerate(self.question.names) if name in names), None)

    def ask(self, **changes: Any) -> Array | None:
        """What the oracle says of this part when the question is changed; None where that makes no sense."""
        try:
            with np.errstate(all="ignore"):
                return self.oracle(replace(self.question, **changes)).parts(self.question.names).get(self.part)
        except Exception:  # whatever an operation says to inputs that do not fit it
            return None

    def with_settings(self, **settings: Any) -> Array | None:
        """The same with other settings."""
        return self.ask(settings={**self.question.settings, **settings})

    def with_input(self, i: int, turn: Callable[[Array], Any]) -> Array | None:
        """The same with input i turned; its gradient is turned back, `turn` being its own inverse."""
        inputs = list(self.question.inputs)
        inputs[i] = turn(inputs[i])
        answer = self.ask(inputs=tuple(inputs))
        is_own = self.is_gradient and self.part == f"∂{self.question.names[i]}"
        return turn(answer) if answer is not None and is_own else answer

    def by(self, forward: Callable[..., Array]) -> Array | None:
        """What this part is if `forward(*inputs)` is the function: its output, or its gradient by differentiation."""
        inputs = self.question.inputs
        try:
            with np.errstate(all="ignore"):
                if self.part == OUTPUT:
                    return forward(*inputs)
                i = self.question.names.index(self.part.removeprefix("∂"))
                z = np.asarray(forward(*inputs))
                return derivative.gradient(forward, inputs, i, self.question.cotangent(z.shape))
        except Exception:  # a guess that does not fit these shapes is no guess
            return None

    def missed_by(self, guess: Array | None) -> float:
        """How far a guess is from what was found; endless for one that says no more than the right answer does."""
        if guess is None or guess.shape != self.found.shape or gap(guess, self.expected).relative < SAME:
            return float("inf")
        return gap(self.found, guess).relative

    @property
    def near(self) -> float:
        """How near a guess has to come: a thousand times nearer than the right answer, or to the last digits."""
        off = gap(self.found, self.expected).relative
        return min(max(1e-3 * min(off, 1.0), SAME), 1e-6)


@dataclass(frozen=True)
class Fault:
    """A way to be wrong: its name, and guesses at what one finds then."""

    name: str
    guesses: Callable[[Case], Iterator[Guess]]


def real_inputs(case: Case) -> list[int]:
    return [i for i, x in enumerate(case.question.inputs) if is_real(x)]
