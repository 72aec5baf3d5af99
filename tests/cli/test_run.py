"""`underhood run` with a user's own study, from words to report."""

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import underhood as face
from underhood.cli.run import run


@pytest.mark.processes
def test_a_run_ends_with_the_table_the_answer_and_the_report(underhood, study, runs):
    said = underhood("run", study)
    assert said.status == 0
    # x ← x − 2·lr·x, so x₁₀² = x₀²·(1 − 2·lr)²⁰ with x₀ = 1 and 2 for the two seeds
    table = [line.split() for line in said.out.splitlines() if line.strip().startswith(("0.1", "0.4"))]
    assert [float(row[1]) for row in table] == pytest.approx([2.5 * 0.8**20, 2.5 * 0.2**20], rel=1e-3)
    assert "lr 0.4 is best." in said.out
    assert f"report: {runs / 'descent-quick' / 'report.html'}" in said.err
    assert "report:" not in said.out
    assert "lr 0.4" in (runs / "descent-quick" / "report.html").read_text()
    assert (runs / "descent-quick" / "report.md").is_file()


def test_the_same_command_again_runs_nothing(underhood, study, runs):
    underhood("run", study, "--scale", "smoke")
    results = sorted((runs / "descent-smoke" / "trials").glob("*/result.json"))
    before = [(path, path.stat().st_mtime_ns) for path in results]
    said = underhood("run", study, "--scale", "smoke")
    assert "2 trials, 2 of them finished before" in said.err
    assert [(path, path.stat().st_mtime_ns) for path in results] == before


def test_more_seeds_and_values_run_only_what_is_new(underhood, study):
    underhood("run", study, "--scale", "smoke")
    said = underhood("run", study, "--scale", "smoke", "--seeds", "2", "--grid", "lr=0.1,0.4,0.2")
    assert "6 trials, 2 of them finished before" in said.err


def test_json_is_all_there_is_on_stdout(underhood, study, runs):
    said = underhood("run", study, "--scale", "smoke", "--json").json
    assert said["schema"] == "underhood.run/1"
    assert said["exit_code"] == 0
    assert said["answer"] == "**lr 0.4** is best."
    assert [trial["state"] for trial in said["trials"]] == ["finished", "finished"]
    assert said["tables"][0]["schema"] == "underhood.table/1"
    assert Path(said["report"]) == runs / "descent-smoke" / "report.html"


def test_settings_come_from_words_a_file_and_a_grid(underhood, study, tmp_path):
    (tmp_path / "trial.toml").write_text("start = 3.0\nsteps = 1\n")
    said = underhood(
        "run", study, "--scale=smoke", "--settings", str(tmp_path / "trial.toml"), "--set", "lr=0.25", "--json"
    )
    (trial,) = said.json["trials"]  # the axis is fixed
    assert trial["result"]["loss"] == (3 * 0.5) ** 2


def test_all_mistakes_are_named_at_once_and_nothing_starts(underhood, study, tmp_path, runs):
    (tmp_path / "trial.toml").write_text('start = 1.0\n\nsteps = "many"\n')
    said = underhood("run", study, "--settings", str(tmp_path / "trial.toml"), "--set", "lrr=0.1")
    assert said.status == 2
    assert said.out == ""
    assert f"{tmp_path / 'trial.toml'}:3: steps: " in said.err
    assert '--set lrr: unknown setting; did you mean "lr"?' in said.err
    assert said.err.endswith("2 mistakes; nothing was started.\n")
    assert not runs.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scale", "quik"], 'descent: unknown scale "quik"; did you mean "quick"?'),
        (["--seeds", "0"], "--seeds 0: a trial needs a seed"),
        (["--backend", "torch"], "--set backend: unknown setting"),
        (["--set", "lr"], "--set lr: write it as --set KEY=VALUE"),
        (["--parallel", "0"], "--parallel 0: at least one trial must run at once"),
        (["--retry", "-1"], "--retry -1: cannot be less than 0"),
    ],
)
def test_a_bad_option_is_named(underhood, study, words, said):
    told = underhood("run", study, *words)
    assert (told.status, told.out) == (2, "")
    assert told.err.startswith(said)


