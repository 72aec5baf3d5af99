"""Operations on lines: a line (N, C, L) is an image (N, C, 1, L) of height one.

So a 1-D operation is its 2-D reference with a kernel of height 1, and every form of the one is a form of the other.
"""

from functools import wraps
from typing import Any

import numpy as np

from underhood.engine.forms import Form

ACROSS = {"padding": 0, "output_padding": 0}  # the number for the axis of length one; 1 for all other settings


def on_lines(form: Form | None) -> Form:
    """A form for images as a form for lines; settings of one number become settings of two."""
    assert form is not None
    assert form.backward is not None
    image_forward, image_backward = form.forward, form.backward

    @wraps(image_forward)
    def forward(*lines: Any, **settings: Any) -> Any:
        z = image_forward(*map(as_image, lines), **as_pairs(settings))
        return tuple(map(as_line, z)) if isinstance(z, tuple) else as_line(z)

    @wraps(image_backward)
    def backward(*lines: Any, **settings: Any) -> Any:
        gradients = image_backward(*map(as_image, lines), **as_pairs(settings))
        return tuple(map(as_line, gradients)) if isinstance(gradients, tuple) else as_line(gradients)

    return Form(forward, backward)


def as_image(x: Any) -> Any:
    """(N, C, L) → (N, C, 1, L); a bias stays."""
    return x[:, :, None] if isinstance(x, np.ndarray) and x.ndim == 3 else x


def as_line(x: Any) -> Any:
    """(N, C, 1, L) → (N, C, L)."""
    return x[:, :, 0] if isinstance(x, np.ndarray) and x.ndim == 4 else x


def as_pairs(settings: dict[str, Any]) -> dict[str, Any]:
    """(k,) → (1, k), and the `needs` of a backward as they are."""
    return {
        name: (ACROSS.get(name, 1), *value) if isinstance(value, tuple) and name != "needs" else value
        for name, value in settings.items()
    }
