"""What is differentiated without a backward pass: only what has a slope."""

import numpy as np
import pytest

from underhood.instruments.check.derivative import is_smooth


@pytest.mark.parametrize(
    ("f", "x", "smooth"),
    [
        (np.exp, [0.0, 1.0], True),
        (np.abs, [1.0, -2.0], True),
        (np.abs, [1.0, 0.0], False),
        (lambda x: np.maximum(x, 0), [0.0], False),
        (np.log, [1.0, 2.0], True),
        (np.log, [1.0, 0.0], False),
        (lambda x: 1 / x, [0.0], False),
        (np.exp, [np.inf], False),
        (np.exp, [np.nan], False),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_what_has_no_value_or_no_slope_is_not_smooth(f, x, smooth):
    assert is_smooth(f, [np.array(x)], 0) is smooth
