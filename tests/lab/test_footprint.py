"""A limit that can't work is refused before anything starts, with the prediction; what can't be predicted is held."""

import pytest

from underhood.errors import BadInput
from underhood.lab import footprint
from underhood.lab.child import ChildDiedError
from underhood.lab.footprint import Predicted, held_trials
from underhood.lab.how import How
from underhood.lab.trial import TrialSpec
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings


def spec(seed=0, **settings):
    return TrialSpec.of(train, TrainingSettings(data={"name": "digits"}, **settings), seed)


@pytest.fixture
def peaks(monkeypatch):
    """Predictions without a process: a megabyte for each epoch at the least, two with the heap's holes."""
    asked = []

    def predicted(spec, data):
        asked.append(spec.id)
        epochs = spec.settings.epochs
        if epochs == 99:
            raise BadInput("nobody knows")
        return Predicted(epochs * 10**6, 2 * epochs * 10**6, 3 * epochs * 10**6)

    monkeypatch.setattr(footprint, "predicted", predicted)
    return asked


def test_one_of_each_setting_is_asked_and_all_seeds_are_told(peaks):
    specs = [spec(seed, epochs=epochs) for seed in (0, 1) for epochs in (3, 5)]
    found = held_trials(specs, lambda _: 10**7, None, print)
    assert {each: peak.least for each, peak in found.items()} == {
        each.id: each.settings.epochs * 10**6 for each in specs
    }
    assert len(peaks) == 2


def test_what_can_not_fit_is_refused_with_its_prediction(peaks):
    with pytest.raises(BadInput, match=r"predicted to take 7.0 MB at the least, its memory limit is 5MB"):
        held_trials([spec(epochs=3), spec(epochs=7)], lambda _: 5 * 10**6, None, print)


def test_what_can_not_be_predicted_is_said(peaks):
    said = []
    assert held_trials([spec(epochs=99)], lambda _: 1, None, said.append) == {}
    assert "held to 1B, but is not predicted: nobody knows" in said[0]


def test_a_prediction_that_dies_is_one_that_can_not_be_made(monkeypatch):
    def died(*_, **__):
        raise ChildDiedError(-9, "")

    monkeypatch.setattr(footprint, "ask", died)
    said = []
    assert held_trials([spec(epochs=41)], lambda _: 10**9, None, said.append) == {}
    assert "is not predicted: the process that predicts it died: exit code -9" in said[0]


def test_trials_without_a_limit_are_not_asked(peaks):
    assert held_trials([spec()], lambda _: None, None, print) == {}
    assert peaks == []


def test_the_less_of_two_limits_counts():
    assert How().limit_of(spec()) is None
    assert How().limit_of(spec(memory_limit="1GB")) == 10**9
    assert How(memory_limit=5 * 10**8).limit_of(spec(memory_limit="1GB")) == 5 * 10**8
    assert How(memory_limit=2 * 10**9).limit_of(spec(memory_limit="1000MB")) == 10**9
    assert spec(memory_limit="1GB").id == spec(memory_limit="1000MB").id != spec().id
