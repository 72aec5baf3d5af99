"""Answers to a question, and what is kept between them."""

import numpy as np
import pytest

from underhood.instruments.check.question import Question, numerically


def test_derivatives_are_kept_for_the_same_settings_alone():
    answer = numerically(lambda x, power: x**power)
    x = np.array([2.0, 3.0])
    for power in (2, 3, 2):
        question = Question((x,), {"power": power})
        (gradient,) = answer(question).gradients
        assert gradient == pytest.approx(power * x ** (power - 1) * question.cotangent((2,)))