@pytest.mark.processes
def test_a_failed_trial_is_told_and_the_others_are_reported(underhood, study, runs):
    said = underhood("run", study, "--set", "breaks=true", "--set", "lr=0.1")
    assert said.status == 1
    assert "ArithmeticError: it was told to break" in said.err
    assert "1 of 2 trials: all, seed 1 (ArithmeticError: it was told to break)" in said.out
    assert (runs / "descent-quick" / "report.html").is_file()


def test_when_every_trial_fails_there_is_no_report(underhood, study, runs):
    Path(study).write_text(Path(study).read_text().replace("seed == 1", "True"))
    said = underhood("run", study, "--scale=smoke", "--set=breaks=true", "--json")
    assert (said.status, said.json["report"], said.json["tables"]) == (1, None, [])
    assert not (runs / "descent-smoke" / "report.html").exists()


def test_a_dry_run_lists_the_trials_and_runs_none(underhood, study, runs):
    said = underhood("run", study, "--dry-run", "--grid", "start=1.0,2.0")
    assert said.status == 0
    assert "descent at scale quick: 8 trials" in said.out
    assert "lr 0.4, start 2.0, seed 1" in said.out
    assert not runs.exists()
    listed = underhood("run", study, "--dry-run", "--json").json
    underhood("run", study)
    assert {row["trial"] for row in listed["rows"]} == {p.name for p in (runs / "descent-quick/trials").iterdir()}


def test_a_dry_run_says_how_long_what_is_left_will_take(underhood, study, runs):
    underhood("run", study, "--scale", "smoke", "--set", "lr=0.1")
    before = sorted((path, path.stat().st_mtime_ns) for path in runs.rglob("*"))
    said = underhood("run", study, "--scale", "smoke", "--seeds", "2", "--set", "lr=0.1", "--dry-run", "--json").json
    assert [row["state"] for row in said["rows"]] == ["finished", "waiting"]
    assert said["rows"][0]["seconds"] is None
    assert said["rows"][1]["seconds"] >= 0  # as long as the first seed's
    assert sorted((path, path.stat().st_mtime_ns) for path in runs.rglob("*")) == before


def test_on_ray_without_ray_is_one_line_before_anything_starts(underhood, study, runs, monkeypatch):
    monkeypatch.setattr("underhood.lab.executors.find_spec", lambda name: None)
    said = underhood("run", study, "--on", "ray")
    assert (said.status, said.out) == (3, "")
    assert said.err == "--on ray needs Ray: pip install 'underhood[ray]'\n"
    assert not runs.exists()


def test_stop_when(underhood, study, runs):
    words = ["run", study, "--scale", "smoke", "--parallel", "1", "--stop-when"]
    said = underhood(*words, "loss > 0")
    assert said.status == 0
    assert "1 of 2 trials finished; stopped (lr 0.1: loss " in said.err
    said = underhood(*words, "los < 0.1")
    assert (said.status, 'no trial measures "los"; did you mean "loss"?' in said.err) == (2, True)
    said = underhood(*words, "loss")
    assert (said.status, "write a metric, a comparison and a number" in said.err) == (2, True)


def test_tune_has_something_to_choose_among_and_a_run_to_choose_for(underhood, study, runs):
    said = underhood("run", study, "--tune", "--dry-run")
    assert (said.status, "leave one out" in said.err) == (2, True)
    said = underhood("run", study, "--tune")
    assert (said.status, "add --backend torch" in said.err) == (2, True)
    assert not (runs / "descent-quick" / "run.json").exists()


