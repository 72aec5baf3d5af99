"""What a number was measured on."""

import json
import subprocess
import sys
from importlib.metadata import version

import psutil

from underhood.cores import usable_cores
from underhood.lab import machine as page
from underhood.lab.machine import machine, versions


def test_versions_are_those_installed():
    found = versions()
    assert found["numpy"] == version("numpy")
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert list(found)[:2] == ["underhood", "python"]


def test_what_is_not_installed_is_not_listed(monkeypatch):
    monkeypatch.setattr(page, "PACKAGES", ("numpy", "nothing-of-this-name"))
    assert set(versions()) == {"underhood", "python", "numpy"}


def test_the_machine_is_json():
    found = machine()
    assert json.loads(json.dumps(found)) == found
    assert found["memory"] == psutil.virtual_memory().total
    assert found["cores"] == usable_cores() >= 1
    assert found["cpu"]


def test_a_graphics_card_that_does_not_answer_is_none(monkeypatch):
    monkeypatch.setattr(page.shutil, "which", lambda name: "/usr/bin/nvidia-smi")

    def run(*arguments, **options):
        raise subprocess.TimeoutExpired("nvidia-smi", 10)

    monkeypatch.setattr(page.subprocess, "run", run)
    assert page._gpus() == []
    monkeypatch.setattr(
        page.subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 0, "NVIDIA H200\n\nNVIDIA H200\n")
    )
    assert page._gpus() == ["NVIDIA H200", "NVIDIA H200"]
