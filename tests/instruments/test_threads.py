"""As many threads as were asked for inside, and afterwards as many as before."""

import numba
import pytest
import torch

from underhood.instruments.threads import threads


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread only")
def test_every_library_has_its_number_again():
    numba.set_num_threads(2)
    torch.set_num_threads(2)
    with threads(1) as count:
        assert count == numba.get_num_threads() == torch.get_num_threads() == 1
    assert numba.get_num_threads() == torch.get_num_threads() == 2
