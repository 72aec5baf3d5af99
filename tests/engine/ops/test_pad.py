"""The pictures in the head of the page, and that what is padded by nothing is still a copy."""

import numpy as np
import pytest

from underhood import engine
from underhood.engine import functional as F

PICTURES = {
    "constant": [0, 0, 1, 2, 3, 4, 0, 0],
    "reflect": [3, 2, 1, 2, 3, 4, 3, 2],
    "replicate": [1, 1, 1, 2, 3, 4, 4, 4],
    "circular": [3, 4, 1, 2, 3, 4, 1, 2],
}


@pytest.mark.parametrize("mode", PICTURES)
def test_the_pictures_hold(mode):
    z = F.pad(engine.tensor([[1.0, 2.0, 3.0, 4.0]]), (2, 2), mode)
    assert z.tolist() == [PICTURES[mode]]
    assert (
        f"{mode:<12}1234 → " + "{}{} 1234 {}{}".format(*PICTURES[mode][:2], *PICTURES[mode][-2:])
        in (F.pad.__globals__["__doc__"])
    )


def test_nothing_to_pad_is_still_a_copy():
    x = engine.tensor(np.ones((2, 3)))
    z = F.pad(x, (0, 0))
    z.numpy()[...] = 5
    assert x.tolist() == np.ones((2, 3)).tolist()
