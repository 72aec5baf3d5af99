"""A trial's predicted peak: what an optimiser's state adds, what passes and smaller evaluations save."""

import pytest

from underhood.errors import BadInput
from underhood.training.footprint import Footprint, footprint
from underhood.training.pipeline import read
from underhood.training.settings import TrainingSettings

WEIGHTS = 4 * (64 * 64 + 64 + 64 * 10 + 10)


def found(backend, **changes):
    given = {"data": {"name": "digits"}, "network": {"name": "mlp", "hidden": [64]}, "batch_size": 64}
    settings = TrainingSettings.model_validate({**given, "backend": backend, **changes})
    return footprint(settings, 0, read(settings.data, None, 0, settings.dtype))


@pytest.mark.parametrize(("backend", "times"), [("torch", 1), ("underhood", 3)])
def test_state_comes_on_top(backend, times):
    """On the engine there are two copies more of it, while a replay is held against the step as it stands."""
    plain, lion = found(backend), found(backend, optimizer={"name": "lion", "lr": 0.001})
    assert lion.least - plain.least == times * WEIGHTS
    assert plain.heap >= plain.least > 3 * WEIGHTS


@pytest.mark.parametrize("backend", ["torch", "underhood"])
def test_state_comes_on_top_of_passes_too(backend):
    """Once: passes are not replayed, so nothing is held against them."""
    in_passes = {"batch_size": 1024, "accumulate": 2}
    plain, lion = (found(backend, optimizer={"name": name, "lr": 0.001}, **in_passes) for name in ("sgd", "lion"))
    assert lion.least - plain.least == pytest.approx(WEIGHTS, rel=0.05)


@pytest.mark.parametrize("backend", ["torch", "underhood"])
def test_fewer_images_at_once_take_less(backend):
    whole = found(backend, batch_size=1024)
    smaller = found(backend, batch_size=1024, evaluation_batch=64)
    parted = found(backend, batch_size=1024, evaluation_batch=64, accumulate=16)
    assert whole.least >= smaller.least > parted.least


def test_fewer_activations_take_less():
    deep = {"network": {"name": "mlp", "hidden": [64] * 12}, "batch_size": 1024, "evaluation_batch": 64}
    assert (
        found("torch", **deep, activation_checkpointing=True).least < found("torch", **deep).least - 4 * 1024 * 64 * 4
    )


def test_a_relu_in_place_takes_less_of_an_evaluation_and_no_less_of_a_step():
    """The test set's 359 images: a ReLU's input and its output were there at once; now they are with the logits."""
    wide = {"network": {"name": "mlp", "hidden": [512]}}
    small, large = ({**wide, "batch_size": batch, "evaluation_batch": 359} for batch in (8, 1024))
    plain, in_place = (found("torch", **small, in_place_activations=each).least for each in (False, True))
    assert plain - in_place == 4 * 359 * (512 - 10)
    assert found("torch", **large, in_place_activations=True).least == found("torch", **large).least


def test_no_more_is_evaluated_at_once_than_there_is():
    few = {"name": "digits", "test": 20}
    assert found("torch", data=few).least == found("torch", data=few, evaluation_batch=20).least
    assert found("torch", data=few).least < found("torch", data=few, train_curve=True).least


def test_batches_are_made_of_the_images_of_a_step_or_of_an_evaluation(monkeypatch):
    """Three copies of a batch of 64 numbers an image, and 12 bytes for each class of each of 20 test images."""
    monkeypatch.setattr("underhood.training.footprint._on_torch", lambda *_: Footprint(0, 0))
    few = {"name": "digits", "test": 20, "validation": 200}
    assert found("torch", data=few, batch_size=64, evaluation_batch=16).least == 3 * 64 * 64 * 4 + 12 * 10 * 20
    assert found("torch", data=few, batch_size=64, evaluation_batch=128).least == 3 * 128 * 64 * 4 + 12 * 10 * 20
    assert found("torch", data=few, batch_size=64, evaluation_batch=512).least == 3 * 200 * 64 * 4 + 12 * 10 * 20


def test_what_is_not_predicted_says_so():
    with pytest.raises(BadInput, match="compile and bfloat16-autocast are not predicted"):
        found("torch", compile=True)
    with pytest.raises(BadInput, match="mlp on underhood: this step is not replayed"):
        found("underhood", test_flips="logits")
