"""A study run for real: what is promised of interruption, failure, growth and resumption."""

import dataclasses
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.in_process import InProcess
from underhood.cores import usable_cores
from underhood.errors import BadInput
from underhood.lab import How, load_file, open_run, plan, run_study
from underhood.lab.results import list_runs
from underhood.lab.run_events import RunEnded, RunStarted, TrialEnded, TrialNote, TrialStarted, TrialStep, Warned
from underhood.lab.stopping import StopWhen
from underhood.settings import Mistakes

TINY = Path(__file__).with_name("tiny_study.py")


@pytest.fixture
def run_here(run_tiny):
    """`run_tiny` without workers, for what does not depend on where trials run."""
    return partial(run_tiny, executor=InProcess)


def started(heard):
    return [event.trial for event in heard if isinstance(event, TrialStarted)]


def warned(heard):
    return [event.text for event in heard if isinstance(event, Warned)]


def content(folder):
    """The bytes that must not depend on what happened on the way."""
    trials = sorted((folder / "trials").iterdir())
    return {
        trial.name: (
            (trial / "metrics.jsonl").read_bytes(),
            json.loads((trial / "result.json").read_text())["values"],
            (trial / "artefacts" / "at.txt").read_bytes(),
        )
        for trial in trials
    }


# ---- a run


def test_a_run_from_plan_to_results(run_tiny, tmp_path, tiny):
    run, heard = run_tiny(parallel=2)
    ids = [spec.id for spec in plan(tiny.study, "smoke")]
    assert isinstance(heard[0], RunStarted)
    assert heard[0].labels == dict(
        zip(ids, ["plain, seed 0", "other, seed 0", "plain, seed 1", "other, seed 1"], strict=True)
    )
    assert heard[0].finished == ()
    assert heard[0].settings[ids[0]]["steps"] == 20
    assert sorted(started(heard)) == sorted(ids)
    assert heard[-1] == RunEnded({"finished": 4}, "4 of 4 trials finished", 0)
    assert run.exit_code == 0
    assert run.state == "finished"
    assert run.path == tmp_path / "tiny-smoke"
    assert [trial.id for trial in run.trials] == ids
    assert run.command == f"underhood run {TINY} --scale smoke --runs {tmp_path}"
    assert run.facts["file"] == str(TINY)
    assert run.results["plain"].summary("test_error").n == 2


@pytest.mark.parametrize(
    ("timed", "parallel", "at_once"), [(True, None, 1), (True, 2, 2), (False, 3, 3), (False, None, None)]
)
def test_where_times_are_compared_one_trial_runs_at_a_time_unless_asked(run_tiny, tiny, timed, parallel, at_once):
    study = dataclasses.replace(tiny.study, timed=timed)
    run, heard = run_tiny("steps=1", study=study, parallel=parallel, executor=InProcess)
    expected = min(usable_cores(), 4) if at_once is None else at_once
    assert heard[0].parallel == expected
    assert {trial.stored_result["at_once"] for trial in run.trials} == {expected}


def test_no_more_trials_run_at_once_than_are_left(run_tiny):
    run, _ = run_tiny("steps=1", seeds=1, parallel=9, executor=InProcess)
    assert {trial.stored_result["at_once"] for trial in run.trials} == {2}


def test_the_same_numbers_alone_and_among_others(run_tiny, tmp_path):
    run_tiny(name="alone", parallel=1)
    run_tiny(name="crowd", parallel=4)
    assert content(tmp_path / "alone") == content(tmp_path / "crowd")


def test_the_same_command_again_runs_nothing(run_here, tmp_path):
    run_here("steps=3")
    before = content(tmp_path / "tiny-smoke")
    run, heard = run_here("steps=3")
    assert started(heard) == []
    assert len(heard[0].finished) == 4
    assert run.exit_code == 0
    assert content(tmp_path / "tiny-smoke") == before


def test_growing_seeds_and_axes_runs_only_what_is_new(run_here):
    run, _ = run_here("steps=3")
    first = {trial.id for trial in run.trials}
    run, heard = run_here("steps=3", seeds=3, grid=["walk.name=plain,other,third"])
    assert len(run.trials) == 9
    assert set(started(heard)) == {trial.id for trial in run.trials} - first
    run, heard = run_here("steps=3", seeds=1)
    assert started(heard) == []
    assert len(run.trials) == 2


