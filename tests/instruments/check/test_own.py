"""What of one's own can be checked, told apart."""

import numpy as np
import pytest

from underhood.errors import BadInput
from underhood.instruments.check.own import own


@pytest.mark.parametrize("pair", [(3, np.cos), (np.sin, 3), ("sin", None), [None, None]])
def test_a_pair_that_is_none_is_refused(pair):
    with pytest.raises(BadInput, match="sine: a pair is a forward and a backward function"):
        own(pair, "sine")


@pytest.mark.parametrize("pair", [(np.sin,), (np.sin, None), [np.sin, lambda delta, x: delta * np.cos(x)]])
def test_a_backward_may_be_left_out_of_a_pair(pair):
    assert own(pair, "sine").name == "sine"
