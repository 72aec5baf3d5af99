"""A folder of runs that a test writes, and the live page's server in a thread."""

import http.client
import json
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from underhood.lab.files import line_of
from underhood.lab.store import RunFolder
from underhood.lab.trial import digest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

EVIL = "<img src=x onerror=\"document.title='owned'\"><script>alert(1)</script>"


@pytest.fixture
def store(tmp_path):
    """store(name, trials, state): a run of trials (rule, seed, state), three measurements each that was begun."""

    def make(name="made", trials=(("sgd", 0, "finished"),), state="finished", rule="", reason="it broke"):
        folder, specs = RunFolder(tmp_path / "runs" / name), {}
        for label, seed, trial_state in trials:
            trial = folder.trial(digest([label, seed]))
            settings = {"rule": f"{rule}{label}", "epochs": 3}
            specs[trial.id] = {"id": trial.id, "group": label, "seed": seed, "settings": settings}
            if trial_state == "waiting":
                continue
            trial.path.mkdir(parents=True)
            lines = [{"step": 10 * e, "epoch": float(e), "epoch_loss": 1 / e + seed} for e in (1, 2, 3)]
            trial.metrics_file.write_text("".join(line_of(line) + "\n" for line in lines))
            trial.log_file.write_text(f"begins with {label}\n")
            trial.write_state(trial_state, reason=reason if trial_state == "failed" else "", seconds=1.5)
            if trial_state == "finished":
                trial.write_result({"values": {"test_error": 0.25 + seed, "steps": 30}, "seconds": 1.5})
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.write(
            {"study": "made", "title": "Made", "scale": "smoke", "command": "underhood run made", "warnings": []}
            | {"state": state, "exit_code": 0, "began": "2026-01-02T03:04:05+00:00", "file": None}
            | {"plan": list(specs), "trials": specs, "machine": {}, "versions": {}}
        )
        return folder

    return make


@pytest.fixture
def served(tmp_path):
    """served(): the server of the folder that `store` writes to, once it has read it."""
    from underhood.report.live.server import LiveServer

    with ExitStack() as stack:

        def serve(**options):
            server = stack.enter_context(LiveServer(tmp_path / "runs", **options))
            for _ in range(200):
                if server.live.watch.loaded and server.server.started:
                    break
                time.sleep(0.02)
            return server

        yield serve


@pytest.fixture
def ask():
    """ask(server, path, method, headers…): status, headers, body; the path comes after the token, unless raw."""

    def ask(server, path="", *, method="GET", raw=False, **headers):
        parts = urlsplit(server.url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path if raw else parts.path + path, headers=sent)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), body

    return ask


@pytest.fixture
def ask_json(ask):
    return lambda server, path: json.loads(ask(server, path)[2])