def test_wrong_settings_start_nothing(run_tiny, tmp_path):
    with pytest.raises(Mistakes, match="2 mistakes; nothing was started"):
        run_tiny("stepz=3", "threads=long")
    assert list(tmp_path.iterdir()) == []


def test_a_study_without_a_listener(tiny, tmp_path):
    assert run_study(tiny.study, "smoke", ["steps=1"], 1, How(runs=tmp_path, executor=InProcess)).exit_code == 0


def test_a_terminal_that_is_gone_is_told_nothing_more_and_the_run_goes_on(run_here):
    told = []

    def listener(event):
        told.append(event)
        raise OSError(errno.EIO, "the terminal is gone")

    run, _ = run_here("steps=3", listener=listener)
    assert len(told) == 1
    assert (run.exit_code, run.state) == (0, "finished")


def test_a_trial_may_change_its_working_folder(run_tiny, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wanders.py").write_text(
        "import os\nfrom underhood.settings import Settings\n"
        "from underhood.trials import Metric, Result\n"
        "def trial(settings, seed, context):\n"
        "    os.chdir('/')\n    yield Metric(1, {'a': 1})\n    yield Result({'a': 1})\n"
    )
    wanders = load_file(tmp_path / "wanders.py")
    study = dataclasses.replace(tiny.study, settings=wanders.Settings, trial=wanders.trial, axes={})
    run, _ = run_tiny(study=study, seeds=2, runs=Path("mine"))
    assert run.exit_code == 0


def test_a_run_off_the_main_thread(run_tiny):
    found = []
    thread = threading.Thread(target=lambda: found.append(run_tiny("steps=1")[0]))
    thread.start()
    thread.join()
    assert found[0].exit_code == 0


# ---- failure


def test_a_trial_that_raises_is_a_state_and_the_others_finish(run_tiny):
    run, heard = run_tiny(grid=["fails_at=-1,5"])
    assert run.exit_code == 1
    assert run.state == "failed"
    failed = run.results.failed
    assert [trial.settings["fails_at"] for trial in failed] == [5] * 4
    assert {trial.reason for trial in failed} == {"ArithmeticError: no step 5"}
    assert "ArithmeticError: no step 5" in failed[0].folder.log_tail()
    assert failed[0].result == {}
    assert sum(trial.state == "finished" for trial in run.trials) == 4
    events = [event for event in heard if isinstance(event, TrialEnded) and event.state == "failed"]
    assert all("Traceback" in event.log_tail for event in events)
    assert heard[-1].text.startswith("4 of 8 trials finished, 4 failed:\n  plain, fails_at 5, seed 0: ArithmeticError")


def test_a_killed_worker_is_a_failed_trial_with_a_reason_and_the_others_finish(run_tiny):
    run, _ = run_tiny(grid=["dies_at=-1,5"], seeds=1, parallel=2)
    assert run.exit_code == 1
    assert [trial.settings["dies_at"] for trial in run.results.failed] == [5, 5]
    for trial in run.results.failed:
        assert trial.reason.startswith("its process was ended by SIGKILL")
        assert trial.folder.status()["state"] == "failed"
    assert sum(trial.state == "finished" for trial in run.trials) == 2


def test_a_failed_trial_is_tried_again(run_here, tmp_path, monkeypatch):
    monkeypatch.setenv("TINY_MARKS", str(tmp_path / "marks"))
    settings = ("walk.name=plain", "fails_at=5", "fails_until=3")
    run, heard = run_here(*settings, seeds=1, retry=1)
    assert run.exit_code == 1
    assert [event.state for event in heard if isinstance(event, TrialEnded)] == ["waiting", "failed"]
    assert TrialNote(run.trials[0].id, "failed: ArithmeticError: no step 5; trying again") in heard
    assert [event.attempt for event in heard if isinstance(event, TrialStarted)] == [1, 2]
    run, heard = run_here(*settings, seeds=1)
    assert run.exit_code == 0
    assert [event.attempt for event in heard if isinstance(event, TrialStarted)] == [1]


