"""Scripts written for PyTorch, run on both libraries with nothing changed but the imports.

They are seeded, and a seed gives both the same initial weights, order of the data and noise. So the losses agree to
1e−4 wherever no dropout is drawn (MNIST's alone, whose losses agree before the first mask and fall after it).
"""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

HERE = Path(__file__).parent
SCRIPTS = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("test_"))
SLOW = {"cifar_in_60_minutes", "mnist_example", "resnet_cifar", "autoencoder"}  # whose convolutions are compiled first
RUNS = [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in SCRIPTS]


def for_underhood(source):
    """The same text with other imports."""
    source = re.sub(r"^(\s*)import torch$", r"\1import underhood as torch", source, flags=re.M)
    source = re.sub(r"^(\s*)import torch\.([\w.]+)( as \w+)$", r"\1import underhood.\2\3", source, flags=re.M)
    source = re.sub(r"^(\s*)import torch\.([\w.]+)$", r"\1import underhood.\2", source, flags=re.M)
    return re.sub(r"^(\s*)from torch\b", r"\1from underhood", source, flags=re.M)


def run(name, tmp_path, monkeypatch, library):
    source = (HERE / f"{name}.py").read_text(encoding="utf-8")
    changed = for_underhood(source)
    moved = [a for a, b in zip(source.splitlines(), changed.splitlines(), strict=True) if a != b]
    assert moved
    assert all(re.match(r"\s*(import|from) torch", line) for line in moved)
    folder = tmp_path / library
    folder.mkdir()
    script = folder / f"{name}.py"
    script.write_text(changed if library == "underhood" else source, encoding="utf-8")
    monkeypatch.chdir(folder)
    # torch.testing, in whichever test imported it, forbids scripts to set switches
    monkeypatch.setitem(torch.backends.flags_frozen.__globals__, "__allow_nonbracketed_mutation_flag", True)
    return runpy.run_path(str(script), run_name="__main__")


@pytest.mark.filterwarnings("ignore:.*is deprecated:FutureWarning")  # the other library's word on old names
@pytest.mark.parametrize("name", RUNS)
def test_a_script_has_the_same_losses_on_both_libraries(name, tmp_path, monkeypatch):
    ours, theirs = (run(name, tmp_path, monkeypatch, library) for library in ("underhood", "torch"))
    assert type(ours["torch"]).__name__ == "module"
    assert ours["torch"].__name__ == "underhood"
    assert len(ours["losses"]) == len(theirs["losses"]) >= 1
    np.testing.assert_allclose(ours["losses"], theirs["losses"], rtol=1e-4, atol=1e-4)
    if name == "mnist_example":
        assert ours["test_loss"] < 0.3 * ours["losses"][0]
        assert ours["accuracy"] > 0.8


def test_there_are_ten():
    assert len(SCRIPTS) == 10
