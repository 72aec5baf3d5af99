"""kill −9 of coordinators and workers at random moments of a study, and many who start it at once: nothing is lost,
nothing is done twice, and every byte is the undisturbed study's.
"""

import math
import os
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.lab.executors.test_ray import cluster  # noqa: F401 (a fixture)
from tests.lab.test_coordinator import content
from underhood.lab import load_file, open_run
from underhood.lab.store import RunFolder

pytestmark = [pytest.mark.slow, pytest.mark.processes, pytest.mark.filterwarnings("ignore")]

TINY = Path(__file__).with_name("tiny_study.py")
SIZES = ",".join(str(1 + n / 8) for n in range(15))
GRID = f"walk.size={SIZES}"  # with two names and two seeds 60 trials
KILLS = 16
ENDED = re.compile(r"TrialEnded\(trial='(\w+)', state='finished'")
BEGAN = re.compile(r"TrialStarted\(trial='(\w+)'")


def start(file, runs, name, tag, **environment):
    said = (runs / f"{name}.txt").open("ab")
    with said:
        return subprocess.Popen(
            [sys.executable, str(file), str(runs), name, "steps=40", GRID],
            env=os.environ | {"TINY_TAG": tag, "PYTHONUNBUFFERED": "1"} | environment,
            stdout=said,
            stderr=subprocess.STDOUT,
            cwd=runs,
            process_group=0,
        )


def workers(tag):
    """The processes of this test that run trials, or relay them from a node."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or ())
        if "local_worker" in words or words.startswith("ray::Relay"):
            with suppress(psutil.Error):
                if process.environ().get("TINY_TAG") == tag:
                    found.append(process)
    return found


def disturbed(file, runs, name, rng, tag, **environment):
    """Run the study with kills at random moments, each time again, till a run of it ends well; who was killed."""
    killed = []
    deadline = time.monotonic() + 900
    while True:
        program, began = start(file, runs, name, tag, **environment), time.monotonic()
        early = rng.uniform(0, 8) if rng.random() < 0.2 else math.inf  # most kills are to meet trials, not a beginning
        while program.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(rng.uniform(0.05, 1.0))
            there = workers(tag)
            if len(killed) == KILLS or (not there and time.monotonic() - began < early):
                continue
            if there and rng.random() < 0.6:
                with suppress(psutil.Error):
                    rng.choice(there).kill()
                    killed.append("worker")
            elif program.poll() is None:
                program.kill()
                killed.append("coordinator")
            time.sleep(rng.uniform(0, 0.5))
        if program.wait() == 0:
            break
    assert len(killed) == KILLS, f"the study ended after {killed}: give it more to do"
    assert {"worker", "coordinator"} <= set(killed)
    return killed


def nothing_twice(said):
    """No trial begins behind the line that says it has finished."""
    done = set()
    for line in said.splitlines():
        if found := BEGAN.match(line):
            assert found[1] not in done, line
        if found := ENDED.match(line):
            assert found[1] not in done, line
            done.add(found[1])


def store_is_valid(runs, name):
    run = open_run(runs / name)
    assert (run.state, len(run.trials)) == ("finished", 60)
    for trial in run.trials:
        assert (trial.state, trial.damage) == ("finished", "")
        assert [line["step"] for line in trial.metrics] == list(range(1, 41))
        assert not list(trial.folder.path.glob("checkpoint-*"))
        assert not list(trial.folder.path.glob(".*"))
    assert not RunFolder(run.path).is_locked()


def older(tmp_path):
    """The study as a user's file, and how to make other code of it, whose results are not its."""
    file = tmp_path / "mine" / "tiny_study.py"
    file.parent.mkdir()
    source = TINY.read_text()

    def write(change):
        file.write_text(change(source))

    return file, write


def same_after_kills(tmp_path, seed, **environment):
    file, write = older(tmp_path)
    runs = tmp_path / "runs"
    runs.mkdir()
    write(lambda source: source)
    assert start(file, runs, "whole", "whole", TINY_PAUSE="0").wait() == 0
    write(lambda source: source.replace("rng.normal(size=3)", "rng.normal(size=3) + 1"))
    assert start(file, runs, "killed", "older", TINY_PAUSE="0").wait() == 0
    assert content(runs / "killed") != content(runs / "whole")
    write(lambda source: source)  # from here on all is run again, for its code has changed
    (runs / "killed.txt").unlink()
    killed = disturbed(file, runs, "killed", random.Random(seed), str(tmp_path), **environment)
    nothing_twice((runs / "killed.txt").read_text())
    store_is_valid(runs, "killed")
    assert content(runs / "killed") == content(runs / "whole")
    print(f"killed: {', '.join(killed)}")


def test_sixteen_kills_in_a_study_that_is_run_again_change_nothing(tmp_path):
    same_after_kills(tmp_path, 16, TINY_PAUSE="0.02")


def test_sixteen_kills_on_ray_change_nothing(tmp_path, cluster):  # noqa: F811
    made, _ = cluster("a", "b", TINY_PAUSE="0.05", TINY_TAG=str(tmp_path))
    same_after_kills(tmp_path, 17, TINY_ON="ray", TINY_PARALLEL="4", RAY_ADDRESS=made.address)


def test_thirty_two_that_start_at_once_are_one_run(tmp_path):
    environment = os.environ | {"TINY_PAUSE": "0.02"}
    words = [sys.executable, str(TINY), str(tmp_path), "one"]
    options = {"env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    programs = [subprocess.Popen(words, **options) for _ in range(32)]
    said = [program.communicate(timeout=900)[0] for program in programs]
    assert [program.returncode for program in programs] == [0] * 32, said
    assert all("4 of 4 trials finished" in text.splitlines()[-1] for text in said)
    for trial in open_run(tmp_path / "one").trials:
        assert trial.state == "finished"
        assert trial.folder.log_file.read_text().count("begins at step 0") == 1
    tiny = load_file(TINY)
    assert len(open_run(tmp_path / "one").trials) == 2 * len(tiny.study.axes["walk.name"])
    assert signal.SIGKILL not in {-program.returncode for program in programs}
