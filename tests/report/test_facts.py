from types import SimpleNamespace

import pytest

from underhood.lab.results import Run
from underhood.lab.store import RunFolder
from underhood.report.facts import NAMED, Facts, _memory, _warnings, describe, duration, plain

MACHINE = {"host": "h", "system": "Linux x86_64", "cpu": "Some CPU", "cores": 1, "memory": 16e9, "gpus": []}


def spec(trial, group, seed, optimizer):
    settings = {"optimizer": {"name": optimizer, "lr": 0.1}, "epochs": 2}
    return {
        "id": trial,
        "group": group,
        "seed": seed,
        "settings": settings,
        "non_default": {"optimizer": {"name": optimizer}},
    }


@pytest.fixture
def run(tmp_path):
    """Two optimisers, two seeds: one trial finished elsewhere, one diverged, one failed, one never began."""
    folder = RunFolder(tmp_path / "optimisers-smoke")
    specs = [
        spec("a0", "a", 0, "adam"),
        spec("s0", "s", 0, "sgd"),
        spec("a1", "a", 1, "adam"),
        spec("s1", "s", 1, "sgd"),
    ]
    versions = {"underhood": "0.1.0", "numpy": "2.0.0"}
    facts = {
        "study": "optimisers",
        "title": "Optimisers",
        "file": None,
        "scale": "smoke",
        "command": "underhood run optimisers",
        "state": "failed",
        "exit_code": 1,
        "began": "2026-01-02T03:04:05+00:00",
        "ended": None,
        "warnings": ["2 trials come from other code"],
        "machine": MACHINE,
        "versions": versions,
        "plan": [each["id"] for each in specs],
        "trials": {each["id"]: each for each in specs},
    }

    def finish(trial, machine, versions, **values):
        found = folder.trial(trial)
        found.path.mkdir(parents=True)
        found.write_result({"values": values, "machine": machine, "versions": versions})
        found.write_state("finished", seconds=10.0)

    finish("a0", MACHINE, versions, test_error=0.1)
    finish("s0", MACHINE | {"cpu": "Other CPU"}, versions | {"numpy": "2.1.0", "torch": "2.6"}, diverged=True)
    failed = folder.trial("a1")
    failed.path.mkdir(parents=True)
    failed.write_state("failed", reason="out of memory\nmore", seconds=2.5)
    return Run(folder, facts)


def test_what_the_store_knows(run):
    facts = Facts.of(run)
    assert facts.seeds == (0, 1)
    assert facts.states == {"finished": 2, "failed": 1, "waiting": 1}
    assert facts.settings == {"optimizer.lr": 0.1, "epochs": 2}
    assert facts.varied == {"optimizer.name": ("adam", "sgd")}
    assert facts.chosen == {"optimizer.name"}
    assert facts.seconds == 22.5
    assert facts.command == "underhood run optimisers"


def test_all_machines_and_versions_are_told(run):
    facts = Facts.of(run)
    assert [machine["cpu"] for machine in facts.machines] == ["Some CPU", "Other CPU"]
    assert facts.versions == {"underhood": "0.1.0", "numpy": "2.0.0 and 2.1.0", "torch": "2.6"}


def test_what_to_know_before_relying_on_it(run):
    assert list(Facts.of(run).warnings) == [
        "Smoke scale: this shows that the study runs. Its numbers are no answer to the question.",
        "Failed, and so without numbers: 1 of 4 trials: adam, seed 1 (out of memory).",
        "Diverged, and so in no mean: 1 of 4 trials: sgd, seed 0.",
        "Not finished: 1 of 4 trials; the numbers are those of the others.",
        "2 trials come from other code",
    ]


def test_a_smoke_scale_that_answers_is_not_warned_of(run):
    assert not any("Smoke scale" in warning for warning in Facts.of(run, complete=True).warnings)


def test_rows_say_everything_once(run):
    rows = Facts.of(run).rows()
    assert [label for label, _ in rows] == [
        "Study",
        "Trials",
        "Seeds",
        "Machine",
        "Machine",
        "Versions",
        "Begun",
        "Computing time",
    ]
    assert ("Trials", "2 finished, 1 failed, 1 waiting") in rows
    assert ("Begun", "2026-01-02 03:04 UTC") in rows
    assert Facts("s", "quick", "c").rows() == [("Study", "s, at scale quick"), ("Seed", "0")]


