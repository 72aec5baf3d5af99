"""`--fit`: the first change in order that fits, the same one again, and a refusal with every peak."""

import pytest

from underhood.errors import BadInput
from underhood.lab import footprint
from underhood.lab.files import read_json, write_json
from underhood.lab.fitting import FILE, changes, fitted
from underhood.lab.footprint import Predicted
from underhood.lab.store import RunFolder
from underhood.lab.trial import TrialSpec
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings

MEGA = 10**6


@pytest.fixture
def asked(monkeypatch):
    """A megabyte for each image of a pass, half of one with checkpointing, a tenth for each that is evaluated at once
    and a little less in place, 10 for an optimiser's state.
    """
    seen = []

    def predicted(spec, data):
        settings = spec.settings
        seen.append(settings)
        images = -(-settings.batch_size // settings.accumulate) / (1 + settings.activation_checkpointing)
        evaluated = settings.evaluation_batch * (0.09 if settings.in_place_activations else 0.1)
        peak = max(images, evaluated) + 10 * (settings.optimizer.name == "adam")
        return Predicted(int(peak * MEGA), int(2 * peak * MEGA), int(3 * peak * MEGA))

    monkeypatch.setattr(footprint, "predicted", predicted)
    return seen


def specs(**settings):
    given = {"data": {"name": "digits"}, "batch_size": 64, "optimizer": {"name": "adam", "lr": 0.001}}
    return [TrialSpec.of(train, TrainingSettings(**given | settings), seed) for seed in (0, 1)]


IN_PLACE = {"in_place_activations": True}
EVALUATED = IN_PLACE | {"evaluation_batch": 64}
CHECKPOINTED = EVALUATED | {"activation_checkpointing": True}
SGD = {"optimizer": {"name": "sgd", "lr": 0.001}}


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (200, {}),
        (105, IN_PLACE),
        (75, EVALUATED),
        (42, CHECKPOINTED),
        (27, CHECKPOINTED | {"accumulate": 2, "evaluation_batch": 32}),
        (12, CHECKPOINTED | {"accumulate": 16, "evaluation_batch": 4}),
        (9, CHECKPOINTED | SGD | {"accumulate": 4, "evaluation_batch": 16}),
    ],
)
def test_the_first_that_fits_is_taken_on_torch(asked, tmp_path, limit, expected):
    said = []
    found = fitted(specs(backend="torch"), limit * MEGA, RunFolder(tmp_path), None, said.append)
    wanted = specs(backend="torch", **expected)
    assert [spec.id for spec in found] == [spec.id for spec in wanted]
    assert len(said) == 1
    assert ("not equal" in said[0]) == (limit == 9)
    assert ("BatchNorm" in said[0]) == (limit < 40)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (200, {}),
        (80, {"evaluation_batch": 64}),
        (50, {"evaluation_batch": 32, "accumulate": 2}),
        (5, SGD | {"evaluation_batch": 4, "accumulate": 16}),
    ],
)
def test_the_engine_s_plan_is_not_changed_and_that_is_said(asked, tmp_path, limit, expected):
    said = []
    found = fitted(specs(), limit * MEGA, RunFolder(tmp_path), None, said.append)
    assert [spec.id for spec in found] == [spec.id for spec in specs(**expected)]
    assert "activation_checkpointing are PyTorch's alone" in said[0]


def test_what_does_not_help_is_not_taken_along(asked, tmp_path):
    """Evaluations of no more than a batch: in place changes nothing here."""
    (spec, _) = fitted(specs(backend="torch", evaluation_batch=32), 45 * MEGA, RunFolder(tmp_path), None, print)
    assert spec.id == specs(backend="torch", evaluation_batch=32, activation_checkpointing=True)[0].id


def test_a_pass_too_small_to_be_predicted_is_passed_over(asked, monkeypatch, tmp_path):
    known = footprint.predicted

    def predicted(spec, data):
        if spec.settings.accumulate == 64:
            raise BadInput("BatchNorm wants two")
        return known(spec, data)

    monkeypatch.setattr(footprint, "predicted", predicted)
    with pytest.raises(BadInput, match="evaluation_batch = 1, accumulate = 64: cannot be"):
        fitted(specs(), MEGA // 2, RunFolder(tmp_path), None, print)


def test_what_was_chosen_is_kept(asked, tmp_path):
    first = fitted(specs(), 50 * MEGA, RunFolder(tmp_path), None, print)
    count = len(asked)
    again = fitted(specs(), 50 * MEGA, RunFolder(tmp_path), None, print)
    assert [spec.id for spec in first] == [spec.id for spec in again]
    assert len(asked) == count
    kept = read_json(tmp_path / FILE)["chosen"]
    write_json(tmp_path / FILE, {"chosen": dict.fromkeys(kept, "accumulate = 2")})  # as it was written once
    assert [spec.id for spec in fitted(specs(), 50 * MEGA, RunFolder(tmp_path), None, print)] == [s.id for s in first]


def test_sgd_without_momentum_is_that_where_a_study_has_it_by_default(asked, tmp_path):
    from underhood.studies.mnist_mlp import MnistMlpSettings

    spec = TrialSpec.of(train, MnistMlpSettings.model_validate({"optimizer": {"name": "adam", "lr": 0.001}}), 0)
    (found,) = fitted([spec], 9 * MEGA, RunFolder(tmp_path), None, print)
    assert found.settings.optimizer.arguments == {"momentum": 0.0}
    assert found.settings.optimizer.lr == 0.001


def test_where_nothing_fits_every_peak_is_said(asked, tmp_path):
    with pytest.raises(BadInput, match=r"nothing fits. Predicted peaks: as it is: 110.0 MB; .* sgd .*: 1.0 MB"):
        fitted(specs(), MEGA // 2, RunFolder(tmp_path), None, print)


def test_accumulation_never_has_more_passes_than_images():
    _, parted, leaner = changes(TrainingSettings(data={"name": "digits"}, batch_size=6))
    assert [change.settings["accumulate"] for change in parted] == [2, 4]
    assert leaner is None