def test_name_and_runs_say_where(underhood, study, tmp_path):
    underhood("run", study, "--scale=smoke", "--name=first", "--runs", str(tmp_path / "elsewhere"))
    assert (tmp_path / "elsewhere" / "first" / "report.html").is_file()


def test_python_runs_the_same(underhood, study, runs):
    by_command = underhood("run", study, "--set", "lr=0.1", "--json").json
    done = face.run(study, set={"lr": 0.1}, name="again")
    assert [trial.id for trial in done.trials] == [trial["id"] for trial in by_command["trials"]]
    assert [trial.result for trial in done.trials] == [trial["result"] for trial in by_command["trials"]]
    assert (done.path / "report.html").is_file()
    assert face.open_run("again").command == done.command


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_at_the_next_step_and_says_how_to_go_on(study, runs, number, status):
    slow = Path(study).read_text().replace("    for step", "    import time\n    for step", 1)
    slow = slow.replace("        yield Metric", "        time.sleep(0.05)\n        yield Metric")
    slow = slow.replace(
        "        if settings.breaks", "        if context.stopping():\n            return\n        if settings.breaks"
    )
    Path(study).write_text(slow)
    words = ["run", study, "--scale", "smoke", "--set", "steps=1000"]
    command = [sys.executable, "-c", "import sys; from underhood.cli import main; sys.exit(main())", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size for path in runs.glob("*/trials/*/metrics.jsonl")):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert out == ""
    assert "To go on:\n  underhood run" in err
    assert "Traceback" not in err
    assert json.loads((runs / "descent-smoke" / "run.json").read_text())["state"] == "stopped"


def test_all_is_told_whether_to_run_again_what_older_code_computed(underhood, monkeypatch, tmp_path):
    told = []
    monkeypatch.setattr(
        "underhood.service.everything.run_all", lambda scale, **how: (told.append(how["changed"]), (0, tmp_path))[1]
    )
    for option in ([], ["--keep"], ["--rerun"]):
        assert underhood("run", "all", "--scale=smoke", *option).status == 0
    assert told == ["keep", "keep", "rerun"]


def test_all_refuses_what_is_one_study_s_own(underhood):
    said = underhood("run", "all", "--scale=smoke", "--set", "epochs=1", "--seeds=2", "--fit=1GB")
    assert said.status == 2
    assert said.err == "--fit, --set, --seeds: are one study's; `all` has none of it\n"
    assert 'unknown scale "tiny"' in underhood("run", "all", "--scale=tiny").err


@pytest.mark.slow
def test_devices_are_a_setting_of_torch_s_trials(underhood):
    words = ("run", "quickstart", "--scale", "smoke", "--dry-run", "--json")

    def trials(*more):
        return [row["trial"] for row in underhood(*words, "--backend", "torch", *more).json["rows"]]

    short = trials("--devices", "2")
    assert short == trials("--set", "devices=2")
    assert trials("--devices", "1") == trials()  # 1 is the default, and changes no id
    assert set(short).isdisjoint(trials())
    refused = underhood("run", "quickstart", "--devices", "2")
    assert refused.status == 2
    assert "devices: 2 needs backend = torch" in refused.err


OF_ALL = {"scale", "runs", "parallel", "checkpoint_every", "when_full", "retry", "data", "rerun", "keep", "json"}
ONE_S = [name for name in inspect.signature(run).parameters if name not in {*OF_ALL, "study"}]


@pytest.mark.parametrize("name", ONE_S)
def test_all_refuses_whatever_is_one_study_s(name, underhood):
    kind = str(inspect.signature(run).parameters[name].annotation)
    value = "underhood" if name == "backend" else "ray" if name == "on" else "2" if "int" in kind else "x=1"
    option = f"--{name.replace('_', '-')}"
    said = underhood("run", "all", "--scale=smoke", *([option] if "bool" in kind else [option, value]))
    assert said.status == 2
    assert option in said.err
    assert "`all` has none of it" in said.err
