"""speed-net at smoke scale, on pictures of noise over a pattern of their class."""

import numpy as np
import pytest

import underhood
from underhood.settings import build, from_dict
from underhood.studies import find
from underhood.studies.speed_net import RECIPE, _reached
from underhood.training.settings import TrainingSettings


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("speed")
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 10
    images = np.clip(rng.normal(128, 40, (10, 3, 32, 32))[labels] + rng.normal(0, 40, (400, 3, 32, 32)), 0, 255)
    x, y = images.astype(np.uint8), labels
    np.savez(folder / "noise.npz", x_train=x[:300], y_train=y[:300], x_test=x[300:], y_test=y[300:])
    chosen = {"data.name": str(folder / "noise.npz"), "epochs": 6, "batch_size": 32, "data.augmentation": ["flip"]}
    return underhood.run("speed-net", "smoke", set=chosen, runs=folder)


def test_it_learns_and_is_held_against_the_clock(run):
    (trial,) = run.trials
    assert trial.result["test_error"] < 0.75  # 0.9 is chance
    document = find("speed-net").report(run.results)
    assert f"**{100 * trial.result['test_error']:.2f} %** of the test images are misread" in document.answer
    figure, table = document.sections[0].blocks
    points = figure.spec["data"]["values"]
    assert [row["seconds"] for row in points] == pytest.approx(sorted(trial.metric("seconds").values()), rel=1e-4)
    assert len(table.rows) == len(points) == 6
    assert table.rows[-1]["accuracy"] == pytest.approx(1 - trial.result["test_error"])


def test_the_goal_is_reached_when_it_is_first_met(run):
    class Told:
        def metric(self, name):
            return {"seconds": {1: 10.0, 2: 20.0, 3: 30.0}, "test_error": {1: 0.1, 2: 0.06, 3: 0.05}}[name]

    assert _reached(Told()) == 20.0
    assert (_reached(run.trials[0]) is None) == (min(run.trials[0].metric("test_error").values()) > 0.06)


def test_the_recipe_is_a_training_s_settings():
    settings = build(TrainingSettings, [from_dict(RECIPE, "recipe: ")])
    assert [(step.name, step.arguments) for step in settings.data.augmentation] == [
        ("crop", {"padding": 2, "mode": "reflect"}),
        ("flip", {"alternating": True}),
    ]
    rate = settings.schedule.over(per_epoch=100, epochs=16, watched=[])
    assert rate(0) == pytest.approx(0.2, abs=0.01)
    assert rate(320) == pytest.approx(1, abs=0.01)
    assert rate(1599) == pytest.approx(0.05, abs=0.01)
