"""What is sent to an MLflow server, request by request, to a client that keeps it: no server, and no MLflow."""

import datetime
import json
import sys
from collections import namedtuple
from types import ModuleType, SimpleNamespace

import pytest

from underhood.cli import main
from underhood.errors import BadInput, MissingPiece
from underhood.lab.exports import mlflow as exported

Metric = namedtuple("Metric", "key value time step")
Param = namedtuple("Param", "key value")
BEGUN = round(datetime.datetime(2026, 11, 21, 10, tzinfo=datetime.UTC).timestamp() * 1000)


class MlflowException(Exception):
    """As the client's own."""


class Page(list):
    token = None


class Client:
    """The server and its client: experiments by name, runs by id, and every call."""

    def __init__(self):
        self.experiments, self.runs, self.calls, self.per_page = {}, {}, [], 2

    def get_experiment_by_name(self, name):
        return self.experiments.get(name)

    def create_experiment(self, name):
        self.experiments[name] = SimpleNamespace(lifecycle_stage="active", experiment_id=len(self.experiments) + 7)
        return self.experiments[name].experiment_id

    def search_runs(self, experiments, max_results, page_token):
        found = [run for run in self.runs.values() if run.experiment in experiments]
        first = int(page_token or 0)
        page = Page(found[first : first + self.per_page])
        page.token = str(first + self.per_page) if first + self.per_page < len(found) else None
        return page

    def create_run(self, experiment, start_time, tags, run_name):
        name = f"run{len(self.calls)}"
        self.calls.append(("create", name))
        self.runs[name] = SimpleNamespace(
            experiment=experiment, info=SimpleNamespace(run_id=name), name=run_name, begun=start_time, metrics=[],
            params=[], ended=None, data=SimpleNamespace(tags=dict(tags)),
        )  # fmt: skip
        return self.runs[name]

    def delete_run(self, name):
        del self.runs[name]

    def set_tag(self, name, key, value):
        self.calls.append(("tag", key, value))
        self.runs[name].data.tags[key] = value

    def log_batch(self, name, metrics=(), params=()):
        self.calls.append(("batch", len(metrics), len(params)))
        self.runs[name].metrics += metrics
        self.runs[name].params += params

    def set_terminated(self, name, status, end_time):
        self.runs[name].ended = (status, end_time)

    def of(self, trial):
        (found,) = (run for run in self.runs.values() if run.data.tags.get(exported.TRIAL) == trial.id)
        return found


@pytest.fixture
def client(monkeypatch):
    found = Client()
    package, entities, exceptions = (ModuleType(f"mlflow{end}") for end in ("", ".entities", ".exceptions"))
    entities.Metric, entities.Param, exceptions.MlflowException = Metric, Param, MlflowException
    for module in (package, entities, exceptions):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(exported, "_client", lambda server: found)
    return found


def counts(**some):
    return {"new": 0, "continued": 0, "unchanged": 0, "waiting": 0} | some


LINES = [{"step": step, "loss": 1 / step, "a:b": step} for step in (1, 2, 3)]
TRIALS = [
    ({"lr": 0.1, "name": "x" * 600, "none": None}, 0, {"loss": 0.25, "error": 0.5, "said": "so"}, LINES),
    ({"lr": 0.1, "name": "y", "none": None}, 4, {"error": 0.5}, []),
    ({"lr": 0.2, "name": "y", "none": None}, 0, None, LINES[:1]),
]


def test_each_trial_is_a_run_with_settings_metrics_result_and_state(made_run, client):
    run, said = made_run(TRIALS), []
    assert exported.sync(run, "http://here", None, said.append) == counts(new=3)
    assert list(client.experiments) == ["made"]
    assert {each.experiment for each in client.runs.values()} == {"7"}
    groups = [(group, trial) for group in run.results.groups for trial in group.trials]
    assert said == [f"{group.label}, seed {trial.seed}: new" for group, trial in groups]
    for group, trial in groups:
        there = client.of(trial)
        assert (there.name, there.begun) == (f"{group.label}, seed {trial.seed}", BEGUN)
        assert {key: value for key, value in there.data.tags.items() if key not in (exported.SENT,)} == {
            "underhood.trial": trial.id, "underhood.run": run.name, "underhood.study": "made",
            "underhood.seed": str(trial.seed), **({"underhood.reason": "it broke"} if trial.state == "failed" else {}),
        }  # fmt: skip
    first, second, third = (client.of(trial) for trial in run.trials)
    assert first.params == [("seed", "0"), ("lr", "0.1"), ("name", "x" * 500), ("none", "none")]
    measured = [
        (name, line[key], BEGUN, line["step"]) for line in LINES for name, key in (("loss", "loss"), ("a_b", "a:b"))
    ]
    assert first.metrics == [*measured, ("result/loss", 0.25, BEGUN, 3), ("error", 0.5, BEGUN, 3)]
    assert second.metrics == [("error", 0.5, BEGUN, 0)]
    assert third.metrics == [("loss", 1.0, BEGUN, 1), ("a_b", 1.0, BEGUN, 1)]
    assert [each.ended for each in (first, second, third)] == [
        ("FINISHED", BEGUN),
        ("FINISHED", BEGUN),
        ("FAILED", BEGUN),
    ]
    assert [json.loads(each.data.tags[exported.SENT])["lines"] for each in (first, second, third)] == [3, 0, 1]


