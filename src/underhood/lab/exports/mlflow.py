"""A run's trials to an MLflow server, over HTTP: each once, however often it is asked for.

    sync(open_run("quickstart-quick"), "http://localhost:5000")

A trial becomes a run of the experiment, found again by its id in the tag `underhood.trial`. What was sent stands in the
tag `underhood.sent`: how many lines of metrics, their SHA-256, and that of the result. So a second call sends what is
new alone, and one that was cut short goes on; at worst a batch is sent twice, with the same times, which the server
keeps once. A trial that was run again, so that its first lines are others, replaces the one that is there.

Settings are parameters, metrics are metrics, and the numbers of the result are metrics at the last step, `result/NAME`
where a metric is called so. The store keeps no time of a measurement: all bear the time that their trial was begun.
Artefacts stay where they are.

Source: MLflow's REST API 2.0: runs/create, search, log-batch (1000 metrics, 100 parameters and tags a request).
"""

import hashlib
import json
import math
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from underhood.errors import BadInput, MissingPiece, missing_extra
from underhood.lab.results import Group, Run, StoredTrial
from underhood.settings import flattened
from underhood.values import write_value

TRIAL, RUN, SENT = "underhood.trial", "underhood.run", "underhood.sent"
AT_ONCE = 1000  # metrics a request
PARAMETERS_AT_ONCE = 100
LONGEST = 500  # letters of a parameter that every version of the server takes
NOT_IN_NAMES = re.compile(r"[^\w\-./ ]")
STATUS = {"finished": "FINISHED", "failed": "FAILED", "running": "RUNNING", "interrupted": "KILLED"}


def sync(
    run: Run, server: str, experiment: str | None = None, say: Callable[[str], None] = lambda text: None
) -> dict[str, int]:
    """Bring the experiment, by default one called as the study, up to date; how many trials are new, were there …

    Raises BadInput for an address that is none, MissingPiece where the server does not answer or MLflow's client lacks.
    """
    client = _client(server)
    from mlflow.exceptions import MlflowException

    counts = dict.fromkeys(("new", "continued", "unchanged", "waiting"), 0)
    try:
        home = _experiment(client, experiment or run.study)
        there = _there(client, home)
        for group in run.results.groups:
            for trial in group.trials:
                what = _trial(client, home, run, group, trial, there.get(trial.id))
                counts[what] += 1
                say(f"{group.label}, seed {trial.seed}: {what}")
    except MlflowException as error:
        said = " ".join(str(error).split())[:300]
        raise MissingPiece(f"{server}: {said}. What was sent stays; the same command goes on") from error
    return counts


def _client(server: str) -> Any:
    if not re.fullmatch(r"https?://[^/\s]+(/\S*)?", server):
        raise BadInput(f'"{server}": is no address of an MLflow server; write it as http://HOST:PORT')
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "1")  # what is printed is this command's own
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise missing_extra("mlflow", "sync") from error
    try:
        urllib.request.urlopen(f"{server.rstrip('/')}/health", timeout=10).close()  # the client would try for minutes
    except urllib.error.HTTPError:
        pass  # somebody answers
    except OSError as error:
        raise MissingPiece(f"{server}: no MLflow server answers ({getattr(error, 'reason', error)})") from error
    return MlflowClient(server)


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        return str(client.create_experiment(name))
    if found.lifecycle_stage != "active":
        raise BadInput(f'experiment "{name}": was deleted there; name another with --experiment')
    return str(found.experiment_id)


def _there(client: Any, experiment: str) -> dict[str, Any]:
    """The runs of the experiment that are trials, by their ids."""
    found: dict[str, Any] = {}
    token: str | None = None
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        found |= {run.data.tags[TRIAL]: run for run in page if TRIAL in run.data.tags}
        token = page.token
        if not token:
            return found