def test_when_all_fail_alike_the_exit_code_says_why(tmp_path, run_tiny, tiny, monkeypatch):
    file = tmp_path / "needs.py"
    file.write_text(
        "from underhood.errors import MissingPiece\n"
        "from underhood.settings import Settings\n"
        "class Needs(Settings):\n    size: int = 0\n"
        "def trial(settings, seed, context):\n    yield from ()\n    raise MissingPiece('pip install it')\n"
    )
    needs = load_file(file)
    study = dataclasses.replace(tiny.study, settings=needs.Needs, trial=needs.trial, axes={})
    run, _ = run_tiny(study=study)
    assert run.exit_code == 3


# ---- code and defaults that changed since


@pytest.fixture
def edited(tmp_path, tiny):
    """A copy of the tiny study, and what its second version's run says."""
    file = tmp_path / "mine" / "tiny_study.py"
    file.parent.mkdir()

    def load(change=lambda source: source):
        file.write_text(change(TINY.read_text()))
        loaded = [name for name, module in sys.modules.items() if getattr(module, "__file__", None) == str(file)]
        for name in loaded:
            del sys.modules[name]
        return load_file(file).study

    return load


def other_walk(source):
    return source.replace("rng.normal(size=3)", "rng.normal(size=3) + 1")


@pytest.mark.parametrize(
    ("how", "again"),
    [
        ({}, False),
        ({"changed": "keep"}, False),
        ({"changed": "rerun"}, True),
        ({"ask": lambda text: True}, True),
        ({"ask": lambda text: False}, False),
        ({"changed": "keep", "ask": lambda text: True}, False),
    ],
)
def test_results_of_other_code_are_kept_with_a_warning_or_run_again(run_here, edited, tmp_path, how, again):
    run_here("steps=2", study=edited())
    before = content(tmp_path / "tiny-smoke")
    run, heard = run_here("steps=2", study=edited(other_walk), **how)
    if again:
        assert len(started(heard)) == 4
        assert warned(heard) == []
        assert content(tmp_path / "tiny-smoke") != before
    else:
        assert started(heard) == []
        text = "4 trials of this run come from other code than today's; kept (--rerun runs them again)"
        assert warned(heard) == [text]
        assert run.warnings == (text,)
        assert content(tmp_path / "tiny-smoke") == before


def test_what_is_asked_says_how_many(run_here, edited):
    run_here("steps=2", study=edited(), seeds=1)
    asked = []
    run_here("steps=2", study=edited(other_walk), ask=lambda text: bool(asked.append(text)))
    assert asked == ["2 trials of this run come from other code than today's. Run again?"]


def test_a_checkpoint_of_other_code_is_asked_about_too(run_here, edited):
    """Gone on with, it would be half of the one and half of the other."""
    failing = ("steps=4", "fails_at=3")
    run, _ = run_here(*failing, study=edited(), checkpoint_every=0.0)
    assert all(trial.state == "failed" and list(trial.folder.path.glob("checkpoint-*")) for trial in run.trials)
    asked = []
    run_here(*failing, study=edited(other_walk), ask=lambda text: bool(asked.append(text)))
    assert asked == ["4 trials of this run come from other code than today's. Run again?"]


def test_a_changed_comment_asks_nothing(run_here, edited):
    run_here("steps=2", study=edited())
    _, heard = run_here("steps=2", study=edited(lambda source: source + "# the end\n"), changed="rerun")
    assert started(heard) == []


def test_a_result_of_another_default_is_no_result(run_here, edited):
    run_here("steps=2", study=edited())
    run, heard = run_here("steps=2", study=edited(lambda s: s.replace("size: float = 1.0", "size: float = 2.0")))
    assert len(started(heard)) == 4
    assert warned(heard) == ["4 trials had other defaults then; run again with today's"]
    assert {trial.settings["walk"]["size"] for trial in run.trials} == {2.0}


def test_a_setting_added_later_runs_nothing_again(run_here, edited):
    run_here("steps=2", study=edited())
    added = edited(lambda source: source.replace("    threads: int = 1\n", "    threads: int = 1\n    new: int = 5\n"))
    _, heard = run_here("steps=2", study=added, changed="keep")
    assert started(heard) == []


# ---- the folder


def test_a_folder_of_another_study_is_refused(run_here, tiny):
    run_here("steps=1", name="mine", seeds=1)
    with pytest.raises(BadInput, match='holds a run of "tiny", not of "other"'):
        run_here(name="mine", study=dataclasses.replace(tiny.study, name="other"))


