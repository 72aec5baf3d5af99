"""Attacks on the live page: each is refused, and the page goes on."""

import json
import os
import shutil
import socket
import time
from urllib.parse import urlsplit

import pytest

from tests.report.live.conftest import EVIL
from underhood.report.live.guard import new_token


def test_the_page_and_its_headers(store, served, ask):
    store()
    server = served()
    status, headers, body = ask(server)
    assert status == 200
    assert b"<title>Runs" in body
    rules = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == rules["frame-ancestors"] == "'none'"
    assert rules["connect-src"] == "'self'"
    assert rules["script-src"].startswith("'sha256-")
    assert rules["style-src"].startswith("'sha256-")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"  # the token goes nowhere
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[", "10.0.0.1"])
def test_a_name_that_was_bound_to_this_machine_later(store, served, ask, host):
    """DNS rebinding: the browser takes evil.example for our page's own origin, and says so in Host."""
    store()
    status, _, body = ask(served(), "api/runs", Host=host)
    assert status in (400, 421)
    assert b"made" not in body


@pytest.mark.parametrize("host", ["localhost:1234", "127.0.0.1:9", "[::1]:80", "LOCALHOST"])
def test_this_machine_by_any_of_its_names_and_through_a_tunnel(store, served, ask, host):
    store()
    assert ask(served(), "api/runs", Host=host)[0] == 200


def test_another_origin(store, served, ask):
    store()
    server = served()
    host = urlsplit(server.url).netloc
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[::1"},  # no address at all
        {"Origin": f"http://{host}@evil.example"},
        {"Origin": "http://127.0.0.1:1"},  # another program's page on this machine
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"},
    ):
        status, _, body = ask(server, "api/runs", **headers)
        assert status == 403
        assert b"made" not in body
    assert ask(server, "api/runs", Origin=f"http://{host}")[0] == 200
    assert ask(server, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200  # a link that was clicked


def test_a_wrong_token(store, served, ask):
    store()
    server = served()
    token = server.token
    for path in (
        "/",
        "/api/runs",
        f"/{token[:-1]}/",
        f"/{token}x/api/runs",
        f"//{token}/",
        "/%C3%A9/",
        "/?token=" + token,
    ):
        status, _, body = ask(server, path, raw=True)
        assert status in (403, 400), path
        assert b"made" not in body
    assert len(token) >= 22
    assert new_token() != new_token()


@pytest.mark.parametrize(
    "path",
    [
        "../../etc/passwd", "/../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "..%2f..%2fetc%2fpasswd",
        "....//....//etc/passwd", "%2e%2e%5c%2e%2e%5cetc%5cpasswd", "made/run.json", "runs/made/run.json",
        "api/trials?run=../../../../etc", "api/trials?run=%2e%2e%2f%2e%2e", "api/trials?run=.", "api/trials?run=",
    ],
)  # fmt: skip
def test_paths_that_lead_out_of_the_store(store, served, ask, path):
    store()
    server = served()
    status, _, body = ask(server, path)
    assert status == 404
    assert b"root:" not in body
    assert b"plan" not in body
    token = server.token
    for raw in (f"/{path.lstrip('/')}", f"/{token}/../{path.lstrip('/')}"):
        status, _, body = ask(server, raw, raw=True)
        assert status in (403, 404)
        assert b"root:" not in body


def test_links_in_the_store_that_lead_out_of_it(store, served, ask_json, tmp_path):
    """A trial may write what it likes into its folder: a link to another file is not followed."""
    secret = tmp_path / "secret.txt"
    secret.write_text("top secret\n")
    folder = store("made", [("sgd", 0, "failed")])
    (trial,) = (folder.path / "trials").iterdir()
    for name in ("log.txt", "metrics.jsonl"):
        (trial / name).unlink()
        os.symlink(secret, trial / name)
    elsewhere = store("elsewhere").path.rename(tmp_path / "elsewhere")
    os.symlink(elsewhere, tmp_path / "runs" / "linked")
    server = served()
    assert [row["name"] for row in ask_json(server, "api/runs")["rows"]] == ["made"]
    told = told_of(server, trial.name)
    assert b"event: head" in told
    assert b"top secret" not in told


def test_trials_whose_folders_lie_elsewhere(store, served, ask_json, tmp_path):
    """Runs from a stranger: a trial's folder is a link, or the plan names a way out."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "log.txt").write_text("top secret\n")
    folder, way_out = store("made"), store("other")
    (linked,) = folder.read()["plan"]
    shutil.rmtree(folder.trial(linked).path)
    os.symlink(secret, folder.trial(linked).path)
    text = (way_out.path / "run.json").read_text()
    (way_out.path / "run.json").write_text(text.replace(way_out.read()["plan"][0], "../../../secret"))
    server = served()
    assert [row["name"] for row in ask_json(server, "api/runs")["rows"]] == ["made"]
    for trial in (linked, "../../../secret", "..%2F..%2F..%2Fsecret"):
        told = told_of(server, trial)
        assert b"event: head" in told
        assert b"top secret" not in told


def told_of(server, trial):
    """What a stream says of a trial in its first moments."""
    host, path = urlsplit(server.url).netloc, urlsplit(server.url).path
    with socket.create_connection(host.split(":"), timeout=5) as stream:
        request = f"GET {path}events?run=made&log={trial}&groups=sgd HTTP/1.1\r\nHost: {host}\r\n\r\n"
        stream.sendall(request.encode())
        time.sleep(0.8)
        return stream.recv(100_000)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_can_be_written(store, served, ask, method):
    store()
    assert ask(served(), "api/runs", method=method)[0] == 405


def test_html_in_every_name_is_text(store, served, ask):
    store("made", [(EVIL, 0, "finished"), ("b", 1, "failed")], rule=EVIL, reason=EVIL)
    server = served()
    for path in ("api/runs", "api/trials?run=made"):
        _, headers, body = ask(server, path)
        assert headers["content-type"] == "application/json"
        assert b"<" not in body  # even where something took it for HTML
        assert json.loads(body)["rows"]
    assert EVIL in json.loads(ask(server, "api/trials?run=made")[2])["rows"][0]["label"]


@pytest.mark.parametrize(
    "query", ["start=-1", "start=9e9", "count=999999999", "count=x", "sort=nothing", "descending=2"]
)
def test_odd_questions_are_answered_within_bounds(store, served, ask_json, query):
    store()
    assert len(ask_json(served(), f"api/trials?run=made&{query}")["rows"]) <= 200


def test_10000_open_connections_are_refused_politely(store, served, ask, monkeypatch):
    """More than may be there are told so at once, those that were there first go on, and room is given back."""
    from underhood.report.live import guard

    store()
    server = served()
    parts = urlsplit(server.url)
    held, told = [], 0
    first = socket.create_connection((parts.hostname, parts.port), timeout=10)
    for _ in range(10_000):
        one = socket.create_connection((parts.hostname, parts.port), timeout=10)
        if len(held) < guard.MOST - 1:
            held.append(one)
            continue
        answer = one.recv(1000)
        one.close()
        told += answer.startswith(b"HTTP/1.1 503 ") and b"Retry-After: 5" in answer
    assert told == 10_000 - (guard.MOST - 1)
    first.sendall(f"GET {parts.path}api/runs HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
    assert first.recv(1000).startswith(b"HTTP/1.1 200 ")
    for one in (*held, first):
        one.close()
    for _ in range(100):
        if len(server.server.server_state.connections) < guard.MOST:
            break
        time.sleep(0.02)
    assert ask(server, "api/runs")[0] == 200


def test_a_connection_that_says_nothing_is_closed(store, served, monkeypatch):
    from underhood.report.live import guard

    monkeypatch.setattr(guard, "SILENCE", 0.2)
    store()
    parts = urlsplit(served().url)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as silent:
        silent.sendall(b"GET / HT")
        assert silent.recv(100) == b""


def test_told_to_listen_elsewhere_it_answers_addresses_and_its_own_name_alone():
    from underhood.report.live.guard import Guard

    guard = Guard(None, "token", "0.0.0.0")
    assert guard.is_ours("192.168.1.7:8600")  # an address cannot be bound to another machine by a name server
    assert guard.is_ours("[fe80::1]:8600")
    assert guard.is_ours(socket.gethostname())
    assert not guard.is_ours("evil.example")
    assert not Guard(None, "token", "127.0.0.1").is_ours("192.168.1.7:8600")