def test_a_run_that_was_gone_on_with_was_begun_when_its_first_trial_was(run):
    for trial, day in (("a0", 1), ("s0", 3)):
        identity = {"codes": [], "versions": {}, "begun": f"2026-01-0{day}T10:00:00+00:00"}
        run.folder.trial(trial).write_identity(run.facts["trials"][trial] | identity)
    assert ("Begun", "2026-01-01 10:00 UTC") in Facts.of(run).rows()


def test_times_of_trials_that_ran_together_are_warned_of_where_they_are_compared(run):
    for trial, at_once in (("a0", 1), ("s0", 2)):
        folder = run.folder.trial(trial)
        folder.write_result({**folder.result(), "at_once": at_once})
    assert ("At once", "1 and 2") in Facts.of(run).rows()
    said = "Up to 2 trials ran at once, so their times are not those of a trial alone."
    assert said in Facts.of(run, timed=True).warnings
    assert said not in Facts.of(run).warnings


def test_settings_somebody_chose_come_first(run):
    assert Facts.of(run).setting_rows() == [
        ("optimizer.name", "adam  ·  sgd", True),
        ("optimizer.lr", "0.1", False),
        ("epochs", "2", False),
    ]


def test_a_run_before_its_first_result_tells_the_coordinators_machine(run):
    for trial in run.trials:
        (trial.folder.path / "result.json").unlink(missing_ok=True)
    facts = Facts.of(run)
    assert facts.machines == (MACHINE,)
    assert facts.versions == {"underhood": "0.1.0", "numpy": "2.0.0"}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0421, "0.042 s"),
        (7.34, "7.3 s"),
        (59.99, "1 min 00 s"),
        (134, "2 min 14 s"),
        (3599.7, "1 h 00 min"),
        (11100, "3 h 05 min"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_machines():
    assert describe(MACHINE) == "Some CPU, 1 core, 16 GB memory, Linux x86_64"
    assert describe(MACHINE | {"hosts": 2}).endswith("Linux x86_64, the first of 2 hosts")
    assert describe(MACHINE | {"gpus": ["T4", "T4", "A100"]}).endswith("2 × T4, A100, Linux x86_64")


def test_settings_read_as_one_types_them():
    assert [plain(value) for value in ("adam", None, True, [1, 2], 0.1)] == ["adam", "none", "true", "[1, 2]", "0.1"]


def test_of_many_damaged_trials_the_first_are_named_and_the_others_counted():
    trials = [SimpleNamespace(damage=f"result.json of trial {i}") for i in range(NAMED + 3)]
    none: dict[str, tuple] = dict.fromkeys(("failed", "diverged", "unfinished"), ())
    run = SimpleNamespace(scale="quick", results=SimpleNamespace(trials=trials, **none), warnings=())
    *each, others = _warnings(run, complete=True, at_once=1)
    assert [said.split(": ")[1].split(". ")[0] for said in each] == [trial.damage for trial in trials[:NAMED]]
    assert others == "Damaged too, and so without numbers: 3 more trials."


def held(limit, by="the system", peak=1e9, predicted=None, swapped=0):
    return {"limit": limit, "by": by, "peak": peak, "predicted": predicted, "swapped": swapped}


def test_each_ceiling_is_told_with_what_held_it_and_the_highest_peaks():
    assert _memory([]) == ()
    assert _memory([held(10**9, peak=7.5e8), held(10**9, peak=8.5e8)]) == (
        "1GB, held by the system; highest resident peak 850.0 MB, none predicted",
    )
    found = _memory(
        [
            held(2 * 10**9, peak=1.5e9, predicted=1e9),
            held(10**9, "rlimit", 9e8, 7e8, 3e6),
            held(10**9, "rlimit", 8e8, 7.5e8, 5e6),
            held(10**9, "rlimit", 8e8),
            held(10**9, "cgroup", 5e8),
        ]
    )
    assert found == (
        "1GB, held by cgroup; highest resident peak 500.0 MB, none predicted",
        "1GB, held by rlimit; highest resident peak 900.0 MB, 750.0 MB predicted; 5.0 MB were swapped",
        "2GB, held by the system; highest resident peak 1,500.0 MB, 1,000.0 MB predicted",
    )
