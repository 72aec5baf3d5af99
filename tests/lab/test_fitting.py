"""`--fit`: the first change in order that fits, the same one again, and a refusal with every peak."""

import pytest

from underhood.errors import BadInput
from underhood.lab import footprint
from underhood.lab.fitting import candidates, fitted
from underhood.lab.footprint import Predicted
from underhood.lab.store import RunFolder
from underhood.lab.trial import TrialSpec
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings

MEGA = 10**6


@pytest.fixture
def asked(monkeypatch):
    """A megabyte for each image of a pass, a tenth for each that is evaluated at once, 10 for an optimiser's state."""
    seen = []

    def predicted(spec, data):
        settings = spec.settings
        seen.append(settings)
        images = -(-settings.batch_size // settings.accumulate)
        peak = max(images, settings.evaluation_batch / 10) + 10 * (settings.optimizer.name == "adam")
        return Predicted(int(peak * MEGA), int(2 * peak * MEGA))

    monkeypatch.setattr(footprint, "predicted", predicted)
    return seen


def specs(**settings):
    given = {"data": {"name": "digits"}, "batch_size": 64, "optimizer": {"name": "adam", "lr": 0.001}}
    return [TrialSpec.of(train, TrainingSettings(**given | settings), seed) for seed in (0, 1)]


@pytest.mark.parametrize(
    ("limit", "evaluated", "passes", "optimizer"),
    [(200, 1000, 1, "adam"), (80, 64, 1, "adam"), (50, 32, 2, "adam"), (12, 2, 32, "adam"), (5, 1, 64, "sgd")],
)
def test_the_first_that_fits_is_taken(asked, tmp_path, limit, evaluated, passes, optimizer):
    said = []
    found = fitted(specs(), limit * MEGA, RunFolder(tmp_path), None, said.append)
    assert len(found) == 2
    for spec in found:
        settings = spec.settings
        assert (settings.evaluation_batch, settings.accumulate, settings.optimizer.name) == (
            evaluated,
            passes,
            optimizer,
        )
    assert len(said) == 1
    assert ("not equal" in said[0]) == (optimizer == "sgd")
    assert [spec.id for spec in found] == [spec.id for spec in specs()] or limit < 200


def test_what_was_chosen_is_kept(asked, tmp_path):
    first = fitted(specs(), 50 * MEGA, RunFolder(tmp_path), None, print)
    count = len(asked)
    again = fitted(specs(), 50 * MEGA, RunFolder(tmp_path), None, print)
    assert [spec.id for spec in first] == [spec.id for spec in again]
    assert len(asked) == count


def test_where_nothing_fits_every_peak_is_said(asked, tmp_path):
    with pytest.raises(BadInput, match=r"nothing fits. Predicted peaks: as it is: 110.0 MB; .* sgd .*: 1.0 MB"):
        fitted(specs(), MEGA // 2, RunFolder(tmp_path), None, print)


def test_accumulation_never_has_more_passes_than_images():
    settings = TrainingSettings(data={"name": "digits"}, batch_size=6)
    assert [each.changes.get("accumulate", 1) for each in candidates(settings)] == [1, 1, 2, 4]
