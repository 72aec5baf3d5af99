"""What the live page is told: the store as it is, and within a second what changes."""

import json
import math
import time
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from underhood.errors import BadInput
from underhood.lab.files import line_of
from underhood.lab.store import TrialFolder
from underhood.report.live.curves import Curves
from underhood.report.live.tails import Log, Points, thinned
from underhood.report.live.trial import WatchedTrial
from underhood.report.live.watching import Watch

THREE = [("sgd", 0, "finished"), ("adam", 1, "failed"), ("lion", 2, "waiting")]


class Stream:
    """Server-sent events, read as they come."""

    def __init__(self, server, **asked):
        query = "&".join(f"{key}={value}" for key, value in asked.items())
        self.answer = urlopen(f"{server.url}events?{query}", timeout=10)

    def until(self, kind, good=lambda news: True):
        """The next event of the kind that is good."""
        event = ""
        for line in self.answer:
            if line.startswith(b"event: "):
                event = line[7:].strip().decode()
            elif line.startswith(b"data: ") and event == kind:
                news = json.loads(line[6:])
                if good(news):
                    return news
        raise AssertionError("the stream ended")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.answer.close()


def test_the_list_and_the_trials(store, served, ask_json):
    store("made", THREE, state="failed")
    store("other")
    server = served()
    listed = ask_json(server, "api/runs?sort=trials&descending=1")
    assert [row["name"] for row in listed["rows"]] == ["made", "other"]
    assert listed["rows"][0]["counts"] == {"finished": 1, "failed": 1, "waiting": 1}
    assert [row["name"] for row in ask_json(server, "api/runs?words=oth")["rows"]] == ["other"]
    rows = ask_json(server, "api/trials?run=made&metric=epoch_loss")["rows"]
    assert [(row["label"], row["state"], row["step"], row["value"]) for row in rows] == [
        ("sgd", "finished", 30, 1 / 3), ("adam", "failed", 30, 1 / 3 + 1), ("lion", "waiting", 0, None),
    ]  # fmt: skip
    assert [row["fraction"] for row in rows] == [1.0, 1.0, None]
    by_value = ask_json(server, "api/trials?run=made&metric=epoch_loss&sort=value&descending=1")["rows"]
    assert [row["label"] for row in by_value] == ["adam", "sgd", "lion"]  # what has no value stays last
    found = ask_json(server, "api/trials?run=made&words=it+BROKE")
    assert (found["total"], found["rows"][0]["label"]) == (1, "adam")
    assert ask_json(server, "api/trials?run=made&start=1&count=1")["rows"][0]["label"] == "adam"


def test_a_running_trial_is_followed(store, served):
    folder = store("made", [("sgd", 0, "running"), ("adam", 0, "waiting")], state="running")
    trial = next(folder.trial(path.name) for path in (folder.path / "trials").iterdir())
    with folder.lock(), trial.lock():
        server = served()
        with Stream(server, run="made", metric="epoch_loss", groups="sgd", log=trial.id) as stream:
            head = stream.until("head")
            assert (head["state"], head["running"], head["counts"]) == (
                "running",
                [trial.id],
                {"running": 1, "waiting": 1},
            )
            curves = stream.until("curves")["sgd"]
            points = curves["trials"][trial.id]
            assert (points["anew"], points["seed"], points["points"]) == (True, 0, [[1, 1], [2, 0.5], [3, 1 / 3]])
            assert (curves["axis"], curves["label"], curves["mean"]["points"]) == ("epoch", "sgd", [])
            assert stream.until("log") == {"anew": True, "text": "begins with sgd\n"}
            with trial.metrics_file.open("a") as file:
                file.write(line_of({"step": 40, "epoch": 4.0, "epoch_loss": 0.25}) + '\n{"step": 50, "half a li')
            began = time.monotonic()
            assert stream.until("curves")["sgd"]["trials"][trial.id]["points"] == [[4.0, 0.25]]
            trial.log("a word")
            assert stream.until("log") == {"anew": False, "text": "a word\n"}
            trial.write_result({"values": {"test_error": 0.5}})
            trial.write_state("finished", seconds=2.0)
            head = stream.until("head", lambda news: news["counts"].get("finished") == 1)
            assert head["events"][-1]["state"] == "finished"
            assert time.monotonic() - began < 60  # it came at all; how fast is the machine's


