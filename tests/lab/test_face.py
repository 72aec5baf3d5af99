"""The laboratory's face: whole, and light to import."""

import subprocess
import sys

import underhood.lab


def test_every_name_of_the_face_is_there():
    assert all(hasattr(underhood.lab, name) for name in underhood.lab.__all__)
    assert sorted(underhood.lab.__all__) == list(underhood.lab.__all__)


def test_importing_it_loads_nothing_heavy():
    code = "import sys, underhood.lab; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert "underhood.lab.coordinator" in loaded
    assert loaded.isdisjoint({"torch", "numba", "scipy", "sklearn", "vl_convert", "rich", "psutil", "safetensors"})
