"""How a run is asked for: what is refused, whose limit holds, and the command that repeats it."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from underhood.errors import BadInput
from underhood.hosts import Hosts
from underhood.lab.how import How, command_of
from underhood.lab.trial import TrialSpec
from underhood.studies import find
from underhood.training.loop import train
from underhood.training.settings import TrainingSettings


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"parallel": 0}, "--parallel 0: at least one trial must run at once"),
        ({"parallel": -2}, "--parallel -2: at least one trial must run at once"),
        ({"checkpoint_every": -0.5}, "--checkpoint-every -0.5: seconds, 0 or more"),
        ({"checkpoint_every": float("nan")}, "--checkpoint-every nan: seconds, 0 or more"),
        ({"when_full": "go"}, '--when-full: unknown "go"; there is go-on, stop'),
        ({"retry": -1}, "--retry -1: cannot be less than 0"),
        ({"name": "a/b"}, "--name"),
    ],
)
def test_what_makes_no_run_is_refused(options, said):
    with pytest.raises(BadInput) as caught:
        How(**options)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    "options",
    [{"parallel": 1}, {"parallel": None}, {"checkpoint_every": 0}, {"when_full": "stop"}, {"retry": 0}, {"name": "a"}],
)
def test_the_least_of_each_is_taken(options):
    assert replace(How(), **options) == How(**options)


def spec(**settings):
    return TrialSpec.of(train, TrainingSettings.model_validate({"data": {"name": "digits"}, **settings}), 0)


@pytest.mark.parametrize(
    ("asked", "own", "limit"),
    [
        (None, None, None), (7 * 10**8, None, 7 * 10**8), (None, "1GB", 10**9),
        (7 * 10**8, "1GB", 7 * 10**8), (2 * 10**9, "1GB", 10**9),
    ],
)  # fmt: skip
def test_the_lesser_limit_holds(asked, own, limit):
    assert How(memory_limit=asked).limit_of(spec(**({} if own is None else {"memory_limit": own}))) == limit


def test_hosts_are_for_trials_of_several_workers(monkeypatch):
    checked = []
    monkeypatch.setattr(Hosts, "check", lambda hosts: checked.append(hosts))
    How().check_hosts([spec()])
    with pytest.raises(BadInput, match=r"^--via: says how hosts are reached; name them by --hosts$"):
        How(via="ssh {host}").check_hosts([spec()])
    for alone in ([], [spec()]):
        with pytest.raises(BadInput, match=r"^--hosts: no trial has several workers; say how many by --devices$"):
            How(hosts=("a", "b")).check_hosts(alone)
    with pytest.raises(BadInput, match=r"^--devices 3: does not divide over 2 hosts$"):
        How(hosts=("a", "b")).check_hosts([spec(backend="torch", devices=2), spec(backend="torch", devices=3)])
    assert checked == []
    How(hosts=("a", "b=c"), via="{host}").check_hosts([spec(), spec(backend="torch", devices=2)])
    assert checked == [Hosts((("a", "a"), ("b", "c")), "{host}")]


PLAIN = {"sets": {}, "seeds": None, "file": None, "grid": {}, "tune": False, "fit": None}


@pytest.mark.parametrize(
    ("options", "how", "words"),
    [
        ({}, {}, []),
        ({"sets": {"epochs": 3, "network.hidden": [4, 5]}}, {}, ["--set", "epochs=3", "--set", "network.hidden=[4,5]"]),
        ({"sets": ["epochs=3"], "grid": ["lr=1,2"]}, {}, ["--set", "epochs=3", "--grid", "lr=1,2"]),
        ({"grid": {"lr": [0.1, 1], "on": [True, None]}}, {}, ["--grid", "lr=0.1,1", "--grid", "on=true,none"]),
        ({"tune": True, "seeds": 3}, {}, ["--tune", "--seeds", "3"]),
        ({"fit": 4 * 10**9, "file": Path("my own.json")}, {}, ["--settings", "my own.json", "--fit", "4GB"]),
        ({"seeds": 0}, {"name": "n", "runs": Path("r"), "data": Path("d")},
         ["--seeds", "0", "--name", "n", "--runs", "r", "--data", "d"]),
        ({}, {"memory_limit": 2**30, "hosts": ("a", "b=c"), "via": "ssh {host}"},
         ["--memory-limit", "1GiB", "--hosts", "a,b=c", "--via", "ssh {host}"]),
        ({}, {"parallel": 4, "retry": 2, "checkpoint_every": 1.0}, []),
    ],
)  # fmt: skip
def test_the_command_that_repeats_a_run(options, how, words):
    written = command_of(find("quickstart"), "smoke", **PLAIN | options, how=How(**how))
    assert shlex.split(written) == ["underhood", "run", "quickstart", "--scale", "smoke", *words]


def test_a_study_in_a_file_is_named_by_it():
    study = replace(find("quickstart"), written_in=Path("folder/my study.py"))
    assert command_of(study, "full", **PLAIN, how=How()) == "underhood run 'folder/my study.py' --scale full"