def test_a_run_of_a_newer_schema_is_refused_untouched(run_here, tmp_path):
    run, _ = run_here("steps=1", seeds=1)
    file = run.path / "run.json"
    file.write_text(newer := file.read_text().replace("underhood.store/1", "underhood.store/2"))
    with pytest.raises(BadInput, match="newer underhood"):
        run_here("steps=1", seeds=1)
    assert file.read_text() == newer


def test_the_command_that_goes_on_with_a_run(tiny, tmp_path):
    file = tmp_path / "my settings.toml"
    file.write_text("steps = 1\n")
    how = How(runs=tmp_path, name="mine", data=tmp_path, executor=InProcess)
    run = run_study(tiny.study, "smoke", ["threads=1"], 1, how, file=file, grid=["walk.size=1,2"])
    assert run.command == (
        f"underhood run {TINY} --scale smoke --set threads=1 --grid walk.size=1,2 "
        f"--settings '{file}' --seeds 1 --name mine --runs {tmp_path} --data {tmp_path}"
    )


@pytest.mark.parametrize(("how", "said"), [({"parallel": 0}, "at least one trial"), ({"retry": -1}, "less than 0")])
def test_how_is_checked(how, said):
    with pytest.raises(BadInput, match=said):
        How(**how)


# ---- interruption: a real process, a real signal


@pytest.fixture
def start():
    """The tiny study as a program of its own, leader of its process group as a shell makes it."""
    programs = []

    def begin(runs, name, **environment):
        programs.append(
            subprocess.Popen(
                [sys.executable, str(TINY), str(runs), name],
                env=os.environ | environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                process_group=0,
                preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # whatever `nohup` started the tests
            )
        )
        return programs[-1]

    yield begin
    for program in programs:
        program.kill()
        finish(program)


def finish(program):
    """What a program says till it ends."""
    if program.stdout.closed:
        return ""
    with program:
        return program.communicate(timeout=120)[0]


def wait_for(path, lines):
    """Wait until two of a run's trials have measured so many steps."""
    deadline = time.monotonic() + 60
    while sum(file.read_text().count("\n") >= lines for file in path.glob("trials/*/metrics.jsonl")) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, 129, marks=pytest.mark.slow),
    ],
)
def test_interrupted_then_resumed_equals_uninterrupted_bit_for_bit(run_tiny, start, tmp_path, number, code):
    for moment in (7, 12):
        program = start(tmp_path, "broken", TINY_HOLD=str(moment))
        wait_for(tmp_path / "broken", moment)
        os.killpg(program.pid, number)
        said = finish(program)
        assert program.returncode == code
        assert "0 of 4 trials finished; stopped. To go on:\\n  underhood run" in said.splitlines()[-1]
        run = open_run(tmp_path / "broken")
        assert (run.state, run.exit_code) == ("stopped", code)
        assert sorted(trial.state for trial in run.trials) == ["interrupted"] * 2 + ["waiting"] * 2

    program = start(tmp_path, "broken")
    said = finish(program)
    assert program.returncode == 0
    assert (
        sorted(line.partition(" ")[2] for line in said.splitlines() if line.startswith("TrialStarted"))
        == ["step=0, attempt=1)"] * 2 + ["step=13, attempt=1)"] * 2
    )
    run_tiny(name="whole")
    assert content(tmp_path / "broken") == content(tmp_path / "whole")


