"""`underhood view` and `run --view`: the address, what is missing, and the browser where there is a screen."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import webbrowser
from urllib.request import urlopen

import pytest

from underhood.cli.view import open_page


def test_the_address_is_printed_and_ctrl_c_ends_it(underhood, study, runs):
    pytest.importorskip("starlette")
    underhood("run", study, "--scale=smoke")
    command = [sys.executable, "-m", "underhood", "view", "descent-smoke", "--runs", str(runs), "--no-open"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        url = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{22}/#run=descent-smoke", url)
        assert b"underhood" in urlopen(url.partition("#")[0], timeout=20).read()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stderr.read() == "Ctrl-C ends it.\n"


def test_a_run_with_its_page(underhood, study):
    pytest.importorskip("starlette")
    said = underhood("run", study, "--scale=smoke", "--view")
    assert said.status == 0
    assert re.search(r"^live: http://127\.0\.0\.1:\d+/[\w-]{22}/#run=descent-smoke$", said.err, re.M)


def test_mistakes(underhood, study, runs):
    underhood("run", study, "--scale=smoke")
    said = underhood("view", "descent-smok", "--no-open")
    assert said.status == 2
    assert 'no run "descent-smok"' in said.err
    assert 'did you mean "descent-smoke"' in said.err


@pytest.mark.parametrize("words", [["view"], ["run", "quickstart", "--scale=smoke", "--view"]])
@pytest.mark.parametrize("module", ["starlette", "uvicorn"])
def test_without_the_extra_one_line_says_what_to_type(underhood, monkeypatch, module, words):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == module else found(name, *more))
    said = underhood(*words)
    assert said.status == 3
    assert said.err == "The live page needs Starlette and uvicorn: pip install 'underhood[view]'\n"


@pytest.mark.parametrize(("display", "person", "opened"), [(":0", True, 1), (":0", False, 0), ("", True, 0)])
def test_a_browser_is_opened_for_a_person_at_a_screen(display, person, opened, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: person)
    asked = []
    monkeypatch.setattr(webbrowser, "open", asked.append)
    open_page("http://127.0.0.1:1")
    assert len(asked) == opened
