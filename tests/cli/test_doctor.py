"""`underhood doctor`: what it finds, and that it finds what is broken."""

import importlib.metadata
import shutil
from collections import namedtuple

import pytest

from underhood.cli import checks
from underhood.cli.checks import Check, examine, size


def test_a_sound_machine_is_told_in_full(underhood, no_data):
    said = underhood("doctor")
    assert said.status == 0
    for word in (
        "python",
        "numpy",
        "extra pdf",
        "blas",
        "threading layer",
        "numba cache",
        "processor",
        "memory",
        "gpu",
    ):
        assert word in said.out
    assert "not found: mnist" in said.out
    assert said.out.endswith("All that is needed is in place.\n")


def test_doctor_for_programs(underhood):
    said = underhood("doctor", "--json").json
    assert said["schema"] == "underhood.doctor/1"
    assert said["healthy"] is True
    (processor,) = (check for check in said["checks"] if check["name"] == "processor")
    assert processor["facts"]["cores"] >= 1
    assert processor["facts"]["simd_bits"] in (128, 256, 512)


def broken() -> list[Check]:
    return [check for check in examine() if check.state == "broken"]


def test_a_package_that_is_not_installed_comes_with_the_line_to_type(monkeypatch, underhood):
    found = importlib.metadata.version

    def version(name):
        if name == "jinja2":
            raise importlib.metadata.PackageNotFoundError(name)
        return found(name)

    monkeypatch.setattr(checks, "version", version)
    (check,) = broken()
    assert (check.name, check.mend) == ("jinja2", "pip install 'jinja2>=3.1'")
    said = underhood("doctor")
    assert said.status == 3
    assert "✗ jinja2" in said.out
    assert "→ pip install 'jinja2>=3.1'" in said.out
    assert said.out.endswith("1 broken.\n")


def test_a_package_that_is_too_old(monkeypatch):
    found = importlib.metadata.version
    monkeypatch.setattr(checks, "version", lambda name: "1.26.4" if name == "numpy" else found(name))
    (check,) = broken()
    assert (check.text, check.mend) == ("1.26.4 is too old", "pip install --upgrade 'numpy>=2.0'")


def test_a_package_that_does_not_load(monkeypatch):
    loaded = checks.import_module

    def import_module(name):
        if name == "numba":
            raise ImportError("libomp is missing")
        return loaded(name)

    monkeypatch.setattr(checks, "import_module", import_module)
    (check,) = broken()
    assert check.text == "does not load: libomp is missing"
    assert check.mend == "pip install --force-reinstall 'numba>=0.61'"


def test_an_extra_that_is_absent_is_no_fault(monkeypatch):
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    found = {check.name: check for check in examine()}
    assert found["extra torch"].state == "absent"
    assert found["extra torch"].mend == "pip install 'underhood[torch]'"
    assert found["gpu"].state == "absent"
    assert not broken()


def test_a_folder_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("UNDERHOOD_RUNS", str(tmp_path / "file" / "runs"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert [check.name for check in broken()] == ["numba cache", "runs"]


def test_a_full_disk(monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1e12, 1e12 - 5e8, 5e8))
    assert [check.mend for check in broken()] == ["make room on that disk"] * 2


def test_a_check_that_fails_itself_is_broken(monkeypatch):
    def no_cpu(*arguments):
        raise RuntimeError("no cpu")

    monkeypatch.setattr("llvmlite.binding.get_host_cpu_features", no_cpu)
    (check,) = broken()
    assert (check.name, check.text) == ("processor", "RuntimeError: no cpu")


@pytest.mark.parametrize(
    ("count", "text"), [(999, "999 bytes"), (1536, "1.54 kB"), (25.3e9, "25.3 GB"), (2e15, "2e+03 TB")]
)
def test_size(count, text):
    assert size(count) == text


def test_a_gpu_is_told_by_its_name_where_pytorch_can_use_one(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda i: f"card {i}")
    (found,) = checks.gpu()
    assert (found.state, found.text) == ("ok", "card 0, card 1")
    assert found.facts == {"devices": ["card 0", "card 1"]}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (found,) = checks.gpu()
    assert found.state == "absent"
