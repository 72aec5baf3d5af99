"""Python's `run`: settings are taken as they are given, and a study is planned once."""

import math
import shlex

import pytest

import underhood
from underhood.lab import Scale, Study, coordinator
from underhood.lab.slots import Slots
from underhood.settings import Mistakes, Settings
from underhood.trials import Result


class Values(Settings):
    bound: float = 1.0
    word: str = "a"
    several: tuple[float, ...] = ()
    maybe: int | None = 3


def trial(settings, seed, context):
    yield Result({"bound": settings.bound})


STUDY = Study("values", "", "?", "", "", Values, trial, {"smoke": Scale("", seeds=1)}, report=lambda results: None)


@pytest.fixture
def planned(monkeypatch, tmp_path):
    """planned(set=…, grid=…) -> the trials' settings, the run's command and how many three cores would run at once,
    without running them.
    """
    seen = []

    class Stopped(Exception):
        pass

    class Spy(coordinator._Coordinator):
        def run(self):
            at_once = Slots(self.parallel).at_once(self.specs, cores=3)
            seen.append(([spec.settings for spec in self.specs], self.command, at_once))
            raise Stopped

    monkeypatch.setattr(coordinator, "_Coordinator", Spy)

    def plan(**given):
        with pytest.raises(Stopped):
            underhood.run(STUDY, "smoke", runs=tmp_path, **given)
        return seen[-1]

    return plan


def test_settings_in_python_keep_their_values_and_kinds(planned):
    given = {"bound": math.inf, "word": "1e-3", "several": (0.1, math.inf), "maybe": None}
    (settings,), command, _ = planned(set=given)
    assert settings.model_dump() == given
    words = shlex.split(command)
    (typed,), _, _ = planned(set=[words[i + 1] for i, word in enumerate(words) if word == "--set"])
    assert typed == settings


def test_a_grid_in_python_keeps_its_values(planned):
    trials, command, _ = planned(grid={"several": [[], [1.5]], "maybe": [None, 3]})
    assert [(each.several, each.maybe) for each in trials] == [((), None), ((), 3), ((1.5,), None), ((1.5,), 3)]
    assert command.endswith(f"--grid 'several=[],[1.5]' --grid maybe=none,3 --runs {shlex.split(command)[-1]}")


def test_mistakes_in_python_name_the_argument(planned, tmp_path):
    given = {"set": {"words": "a"}, "grid": {"maybe": [], "bound": ["x"]}}
    with pytest.raises(Mistakes) as caught:
        underhood.run(STUDY, "smoke", runs=tmp_path, **given)
    assert caught.value.lines[0] == "grid maybe: has no values"
    assert 'set words: unknown setting; did you mean "word"?' in caught.value.lines
    assert any(line.startswith('grid bound: "x" should be a valid number') for line in caught.value.lines)


def test_a_study_is_planned_once_and_runs_as_many_trials_as_the_cores_bear(planned, monkeypatch):
    plans = []

    def plan(*arguments, **options):
        plans.append(arguments)
        return list(real(*arguments, **options))

    real = coordinator.plan
    monkeypatch.setattr(coordinator, "plan", plan)
    assert planned(grid={"maybe": [1, 2]})[2] == 2
    assert planned(grid={"maybe": [1, 2, 3, 4, 5]})[2] == 3
    assert planned(grid={"maybe": [1, 2]}, parallel=1)[2] == 1
    assert len(plans) == 3