def test_a_trial_that_goes_back_to_its_checkpoint_is_drawn_anew(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_text('{"step": 1, "loss": 3}\n{"step": 2, "loss": 2}\n')
    points = Points(file, "loss")
    assert points.read() == {"anew": True, "axis": "step", "points": [[1, 3], [2, 2]], "of": 2}
    assert points.read() is None
    file.write_text('{"step": 1, "loss": 3}\n')
    assert points.read() == {"anew": True, "axis": "step", "points": [[1, 3]], "of": 1}
    file.unlink()
    assert points.read() == {"anew": True, "axis": "step", "points": [], "of": 0}


def followed(tmp_path, seeds):
    """The curves of a setting whose seeds measured `loss` as given, and a function that adds to one."""
    trials = []
    for seed in range(seeds):
        folder = TrialFolder(tmp_path / f"trial-{seed}")
        folder.path.mkdir()
        spec = {"id": f"trial-{seed}", "group": "g", "seed": seed, "settings": {}}
        trials.append(WatchedTrial(folder, spec, "sgd"))

    def add(seed, *losses):
        with trials[seed].folder.metrics_file.open("a") as file:
            first = len(trials[seed].folder.metrics()) + 1
            file.writelines(line_of({"step": first + i, "loss": loss}) + "\n" for i, loss in enumerate(losses))

    return Curves(trials, "loss"), add, trials


def test_the_mean_goes_as_far_as_all_seeds_that_began(tmp_path):
    curves, add, _ = followed(tmp_path, 3)
    add(0, 3.0, 1.0)
    assert curves.read()["mean"]["points"] == []  # one alone is its own curve
    add(1, 1.0)
    mean = curves.read()["mean"]
    assert (mean["anew"], mean["counted"]) == (True, 2)
    # t(0.975, 1) = 12.7062; s = √2, so the half is t · √2 / √2
    assert mean["points"] == [pytest.approx([1, 2.0, 2 - 12.7062, 2 + 12.7062], rel=1e-5)]
    add(1, 2.0, 4.0)
    mean = curves.read()["mean"]
    assert (mean["anew"], [point[:2] for point in mean["points"]]) == (False, [[2, 1.5]])
    assert curves.read() is None


def test_a_seed_that_broke_is_drawn_and_in_no_mean(tmp_path):
    curves, add, trials = followed(tmp_path, 4)
    for seed in range(4):
        add(seed, float(seed))
    assert curves.read()["mean"]["points"][0][:2] == [1, 1.5]
    add(3, math.nan)
    told = curves.read()
    assert (told["mean"]["anew"], told["mean"]["counted"], told["mean"]["points"][0][:2]) == (True, 3, [1, 1.0])
    assert math.isnan(told["trials"]["trial-3"]["points"][0][1])
    trials[2].state = "failed"
    mean = curves.read()["mean"]
    assert (mean["anew"], mean["counted"], mean["points"][0][:2]) == (True, 2, [1, 0.5])


def test_a_long_curve_is_told_thinned(tmp_path):
    curves, add, _ = followed(tmp_path, 2)
    add(0, *[1.0] * 2000)
    add(1, *[2.0] * 2000)
    told = curves.read()
    for found in (told["mean"], told["trials"]["trial-1"]):
        assert len(found["points"]) < 700
        assert found["of"] == 2000


def test_what_is_no_measurement_is_passed_over(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_text(
        '[]\nno json\n{"loss": 1}\n{"step": 1, "loss": "NaN"}\n{"step": 2, "loss": "x"}\n{"step": 3, "loss": 1}\n'
    )
    points = Points(file, "loss").read()["points"]
    assert [x for x, _ in points] == [1, 3]


def test_a_long_curve_is_thinned_to_its_lowest_and_highest(tmp_path):
    points = [[float(i), 1.0] for i in range(100_000)]
    points[40_000][1], points[70_000][1] = -5.0, 9.0
    kept = thinned(points)
    assert len(kept) <= 602
    assert [kept[0], kept[-1]] == [points[0], points[-1]]
    assert points[40_000] in kept
    assert points[70_000] in kept
    assert kept == sorted(kept)


def test_of_a_long_log_the_end_is_told(tmp_path):
    file = tmp_path / "log.txt"
    file.write_text("".join(f"line {i}\n" for i in range(20_000)))
    text = Log(file).read()["text"]
    assert len(text) < 70_000
    assert text.endswith("line 19999\n")
    assert text.startswith("line ")


def test_a_run_whose_coordinator_died_is_stopped(store, tmp_path):
    store("made", [("sgd", 0, "running")], state="running")
    watch = Watch(tmp_path / "runs")
    watch.refresh()
    assert watch.runs["made"].state == "stopped"
    assert watch.runs["made"].counts == {"interrupted": 1}


def test_how_far_a_run_is(store, tmp_path):
    states = ["finished", "failed", "finished", "waiting", "waiting", "running", "interrupted", "waiting"]
    store("made", [("sgd", seed, state) for seed, state in enumerate(states)], state="running")
    store("none", [])
    watch = Watch(tmp_path / "runs")
    watch.refresh()
    found = watch.runs["made"].summary()
    assert (found["trials"], found["ended"], found["fraction"]) == (8, 3, 3 / 8)
    assert found["seconds"] == 5 * 1.5
    assert found["counts"] == {"finished": 2, "failed": 1, "waiting": 3, "interrupted": 2}  # nobody computes the one
    assert found["metrics"][:2] == ["epoch", "epoch_loss"]
    none = watch.runs["none"].summary()
    assert (none["trials"], none["ended"], none["fraction"], none["metric"]) == (0, 0, 0, "")


def test_of_many_trials_every_one_is_looked_at_in_turn(store, tmp_path, monkeypatch):
    store("made", [("sgd", seed, "finished") for seed in range(5)], state="running")
    watch = Watch(tmp_path / "runs")
    watch.refresh()
    run = watch.runs["made"]
    monkeypatch.setattr("underhood.report.live.watching.SLICE", 2)
    monkeypatch.setattr(run, "_turn", 0)
    turns = [[list(run.trials).index(trial.id) for trial in run._due()] for _ in range(4)]
    assert turns == [[0, 1], [2, 3], [4], [0, 1]]


def test_runs_come_and_go_and_what_is_damaged_is_none(store, tmp_path):
    watch = Watch(tmp_path / "runs")
    watch.refresh()
    assert watch.runs == {}
    folder = store("made")
    damaged = store("damaged")
    (damaged.path / "run.json").write_text("{")
    watch.refresh()
    assert list(watch.runs) == ["made"]
    (folder.path / "run.json").unlink()
    watch.refresh()
    assert watch.runs == {}


def test_while_nobody_looks_nothing_is_read(store, served, monkeypatch):
    store("made", [("sgd", 0, "running")], state="running")
    server = served()
    looks = []
    monkeypatch.setattr(server.live.watch, "refresh", lambda *_: looks.append(1))
    time.sleep(1.2)
    assert looks == []
    with Stream(server) as stream:
        stream.until("list")
        time.sleep(1.2)
    assert looks


def test_several_look_at_once(store, served):
    store("made", THREE, state="failed")
    server = served()
    streams = [Stream(server, run="made") for _ in range(5)]
    assert [stream.until("head")["name"] for stream in streams] == ["made"] * 5
    for stream in streams:
        stream.answer.close()


def test_a_run_that_is_not_there(store, served):
    store()
    with Stream(served(), run="nothing") as stream:
        assert stream.until("gone") == {"loaded": True, "reading": ""}


def test_a_port_that_is_taken(store, served):
    store()
    port = urlsplit(served().url).port
    with pytest.raises(BadInput, match=f"127.0.0.1:{port}: cannot be listened at"):
        served(port=port)
