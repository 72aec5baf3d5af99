"""One trial of a run by what a person says of it: what fits one is found, everything else is told the nearest."""

import pytest

from tests.in_process import InProcess
from underhood.errors import BadInput
from underhood.lab import How, run_study

GRID = ["walk.name=plain,other", "walk.size=1,2"]


@pytest.fixture(scope="module")
def run(tiny, tmp_path_factory):
    how = How(runs=tmp_path_factory.mktemp("runs"), executor=InProcess)
    return run_study(tiny.study, "smoke", ["steps=1"], 2, how, grid=GRID)


@pytest.mark.parametrize(
    ("setting", "label"),
    [
        ("plain, size 2.0", "plain, size 2.0"),
        ("OTHER,size 1.0", "other, size 1.0"),
        ({"walk": "other", "walk.size": 2}, "other, size 2.0"),
        ({"walk": {"name": "other", "size": 1}}, "other, size 1.0"),
    ],
)
def test_what_fits_one_setting(run, setting, label):
    for seed in (0, 1):
        trial = run.trial(setting, seed)
        assert trial in run.results[label].trials
        assert trial.seed == seed
    assert run.trial(setting) == run.trial(setting, 0)


def test_an_id_or_how_it_begins(run):
    for trial in run.trials:
        assert run.trial(trial.id) == run.trial(trial.id[:7]) == run.trial(trial.id, trial.seed) == trial
        with pytest.raises(BadInput, match=rf"trial {trial.id}: has the seed {trial.seed}, not 5"):
            run.trial(trial.id, 5)


def test_a_setting_alone_needs_no_name(run_tiny):
    run, _ = run_tiny("steps=1", "walk=plain", seeds=3, executor=InProcess)
    assert run.trial(seed=2) == run.trials[2]
    with pytest.raises(BadInput, match="seed 3: there is 0, 1, 2"):
        run.trial(seed=3)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (None, r'Which setting\? There are "plain, size 1.0" · "plain, size 2.0" · "other'),
        ("plain", r'Setting "plain": which\? There are "plain, size 1.0" · "plain, size 2.0"$'),
        ("walk.size=2", r'which\? There are "plain, size 2.0" · "other, size 2.0"$'),
        ("plane", r'setting "plane": this run has none; did you mean "plain"'),
        ("mango", r'setting "mango": this run has none; there is "plain, size 1.0" ·'),
        ({"walk.size": 3}, r"setting walk\.size=3: this run has none; it is 1\.0 or 2\.0"),
        ({"walk.sice": 3}, r'setting walk\.sice=3: this run has none; did you mean "walk\.size"'),
        ({"threads": True}, r"setting threads=true: this run has none; it is 1"),
        ("abcdef0", r'setting "abcdef0": this run has none'),
    ],
)
def test_what_fits_none_or_several_is_refused(run, setting, said):
    with pytest.raises(BadInput, match=said):
        run.trial(setting)


def test_a_trial_without_a_network_says_why(run, run_tiny):
    with pytest.raises(BadInput, match="left no network"):
        run.load("plain, size 1.0")
    failed, _ = run_tiny("steps=2", "walk=plain", "fails_at=1", name="failed", executor=InProcess)
    with pytest.raises(BadInput, match="is failed; a network is kept when it has finished"):
        failed.load()
    assert run.trials[0].answers() is None