def _trial(client: Any, experiment: str, run: Run, group: Group, trial: StoredTrial, there: Any) -> str:
    """Send what is new of a trial; what became of it."""
    if trial.state == "waiting":
        return "waiting"
    lines = [] if trial.damage else trial.folder.metrics()
    sent = _sent(there)
    if there is not None and sent.get("sha256") != _digest(lines[: sent.get("lines", 0)]):
        client.delete_run(there.info.run_id)  # another attempt's
        there, sent = None, {}
    result = _digest([trial.state, trial.result])
    if there is not None and (sent["lines"], sent.get("result")) == (len(lines), result):
        return "unchanged"
    begun = _milliseconds(trial.begun or run.facts["began"])
    if there is None:
        tags = {TRIAL: trial.id, RUN: run.name, "underhood.study": run.study, "underhood.seed": str(trial.seed)}
        name = f"{group.label}, seed {trial.seed}"
        made = client.create_run(experiment, start_time=begun, tags=tags, run_name=name).info.run_id
        _send_settings(client, made, trial)
        _mark(client, made, {"lines": 0, "sha256": _digest([])})
        sent = {"lines": 0}
    else:
        made = there.info.run_id
    _send_metrics(client, made, lines, sent["lines"], begun)
    _send_result(client, made, trial, lines, begun)
    finished = _milliseconds((trial.stored_result or {}).get("finished")) or begun
    client.set_terminated(made, STATUS[trial.state], end_time=None if trial.state == "running" else finished)
    _mark(client, made, {"lines": len(lines), "sha256": _digest(lines), "result": result})
    return "continued" if there is not None else "new"


def _sent(there: Any) -> dict[str, Any]:
    """What the tag says was sent; nothing where it says nothing that can be read."""
    try:
        found = json.loads(there.data.tags[SENT])
        return {"lines": int(found["lines"])} | found
    except (AttributeError, KeyError, TypeError, ValueError):
        return {}


def _mark(client: Any, run: str, sent: dict[str, Any]) -> None:
    client.set_tag(run, SENT, json.dumps(sent))


def _send_settings(client: Any, run: str, trial: StoredTrial) -> None:
    from mlflow.entities import Param

    flat = {_name(key): write_value(value)[:LONGEST] for key, value in flattened(trial.settings).items()}
    parameters = [Param(key, value) for key, value in {"seed": str(trial.seed), **flat}.items()]
    for some in _parts(parameters, PARAMETERS_AT_ONCE):
        client.log_batch(run, params=some)


def _send_metrics(client: Any, run: str, lines: Sequence[dict[str, Any]], first: int, time: int) -> None:
    """The lines from `first` on, whole ones in every request, each marked as sent after it."""
    from mlflow.entities import Metric

    batch: list[Any] = []
    for i, line in enumerate(lines[first:], first):
        measured = [
            Metric(_name(key), float(value), time, line["step"]) for key, value in line.items() if key != "step"
        ]
        if batch and len(batch) + len(measured) > AT_ONCE:
            client.log_batch(run, metrics=batch)
            _mark(client, run, {"lines": i, "sha256": _digest(lines[:i])})
            batch = []
        batch += measured
    for some in _parts(batch, AT_ONCE):
        client.log_batch(run, metrics=some)


def _send_result(client: Any, run: str, trial: StoredTrial, lines: Sequence[dict[str, Any]], time: int) -> None:
    from mlflow.entities import Metric

    measured = set[str]().union(*lines)
    last = max((line["step"] for line in lines), default=0)
    numbers = {_name(f"result/{name}" if name in measured else name): value for name, value in trial.numbers.items()}
    metrics = [Metric(name, value, time, last) for name, value in numbers.items()]
    for some in _parts(metrics, AT_ONCE):
        client.log_batch(run, metrics=some)
    if trial.reason:
        client.set_tag(run, "underhood.reason", trial.reason[:LONGEST])


def _parts(items: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _name(key: str) -> str:
    """A name as the server takes it."""
    return NOT_IN_NAMES.sub("_", key)[:250]


def _milliseconds(stamp: Any) -> int:
    """Since 1970; 0 where there is no time."""
    return math.floor(datetime.fromisoformat(stamp).timestamp() * 1000) if stamp else 0


def _digest(value: Any) -> str:
    from underhood.lab.files import line_of

    return hashlib.sha256(line_of(value).encode()).hexdigest()[:16]