def test_what_is_there_is_found_on_every_page_and_sent_no_second_time(made_run, client):
    run = made_run(TRIALS)
    exported.sync(run, "http://here", "mine")
    client.create_run("7", 0, {"somebody": "else's"}, "other")
    client.calls.clear()
    assert exported.sync(run, "http://here", "mine") == counts(unchanged=3)
    assert client.calls == []
    assert list(client.experiments) == ["mine"]
    assert len(client.runs) == 4


def test_new_lines_are_sent_alone_and_another_attempt_replaces_the_run(made_run, client):
    run = made_run(TRIALS[2:])
    exported.sync(run, "http://here")
    (trial,) = run.trials
    trial.folder.metrics_file.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    grown = type(run)(run.folder, run.facts)
    assert exported.sync(grown, "http://here") == counts(continued=1)
    assert [(each.key, each.step) for each in client.of(trial).metrics] == [
        ("loss", 1), ("a_b", 1), ("loss", 2), ("a_b", 2), ("loss", 3), ("a_b", 3)
    ]  # fmt: skip
    assert exported.sync(grown, "http://here") == counts(unchanged=1)
    trial.folder.metrics_file.write_text('{"step": 1, "loss": 9.0}\n')
    assert exported.sync(type(run)(run.folder, run.facts), "http://here") == counts(new=1)
    assert [tuple(each) for each in client.of(trial).metrics] == [("loss", 9.0, BEGUN, 1)]
    for damaged in ("", "[]", '{"lines": "many"}', "{}"):
        client.of(trial).data.tags[exported.SENT] = damaged
        assert exported.sync(type(run)(run.folder, run.facts), "http://here") == counts(new=1)
        assert len(client.runs) == 1


@pytest.mark.parametrize(
    ("at_once", "batches", "marked"),
    [
        (1, [2, 2, 1, 1], [0, 1, 2, 3]),
        (2, [2, 2, 2], [0, 1, 2, 3]),
        (4, [4, 2], [0, 2, 3]),
        (5, [4, 2], [0, 2, 3]),
        (6, [6], [0, 3]),
    ],
)
def test_metrics_go_in_batches_of_whole_lines_each_marked(made_run, client, monkeypatch, at_once, batches, marked):
    monkeypatch.setattr(exported, "AT_ONCE", at_once)
    run = made_run([({"lr": 1}, 0, None, LINES)])
    exported.sync(run, "http://here")
    assert [call[1] for call in client.calls if call[0] == "batch" and call[1]] == batches
    assert [json.loads(call[2])["lines"] for call in client.calls if call[:2] == ("tag", exported.SENT)] == marked
    assert [each.step for each in client.of(run.trials[0]).metrics] == [1, 1, 2, 2, 3, 3]


def test_settings_go_in_batches_too(made_run, client, monkeypatch):
    monkeypatch.setattr(exported, "PARAMETERS_AT_ONCE", 2)
    run = made_run([({"a": 1, "b": 2, "c": {"d": 3, "e": [4]}}, 3, None, [])])
    exported.sync(run, "http://here")
    assert [call for call in client.calls if call[0] == "batch"] == [("batch", 0, 2), ("batch", 0, 2), ("batch", 0, 1)]
    assert client.of(run.trials[0]).params == [("seed", "3"), ("a", "1"), ("b", "2"), ("c.d", "3"), ("c.e", "[4]")]


def test_an_experiment_that_was_deleted_and_a_server_that_fails_are_told(made_run, client, monkeypatch):
    run = made_run(TRIALS)
    client.create_experiment("made")
    client.experiments["made"].lifecycle_stage = "deleted"
    with pytest.raises(BadInput, match=r'^experiment "made": was deleted there; name another with --experiment$'):
        exported.sync(run, "http://here")

    def fails(*given, **named):
        raise MlflowException("no  room\n" + "x" * 400)

    monkeypatch.setattr(client, "log_batch", fails)
    with pytest.raises(MissingPiece) as caught:
        exported.sync(run, "http://here", "other")
    assert str(caught.value) == (f"http://here: no room {'x' * 292}. What was sent stays; the same command goes on")


@pytest.mark.parametrize(
    ("stamp", "found"),
    [("1970-01-01T00:00:01.5+00:00", 1500), ("1969-12-31T23:59:59.9996+00:00", -1), (None, 0), ("", 0)],
)
def test_times_are_milliseconds_since_1970(stamp, found):
    assert exported._milliseconds(stamp) == found


def test_the_command_prints_the_counts_and_needs_an_address(made_run, client, capsys, monkeypatch):
    run = made_run(TRIALS)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert main(["sync", str(run.path)]) == 2
    assert "--to: a value is missing: the server's address, as http://localhost:5000" in capsys.readouterr().err
    assert main(["sync", str(run.path), "--to", "http://here"]) == 0
    assert capsys.readouterr().out == "3 new\n"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://there")
    for words, name in (([], "made"), (["--experiment", "own"], "own")):
        assert main(["sync", str(run.path), "--json", *words]) == 0
        assert json.loads(capsys.readouterr().out) == {
            "schema": "underhood.sync/1", "run": run.name, "server": "http://there", "experiment": name,
            "trials": counts(unchanged=3) if name == "made" else counts(new=3),
        }  # fmt: skip
