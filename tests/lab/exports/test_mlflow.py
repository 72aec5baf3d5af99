"""`sync`, against a real MLflow server on SQLite that the test starts."""

import contextlib
import math
import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from underhood.errors import BadInput, MissingPiece
from underhood.lab.exports import mlflow as exported

METRICS = [{"step": i, "loss": 1 / (i + 1), "error": i / 7} for i in range(1, 1301)]
TRIALS = [
    ({"lr": 0.1, "optimizer": {"name": "adam"}}, 0, {"error": 0.25, "why": "text", "good": True}, METRICS),
    ({"lr": 0.2, "optimizer": {"name": "adam"}}, 0, {"accuracy": 0.5}, [{"step": 1, "loss %": math.inf}]),
    ({"lr": 0.1, "optimizer": {"name": "adam"}}, 1, None, [{"step": 1, "loss": 2.0}]),
]


@pytest.mark.parametrize("server", ["", "localhost:5000", "file:///tmp", "sqlite:///x.db", "http://", "http:// x"])
def test_an_address_that_is_none_is_refused(made_run, server):
    with pytest.raises(BadInput, match="is no address of an MLflow server"):
        exported.sync(made_run(TRIALS), server)


def test_a_server_that_does_not_answer_is_told_at_once(made_run):
    pytest.importorskip("mlflow")
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # and does not listen
        address = f"http://127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(MissingPiece, match="no MLflow server answers"):
            exported.sync(made_run(TRIALS), address)


def test_without_the_client_the_line_to_type_is_said(made_run, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingPiece, match=r"pip install 'underhood\[mlflow\]'"):
        exported.sync(made_run(TRIALS), "http://localhost:1")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    pytest.importorskip("mlflow.server", reason="needs mlflow, not its client alone")
    place = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["server", "--backend-store-uri", f"sqlite:///{place}/mlflow.db", "--workers", "1", "--port", str(port)]
    with (place / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *words, "--host", "127.0.0.1"],
            cwd=place, stdout=log, stderr=log, env=os.environ | {"PYTHONWARNINGS": "default"}, start_new_session=True,
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/health", timeout=1).close()
                break
            assert process.poll() is None, (place / "log").read_text()
            time.sleep(0.5)
        yield address
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        process.wait(30)


@pytest.fixture
def client(server):
    return pytest.importorskip("mlflow").MlflowClient(server)


def stored(client, experiment):
    """The runs of an experiment by trial."""
    home = client.get_experiment_by_name(experiment).experiment_id
    found = {}
    for run in client.search_runs([home]):
        assert run.data.tags[exported.TRIAL] not in found
        found[run.data.tags[exported.TRIAL]] = run
    return found


def history(client, run, metric):
    return sorted((each.step, each.value) for each in client.get_metric_history(run.info.run_id, metric))


pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its libraries' own


@pytest.mark.slow
def test_trials_arrive_once_however_often_they_are_sent(made_run, server, client):
    run = made_run(TRIALS, study="once")
    assert exported.sync(run, server) == {"new": 3, "continued": 0, "unchanged": 0, "waiting": 0}
    first, second, third = (stored(client, "once")[trial.id] for trial in run.trials)
    assert history(client, first, "loss") == [(line["step"], line["loss"]) for line in METRICS]
    assert history(client, first, "error") == [(line["step"], line["error"]) for line in METRICS]
    assert history(client, first, "result/error") == [(1300, 0.25)]
    assert first.data.params == {"seed": "0", "lr": "0.1", "optimizer.name": "adam"}
    assert [each.info.status for each in (first, second, third)] == ["FINISHED", "FINISHED", "FAILED"]
    assert first.info.run_name == "lr 0.1, seed 0"
    assert second.data.metrics["accuracy"] == 0.5
    assert "loss _" in second.data.metrics
    assert third.data.tags["underhood.reason"] == "it broke"
    assert exported.sync(run, server)["unchanged"] == 3
    assert history(client, first, "loss") == [(line["step"], line["loss"]) for line in METRICS]
    assert len(stored(client, "once")) == 3


@pytest.mark.slow
def test_a_sync_that_was_cut_short_goes_on(made_run, server, client, monkeypatch):
    run = made_run(TRIALS, study="cut")
    mark, calls = exported._mark, []

    def dies(*given):
        calls.append(given)
        if len(calls) == 3:  # a batch was sent, and not yet marked
            raise KeyboardInterrupt
        mark(*given)

    monkeypatch.setattr(exported, "_mark", dies)
    with pytest.raises(KeyboardInterrupt):
        exported.sync(run, server)
    monkeypatch.undo()
    counts = exported.sync(run, server)
    assert (counts["new"], counts["continued"]) == (2, 1)
    assert history(client, stored(client, "cut")[run.trials[0].id], "loss") == [(m["step"], m["loss"]) for m in METRICS]


@pytest.mark.slow
def test_what_grew_is_added_and_what_ran_again_replaced(made_run, server, client):
    run = made_run([({"lr": 1}, 0, None, [{"step": 1, "loss": 3.0}])], study="grew")
    exported.sync(run, server)
    folder = run.trials[0].folder
    with folder.metrics_file.open("a") as file:
        file.write('{"step": 2, "loss": 2.0}\n')
    again = type(run)(run.folder, run.facts)
    assert exported.sync(again, server)["continued"] == 1
    assert history(client, stored(client, "grew")[run.trials[0].id], "loss") == [(1, 3.0), (2, 2.0)]
    folder.metrics_file.write_text('{"step": 1, "loss": 9.0}\n')
    folder.write_result({"values": {"error": 1.0}})
    assert exported.sync(type(run)(run.folder, run.facts), server)["new"] == 1
    assert history(client, stored(client, "grew")[run.trials[0].id], "loss") == [(1, 9.0)]


@pytest.mark.slow
def test_the_command_says_what_it_did(made_run, server, capfd):
    from underhood.cli import main

    run = made_run(TRIALS, study="command")
    assert main(["sync", str(run.path), "--to", server, "--experiment", "called so"]) == 0
    said = capfd.readouterr()
    assert said.out == "3 new\n"
    assert said.err.splitlines()[0] == "lr 0.1, seed 0: new"
