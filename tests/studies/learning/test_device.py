"""What the machine tells of its work, in SI units."""

import os

import pytest

from underhood.studies.learning import device


@pytest.mark.parametrize(("written", "joules"), [("2500000\n", 2.5), ("nothing\n", None), (None, None)])
def test_the_processor_counts_microjoules(written, joules, tmp_path, monkeypatch):
    monkeypatch.setattr(device, "ENERGY", tmp_path / "energy_uj")
    if written is not None:
        device.ENERGY.write_text(written)
    assert device._energy() == joules


def answers(monkeypatch, **by):
    monkeypatch.setattr(device, "nvidia_smi", lambda option: by["gpu" if "query-gpu" in option else "processes"])


def test_a_gpu_tells_watts_mebibytes_and_per_cent(monkeypatch):
    answers(monkeypatch, gpu=["H100, 70.25, 1024, 81559, 37", "another, 1, 1, 1, 1"], processes=["1", str(os.getpid())])
    assert device._gpu() == {
        "name": "H100",
        "watts": 70.25,
        "memory": 2**30,
        "total": 81559 * 2**20,
        "busy": 0.37,
        "listed": True,
    }
    answers(monkeypatch, gpu=["MX, [N/A], [N/A], [N/A], [N/A]"], processes=[])
    assert device._gpu() == {
        "name": "MX",
        "watts": None,
        "memory": None,
        "total": None,
        "busy": None,
        "listed": False,
    }
    answers(monkeypatch, gpu=[], processes=[])
    assert device._gpu() is None


def sample(**changed):
    return device.Sample(
        **({"device": "cpu", "at": 10.0, "busy": 4.0, "own": 3.0, "resident": 7, "energy": 5.0} | changed)
    )


def test_usage_is_a_difference_over_its_seconds(monkeypatch):
    import psutil

    monkeypatch.setattr(psutil, "cpu_count", lambda: 4)
    found = sample().until(sample(at=12.0, busy=8.0, own=4.0, resident=9, energy=25.0))
    assert found == {"machine": 0.5, "process": 0.5, "resident": 9, "watts": 10.0, "gpu": None}
    assert sample().until(sample(at=12.0, busy=100.0))["machine"] == 1.0  # no more than all
    assert sample().until(sample(at=12.0, energy=4.0))["watts"] is None  # the counter began anew
    assert sample().until(sample(at=12.0, energy=5.0))["watts"] == 0.0
    assert sample(energy=None).until(sample(at=12.0))["watts"] is None
    assert sample().until(sample(at=12.0, energy=None))["watts"] is None
    answers(monkeypatch, gpu=[], processes=[])
    assert sample().until(sample(at=12.0, device="cuda"))["gpu"] is None
