"""The laboratory's face: whole, and light to import."""

import subprocess
import sys

import pytest

import underhood.lab


def test_every_name_of_the_face_is_there():
    assert all(hasattr(underhood.lab, name) for name in underhood.lab.__all__)
    assert sorted(underhood.lab.__all__) == list(underhood.lab.__all__)


def test_importing_it_loads_nothing_heavy():
    code = "import sys, underhood.lab; underhood.lab.run_study; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert "underhood.lab.coordinator" in loaded
    assert loaded.isdisjoint({"torch", "numba", "scipy", "sklearn", "vl_convert", "rich", "psutil", "safetensors"})


def test_to_list_runs_loads_nothing_that_runs_them():
    code = "import sys, underhood.lab; from underhood.lab.index import run_rows; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"pydantic", "underhood.lab.coordinator", "underhood.training"}.isdisjoint(done.stdout.split())


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'run_studdy'"):
        underhood.lab.run_studdy  # noqa: B018
