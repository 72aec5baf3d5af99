"""What --dry-run says of each trial."""

import pytest

from tests.in_process import InProcess
from underhood.lab import child, forecast, load_file
from underhood.lab.forecast import Forecast
from underhood.lab.store import RunFolder
from underhood.lab.study import plan
from underhood.lab.trial import TrialSpec
from underhood.studies import find
from underhood.training.loop import train
from underhood.training.search import SearchedSettings, search_and_train
from underhood.training.settings import TrainingSettings
from underhood.training.timing import Pace

pytestmark = pytest.mark.usefixtures("data_sets")


def spec(seed=0, **settings):
    small = {"data": {"name": "digits", "train": 64, "test": 32}, "network": {"name": "mlp", "hidden": [8]}}
    return TrialSpec.of(train, TrainingSettings.model_validate(small | settings), seed)


@pytest.fixture
def paced(monkeypatch):
    asked = []

    def ask(words, task, threads):
        asked.append(TrialSpec.from_json(task["spec"]).settings)
        return vars(Pace(1.0, 0.5, 0.0, 64, 0, 32))

    monkeypatch.setattr(forecast, "ask", ask)
    return asked


def test_trainings_of_the_same_cost_are_judged_once(paced, tmp_path):
    specs = [spec(seed, epochs=n, batch_size=size) for seed in (0, 1) for n in (1, 3) for size in (16, 32)]
    found = forecast.forecast(specs, RunFolder(tmp_path / "none"), None, print)
    assert [settings.batch_size for settings in paced] == [16, 32]
    for each in found:
        chosen = each.spec.settings
        assert each.seconds == 1.0 + chosen.epochs * 64 / chosen.batch_size * 0.5
        assert each.state == "waiting"
    assert not (tmp_path / "none").exists()


def test_a_search_is_its_candidates_and_the_one_chosen(paced, tmp_path):
    settings = SearchedSettings.model_validate(
        {
            "data": {"name": "digits", "train": 64, "test": 32, "validation": 0.5},
            "network": {"name": "mlp", "hidden": [8]},
            "batch_size": 32,
            "epochs": 5,
            "search": {"over": {"optimizer.lr": [0.1, 0.2, 0.3]}, "epochs": 2},
        }
    )
    searched = TrialSpec.of(search_and_train, settings, 0)
    (found,) = forecast.forecast([searched], RunFolder(tmp_path / "none"), None, print)
    assert len(paced) == 1  # a rate changes no step's time
    assert found.seconds == 4 * 1.0 + (3 * 2 + 5) * 2 * 0.5


@pytest.mark.parametrize(
    ("study", "words"),
    [
        ("scalar-vs-vector", ()),
        ("mnist-mlp", ("network=template",)),
        ("simple-nn", ("devices=2", "backend=torch")),
    ],
)
def test_what_is_not_the_steps_of_a_training_in_one_process_is_not_judged_by_them(paced, tmp_path, study, words):
    specs = plan(find(study), "smoke", words, seeds=1)
    found = forecast.forecast(specs, RunFolder(tmp_path / "none"), None, print)
    judged = [each.spec.settings for each in found if each.seconds is not None]
    assert [settings.images for settings in judged] == ([None] if study == "scalar-vs-vector" else [])
    assert paced == judged


def test_a_function_of_ones_own_is_judged_by_its_settings_and_that_is_said(paced, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    mine = load_file(file)
    said = []
    found = forecast.forecast(plan(mine.study, "quick"), RunFolder(tmp_path / "none"), None, said.append)
    assert [each.seconds is None for each in found] == [False, False]
    assert said == ["mine:twice is judged as if it trained by its settings and did nothing else"]


MINE = """
from underhood.lab import Scale, Study
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings


def twice(settings, seed, context):
    list(train(settings, seed, context))
    yield from train(settings, seed, context)


study = Study(
    name="mine",
    title="Mine",
    question="?",
    theme="mine",
    source="none",
    settings=TrainingSettings,
    trial=twice,
    base={"network": "mlp", "data.name": "digits"},
    scales={"quick": Scale("two seeds", seeds=2)},
    report=lambda results: None,
)
"""


def test_what_ended_is_said_and_its_seeds_tell_of_others(run_tiny, tiny, tmp_path):
    run, _ = run_tiny("steps=2", seeds=1, executor=InProcess)
    specs = plan(tiny.study, "smoke", ["steps=2"], grid=["walk.name=plain,other,third"])
    found = {
        (each.spec.settings.walk.name, each.spec.seed): each
        for each in forecast.forecast(specs, RunFolder(run.path), None, print)
    }
    assert {found[name, 0].state for name in ("plain", "other")} == {"finished"}
    assert found["plain", 1] == Forecast(specs[3], "waiting", run.trials[0].seconds)
    assert found["third", 1].seconds is None


def test_a_training_that_can_not_be_judged_is_said(monkeypatch, tmp_path):
    def ask(words, task, threads):
        raise child.ChildDiedError(-9, "")

    monkeypatch.setattr(forecast, "ask", ask)
    said = []
    (found,) = forecast.forecast([spec()], RunFolder(tmp_path), None, said.append)
    assert found.seconds is None
    assert said == [f"trial {found.spec.id}: can't be judged: exit code -9"]


@pytest.mark.processes
def test_a_few_steps_in_a_process(tmp_path):
    (found,) = forecast.forecast([spec(epochs=50)], RunFolder(tmp_path), None, print)
    assert 0 < found.seconds < 600