def test_a_worker_told_to_end_leaves_a_checkpoint_and_its_trial_goes_on_in_another(run_tiny, start, tmp_path):
    program = start(tmp_path, "told", TINY_HOLD="7")
    wait_for(tmp_path / "told", 7)
    workers = psutil.Process(program.pid).children()
    assert len(workers) == 2
    workers[0].terminate()
    deadline = time.monotonic() + 60
    while workers[0].is_running() or len(psutil.Process(program.pid).children()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    while not list((tmp_path / "told").glob("trials/*/result.json")):  # behind the step that it was held in
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(program.pid, signal.SIGTERM)
    said = finish(program)
    assert "the trial goes on in another one" in said
    assert "step=8, attempt=1" in said
    run_tiny(name="told")
    run_tiny(name="whole")
    assert content(tmp_path / "told") == content(tmp_path / "whole")


# ---- a second run of a run that is under way


def in_a_thread(run_tiny, **how):
    """Begin a run beside this thread; what it comes to is put into the list."""
    found = []

    def run():
        try:
            found.append(run_tiny(**how))
        except BadInput as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found


def wait_till(heard, kind):
    deadline = time.monotonic() + 60
    while not any(isinstance(event, kind) for event in heard):
        assert time.monotonic() < deadline, heard
        time.sleep(0.02)


def test_a_second_run_watches_and_ends_as_the_first_one(run_tiny, start, tmp_path):
    program = start(tmp_path, "watched", TINY_HOLD="7")
    wait_for(tmp_path / "watched", 7)
    events = []
    thread, found = in_a_thread(run_tiny, name="watched", listener=events.append)
    wait_till(events, TrialStep)
    os.killpg(program.pid, signal.SIGTERM)
    said = finish(program)
    thread.join(60)
    ((run, _),) = found
    assert (run.exit_code, run.state) == (143, "stopped")
    assert f"process {program.pid} on" in warned(events)[0]
    assert {event.step for event in events if isinstance(event, TrialStarted)} <= {7, 8}
    assert {event.step for event in events if isinstance(event, TrialStep)} <= {7, 8}
    assert [event.state for event in events if isinstance(event, TrialEnded)] == ["interrupted"] * 2
    assert isinstance(events[-1], RunEnded)
    assert repr(events[-1].text) in said
    assert events[-1].counts == {"interrupted": 2, "waiting": 2}


def test_who_watches_goes_on_with_the_run_of_a_process_that_died(run_tiny, start, tmp_path):
    program = start(tmp_path, "left", TINY_HOLD="7")
    wait_for(tmp_path / "left", 7)
    events = []
    thread, found = in_a_thread(run_tiny, name="left", listener=events.append)
    wait_till(events, TrialStep)
    program.kill()
    finish(program)
    thread.join(120)
    ((run, _),) = found
    assert run.exit_code == 0
    assert warned(events)[1] == f"process {program.pid} on {os.uname().nodename} is gone; its run is gone on with here"
    run_tiny(name="whole")
    assert content(tmp_path / "left") == content(tmp_path / "whole")


def test_a_run_under_way_is_not_watched_for_other_trials(run_tiny, start, tmp_path):
    program = start(tmp_path, "other", TINY_HOLD="7")
    wait_for(tmp_path / "other", 7)
    with pytest.raises(BadInput, match=f"process {program.pid} on .* works on this run, with other trials"):
        run_tiny(name="other", seeds=3)


# ---- until a trial measures so


def test_a_run_stops_once_a_trial_measures_so(run_tiny):
    when = StopWhen.read("train_loss > 4")
    run, heard = run_tiny("steps=2000", scale="quick", stop_when=when)
    (first,) = [event for event in heard if isinstance(event, TrialEnded)]
    assert first.state == "interrupted"
    assert run.trials[0].metrics[0]["train_loss"] < 4  # else the test tells nothing
    assert any(when.holds(line) for line in run.trials[0].metrics)
    assert (run.state, run.exit_code) == ("stopped", 0)
    assert re.search(r"stopped \(plain, seed 0: train_loss \S+ at step \d+\)\. To go on:", heard[-1].text)
    again, heard = run_tiny("steps=2000", scale="quick", seeds=1)
    assert again.exit_code == 0
    assert started(heard)[0] == run.trials[0].id
    _, heard = run_tiny("steps=2000", scale="quick", stop_when=when)
    assert started(heard) == []
    assert f"plain, seed 0: measured {when} before" in heard[-1].text


def test_a_metric_that_nothing_measures_stops_the_run_with_the_nearest(run_here):
    with pytest.raises(BadInput, match=r'no trial measures "train_los"; did you mean "train_loss"\?'):
        run_here("steps=3", stop_when=StopWhen.read("train_los < 0"))
    with pytest.raises(BadInput, match=r'"test_eror"; did you mean "test_error"\?'):
        run_here("steps=3", stop_when=StopWhen.read("test_eror < 0"))  # of the one that finished before
    assert run_here("steps=3")[0].exit_code == 0


def test_a_second_interrupt_kills(start, tmp_path):
    program = start(tmp_path, "stubborn", TINY_STUBBORN="0")
    wait_for(tmp_path / "stubborn", 1)
    os.killpg(program.pid, signal.SIGINT)
    time.sleep(0.5)
    assert program.poll() is None  # a step of ten minutes doesn't end
    os.killpg(program.pid, signal.SIGINT)
    finish(program)
    assert program.returncode == 130
    states = sorted(trial.state for trial in open_run(tmp_path / "stubborn").trials)
    assert states == ["interrupted", "interrupted", "waiting", "waiting"]


def test_a_killed_coordinator_loses_nothing(run_tiny, start, tmp_path):
    program = start(tmp_path, "killed", TINY_HOLD="7")
    wait_for(tmp_path / "killed", 7)
    program.kill()
    finish(program)
    assert open_run(tmp_path / "killed").state == "stopped"
    run, heard = run_tiny(name="killed")
    assert run.exit_code == 0
    assert sorted(event.step for event in heard if isinstance(event, TrialStarted)) == [
        0,
        0,
        8,
        8,
    ]  # the step they were held in ended
    run_tiny(name="whole")
    assert content(tmp_path / "killed") == content(tmp_path / "whole")


def test_a_script_that_runs_its_study_unguarded_is_told_so(tmp_path):
    script = tmp_path / "unguarded.py"
    source = TINY.read_text().partition("if __name__")[0]
    script.write_text(f"{source}\nrun = run_study(study, 'smoke', seeds=1, how=How(runs=Path('runs')))\n")
    subprocess.run([sys.executable, script], cwd=tmp_path, check=True, timeout=120)
    reason = 'a file that runs its own study must do so below `if __name__ == "__main__":`'
    run = open_run(tmp_path / "runs" / "tiny-smoke")
    assert {trial.reason for trial in run.trials} == {reason}
    assert run.exit_code == 2


def test_nothing_is_left_behind(run_tiny, tmp_path):
    run, _ = run_tiny("steps=1", seeds=1)
    assert not list(tmp_path.rglob("*.tmp"))
    assert not list(tmp_path.rglob(".writing*"))
    shutil.rmtree(run.path)


def test_steps_are_thinned_for_the_listener(run_tiny):
    run, heard = run_tiny("walk.name=plain", "steps=2000", seeds=1)
    assert len(run.trials[0].metrics) == 2000
    assert 1 <= sum(isinstance(event, TrialStep) for event in heard) < 200


# ---- damaged files


@pytest.mark.parametrize("name", ["trial.json", "result.json", "metrics.jsonl"])
def test_a_damaged_trial_is_run_again_and_that_is_said(run_here, tmp_path, name):
    run, _ = run_here("steps=2", seeds=1)
    before = [trial.result for trial in run.trials]
    file = run.trials[0].folder.path / name
    file.write_bytes(file.read_bytes()[:-9])
    reopened = open_run(run.path)
    assert reopened.trials[0].state == "interrupted"
    assert reopened.trials[0].result == {}
    run, heard = run_here("steps=2", seeds=1)
    assert started(heard) == [run.trials[0].id]
    (said,) = warned(heard)
    assert said.startswith(f"{file}: ")
    assert said.endswith("; the trial is run again")
    assert [trial.result for trial in run.trials] == before


def test_a_result_that_is_gone_is_made_again(run_here):
    run, _ = run_here("steps=2", seeds=1)
    (run.trials[0].folder.path / "result.json").unlink()
    assert open_run(run.path).trials[0].state == "interrupted"
    run, heard = run_here("steps=2", seeds=1)
    assert len(started(heard)) == 1
    assert {trial.state for trial in run.trials} == {"finished"}


@pytest.mark.parametrize("content", [b"", b"[]", b'{"schema": "underhood.store/1"}'])
def test_a_damaged_run_is_written_anew_and_hides_no_other(run_here, tmp_path, content):
    run, _ = run_here("steps=2", seeds=1)
    run_here("steps=2", seeds=1, name="other")
    file = run.path / "run.json"
    file.write_bytes(content)
    assert [each.name for each in list_runs(tmp_path)] == ["other"]
    with pytest.raises(BadInput, match=r"run\.json"):
        open_run(run.path)
    again, heard = run_here("steps=2", seeds=1)
    assert started(heard) == []
    assert any("was damaged; written anew" in text for text in warned(heard))
    assert [trial.result for trial in again.trials] == [trial.result for trial in run.trials]
