"""The batch grown until memory ends: the last that is predicted to fit trains, the next one does not."""

import pytest

from underhood.instruments.scaling.growth import grown

pytest.importorskip("torch")


@pytest.mark.slow
def test_prediction_and_trial_agree_on_where_memory_ends():
    found = grown("simple-nn", {}, (3, 32, 32), "sgd", 256, 8, 900_000_000)
    assert [each.batch for each in found] == [256 * 8**power for power in range(len(found))]
    *fitting, over = found
    assert all(each.fits for each in fitting)
    assert fitting[-1].measured < 900_000_000
    assert not over.fits
    assert over.predicted > 900_000_000
    assert over.measured is None
    assert over.why == "not enough memory"
