"""The batch grown until memory ends: the last that is predicted to fit trains, the next one does not."""

from types import SimpleNamespace

import pytest

from underhood.errors import BadInput
from underhood.instruments.scaling import growth
from underhood.instruments.scaling.growth import grown
from underhood.instruments.scaling.result import Grown

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


def test_the_batch_grows_until_it_is_predicted_not_to_fit(monkeypatch):
    """A step takes 100 bytes an image; what does not fit is tried too, and fails for want of memory."""
    asked, tried, heard = [], [], []

    def memory(network, shape, *, arguments, optimizer, where):
        asked.append((network, shape, arguments, optimizer, where))
        return SimpleNamespace(steps=[SimpleNamespace(predicted=100 * shape[0])])

    def measured_peak(network, arguments, inputs, optimizer, *, device, ceiling):
        (spec,) = inputs.positional
        tried.append((spec.shape, device, ceiling))
        if 100 * spec.shape[0] > ceiling:
            raise BadInput("a step in a process of its own failed: DefaultCPUAllocator: can't allocate 9 bytes")
        return 99 * spec.shape[0]

    monkeypatch.setattr(growth, "memory", memory)
    monkeypatch.setattr(growth, "measured_peak", measured_peak)
    found = grown("net", {"a": 1}, (3, 8), "adam", 2, 4, 3200, "cpu", heard.append)
    assert found == (
        Grown(2, 200, True),
        Grown(8, 800, True),
        Grown(32, 3200, True, 3168),  # as much as there is
        Grown(128, 12800, False, None, "not enough memory"),
    )
    assert asked[1] == ("net", (8, 3, 8), {"a": 1}, "adam", "cpu")
    assert tried == [((32, 3, 8), "cpu", 3200), ((128, 3, 8), "cpu", 3200)]
    assert heard[0] == "batch 32: predicted 0.003 MB of 0.003 MB; tried in a process"
    assert grown("net", {}, (3,), "sgd", 64, 2, 100, "cuda") == (Grown(64, 6400, False, None, "not enough memory"),)
    assert asked[-1][-1] == "cuda"


@pytest.mark.parametrize(
    ("text", "gist"),
    [
        ("it failed: can't allocate 9 bytes", "not enough memory"),
        ("it failed: CUDA out of Memory", "not enough memory"),
        ("it failed: wrong shape", "wrong shape"),
        ("a failed: b failed: " + "x" * 200, "x" * 120),
    ],
)
def test_why_a_step_failed(text, gist):
    assert growth._gist(BadInput(text)) == gist
